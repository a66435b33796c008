"""Execute a transactional batch: all operations under one LSN, or none."""

from collections.abc import Callable
from http import HTTPStatus

from local.cosmos import charges, errors, values, wire
from local.cosmos.conditions import Condition
from local.cosmos.container import Container
from local.cosmos.errors import CosmosError
from local.cosmos.partition import Document, PhysicalPartition
from local.cosmos.partition_key import PartitionKey
from local.cosmos.transaction import Transaction
from local.cosmos.values import JsonObject
from local.cosmos.wire import Answer, Call

MOST_OPERATIONS = 100
FAILED_DEPENDENCY = 424
MULTI_STATUS = 207

Result = JsonObject
Step = Callable[[Transaction, JsonObject, Condition], Result]


def run(container: Container, call: Call, key: PartitionKey) -> Answer:
    """Execute the operations in order; the first that fails undoes all."""
    operations = read(call)
    if any(key != own_key(container, operation, key) for operation in operations):
        raise errors.bad_request(
            "The operations of a transactional batch must all have the partition key of the batch.",
            substatus=errors.PARTITION_KEY_MISMATCH,
        )
    transaction = Transaction(container, key)
    results: list[Result] = []
    for operation in operations:
        try:
            results.append(execute(transaction, operation))
        except CosmosError as error:
            return answer(container, transaction.partition, _failed(error, len(results), len(operations)))
    transaction.commit()
    return answer(container, transaction.partition, results)


def read(call: Call) -> list[JsonObject]:
    """Read the operations of a batch."""
    operations = values.parse(call.body)
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        raise errors.bad_request("A batch must be an array of operations.")
    if not operations:
        raise errors.bad_request("Batch request has no operations.")
    if len(operations) > MOST_OPERATIONS:
        raise errors.bad_request("Batch request has more operations than what is supported.")
    return operations


def own_key(container: Container, operation: JsonObject, other: PartitionKey | None) -> PartitionKey:
    """Read the partition key that an operation names, as the text of a header; without one it has the other."""
    named = operation.get("partitionKey")
    if named is None and other is not None:
        return other
    if not isinstance(named, str):
        raise errors.bad_request("The partitionKey of an operation must be a text that holds an array.")
    return container.definition.from_header(named)


def execute(transaction: Transaction, operation: JsonObject) -> Result:
    """Execute one operation and say what came of it."""
    step = STEPS.get(str(operation.get("operationType")))
    if step is None:
        raise errors.bad_request(f"The operation {operation.get('operationType')!r} does not exist in a batch.")
    return step(transaction, operation, Condition(operation.get("ifMatch"), operation.get("ifNoneMatch")))


def refused(error: CosmosError) -> Result:
    """Say why an operation was refused."""
    return {"statusCode": error.status, "subStatusCode": error.substatus, "requestCharge": charges.READ_UNITS}


def skipped() -> Result:
    """Say that an operation was not tried because another one failed."""
    return {"statusCode": FAILED_DEPENDENCY, "requestCharge": 0}


def answer(container: Container, partition: PhysicalPartition, results: list[Result]) -> Answer:
    """Answer with a result for each operation; 207 when one of them failed."""
    units = max(charges.READ_UNITS, sum(result["requestCharge"] for result in results))
    failed = any(result["statusCode"] >= HTTPStatus.BAD_REQUEST for result in results)
    headers = {
        **wire.partition_headers(container, partition),
        **charges.total(units),
        "x-ms-item-count": str(len(results)),
    }
    return Answer(MULTI_STATUS if failed else 200, values.render(results), headers)


def _create(transaction: Transaction, operation: JsonObject, _condition: Condition) -> Result:
    return _written(201, transaction.create(_body(operation)))


def _upsert(transaction: Transaction, operation: JsonObject, condition: Condition) -> Result:
    document, new = transaction.upsert(_body(operation), condition)
    return _written(201 if new else 200, document)


def _replace(transaction: Transaction, operation: JsonObject, condition: Condition) -> Result:
    return _written(200, transaction.replace(_id(operation), _body(operation), condition))


def _patch(transaction: Transaction, operation: JsonObject, condition: Condition) -> Result:
    return _written(200, transaction.patch(_id(operation), operation.get("resourceBody"), condition))


def _read(transaction: Transaction, operation: JsonObject, condition: Condition) -> Result:
    document = transaction.read(_id(operation))
    if condition.none_match in ("*", document.etag):
        return {"statusCode": 304, "requestCharge": charges.READ_UNITS, "eTag": document.etag}
    return _result(200, document, charges.read_units(document))


def _delete(transaction: Transaction, operation: JsonObject, condition: Condition) -> Result:
    document = transaction.delete(_id(operation), condition)
    return {"statusCode": 204, "requestCharge": round(charges.write_units(document), 2)}


STEPS: dict[str, Step] = {
    "Create": _create,
    "Upsert": _upsert,
    "Replace": _replace,
    "Patch": _patch,
    "Read": _read,
    "Delete": _delete,
}


def _id(operation: JsonObject) -> str:
    if not isinstance(operation.get("id"), str):
        raise errors.bad_request("This operation of a batch needs an id.")
    return str(operation["id"])


def _body(operation: JsonObject) -> JsonObject:
    body = operation.get("resourceBody")
    if not isinstance(body, dict):
        raise errors.bad_request("This operation of a batch needs a resourceBody that is an object.")
    return body


def _written(status: int, document: Document) -> Result:
    return _result(status, document, charges.write_units(document))


def _result(status: int, document: Document, units: float) -> Result:
    return {
        "statusCode": status,
        "requestCharge": round(units, 2),
        "eTag": document.etag,
        "resourceBody": document.value,
    }


def _failed(error: CosmosError, index: int, count: int) -> list[Result]:
    return [refused(error) if position == index else skipped() for position in range(count)]
