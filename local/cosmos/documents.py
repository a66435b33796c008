"""Answer requests about documents."""

from typing import Any

from local.cosmos import batch, bulk, change_feed, charges, errors, values, wire
from local.cosmos.conditions import Condition
from local.cosmos.container import Container
from local.cosmos.partition import Document, PhysicalPartition
from local.cosmos.partition_key import PartitionKey
from local.cosmos.query import execution
from local.cosmos.store import Account
from local.cosmos.transaction import Transaction
from local.cosmos.wire import Answer, Call

# What would change the outcome of a write and is not imitated.
REFUSED_HEADERS = ("x-ms-documentdb-pre-trigger-include", "x-ms-documentdb-post-trigger-include")


def read_feed(account: Account, call: Call) -> Answer:
    """Read the change feed or all documents."""
    container = _container(account, call)
    if call.header("A-IM"):
        return change_feed.read(container, call)
    return execution.read_all(container, call)


def post(account: Account, call: Call) -> Answer:
    """Run a query, a batch or a bulk, or create or upsert a document."""
    container = _container(account, call)
    if call.flag("x-ms-cosmos-is-query-plan-request"):
        return execution.plan(call)
    if call.flag("x-ms-documentdb-isquery"):
        return execution.run(container, call)
    if call.flag("x-ms-cosmos-is-batch-request"):
        atomic = call.flag("x-ms-cosmos-batch-atomic")
        return batch.run(container, call, _key(container, call)) if atomic else bulk.run(container, call)
    value = _body(call)
    transaction = Transaction(container, _key(container, call))
    if call.flag("x-ms-documentdb-is-upsert"):
        document, new = transaction.upsert(value, _condition(call))
    else:
        document, new = transaction.create(value), True
    transaction.commit()
    return _written(container, call, document, 201 if new else 200)


def read(account: Account, call: Call) -> Answer:
    """Read a document, or nothing when the client holds this version."""
    container = _container(account, call)
    document = container.read(_key(container, call), call.segments[5])
    headers = _headers(container, document.key, document)
    if call.header("If-None-Match") in (document.etag, "*"):
        return Answer(304, headers=headers)
    return Answer(200, document.text(), {**headers, **charges.read(document)})


def replace(account: Account, call: Call) -> Answer:
    """Replace a document."""
    container = _container(account, call)
    transaction = Transaction(container, _key(container, call))
    document = transaction.replace(call.segments[5], _body(call), _condition(call))
    transaction.commit()
    return _written(container, call, document, 200)


def patch(account: Account, call: Call) -> Answer:
    """Update a document in part."""
    container = _container(account, call)
    transaction = Transaction(container, _key(container, call))
    document = transaction.patch(call.segments[5], _json(call), _condition(call))
    transaction.commit()
    return _written(container, call, document, 200)


def delete(account: Account, call: Call) -> Answer:
    """Delete a document."""
    container = _container(account, call)
    key = _key(container, call)
    _refuse_triggers(call)
    transaction = Transaction(container, key)
    document = transaction.delete(call.segments[5], _condition(call))
    transaction.commit()
    return Answer(204, headers={**_headers(container, key), **charges.write(document)})


def delete_logical_partition(account: Account, call: Call) -> Answer:
    """Delete every document of one partition key."""
    container = _container(account, call)
    if call.segments[5] != "partitionkeydelete":
        raise errors.unsupported(f"The operation {call.segments[5]!r} on a container")
    key = _key(container, call)
    documents = container.partition_of(key.epk).logical(key)
    for document in documents:
        transaction = Transaction(container, key)
        transaction.delete(document.id)
        transaction.commit()
    units = sum(map(charges.write_units, documents))
    return Answer(200, headers={**_headers(container, key), **charges.total(max(units, charges.READ_UNITS))})


def _container(account: Account, call: Call) -> Container:
    container = account.container(call.segments[1], call.segments[3])
    intended = call.header("x-ms-cosmos-intended-collection-rid")
    if intended is not None and intended != container.rid:
        raise errors.bad_request(
            f"The container was created anew: its _rid is {container.rid}, not {intended}.",
            substatus=errors.COLLECTION_RID_MISMATCH,
        )
    return container


def _key(container: Container, call: Call) -> PartitionKey:
    header = call.header("x-ms-documentdb-partitionkey")
    if header is None:
        raise errors.bad_request("PartitionKey value must be supplied for this operation.")
    return container.definition.from_header(header)


def _body(call: Call) -> values.JsonObject:
    body = _json(call)
    if not isinstance(body, dict):
        raise errors.bad_request("The request's body must be a JSON object.")
    return body


def _json(call: Call) -> Any:
    _refuse_triggers(call)
    return values.parse(call.body)


def _refuse_triggers(call: Call) -> None:
    for name in REFUSED_HEADERS:
        if call.header(name):
            raise errors.unsupported(f"The header {name}")


def _condition(call: Call) -> Condition:
    return Condition(call.header("If-Match"), call.header("If-None-Match"))


def _written(container: Container, call: Call, document: Document, status: int) -> Answer:
    minimal = (call.header("Prefer") or "").lower() == "return=minimal"
    headers = {**_headers(container, document.key, document), **charges.write(document)}
    return Answer(status, b"" if minimal else document.text(), headers)


def _headers(container: Container, key: PartitionKey, document: Document | None = None) -> dict[str, str]:
    partition: PhysicalPartition = container.partition_of(key.epk)
    headers = wire.partition_headers(container, partition)
    return {**headers, **wire.document_headers(document)} if document else headers
