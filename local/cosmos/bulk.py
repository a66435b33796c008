"""Execute operations in bulk: each on its own, with its own LSN, whatever becomes of the others."""

from local.cosmos import batch, errors, scope
from local.cosmos.container import Container
from local.cosmos.errors import CosmosError
from local.cosmos.partition import PhysicalPartition
from local.cosmos.partition_key import PartitionKey
from local.cosmos.transaction import Transaction
from local.cosmos.values import JsonObject
from local.cosmos.wire import Answer, Call


def run(container: Container, call: Call) -> Answer:
    """Execute the operations in order; after one that fails go on only if the request says so."""
    partition, key = _owner(container, call)
    goes_on = call.flag("x-ms-cosmos-batch-continue-on-error")
    results: list[batch.Result] = []
    failed = False
    for operation in batch.read(call):
        if failed and not goes_on:
            results.append(batch.skipped())
            continue
        try:
            results.append(_execute(container, partition, operation, key))
        except CosmosError as error:
            results.append(batch.refused(error))
            failed = True
    return batch.answer(container, partition, results)


def _owner(container: Container, call: Call) -> tuple[PhysicalPartition, PartitionKey | None]:
    found = scope.of_range(container, call) or scope.of_key(container, call)
    if found is None:
        raise errors.bad_request("A bulk request needs a partition key range id, or a partition key.")
    return found.partition, found.key


def _execute(
    container: Container, partition: PhysicalPartition, operation: JsonObject, other: PartitionKey | None
) -> batch.Result:
    key = batch.own_key(container, operation, other)
    if container.partition_of(key.epk) is not partition:
        message = f"The operation's partition key is not in the partition key range {partition.id}."
        raise CosmosError(410, message, substatus=errors.PARTITION_KEY_RANGE_GONE)
    transaction = Transaction(container, key)
    result = batch.execute(transaction, operation)
    transaction.commit()
    return result
