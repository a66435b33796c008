"""Answer requests about documents."""

from local.cosmos import change_feed, errors, partition_key, query, values, wire
from local.cosmos.container import Container
from local.cosmos.partition import Document
from local.cosmos.partition_key import PartitionKey
from local.cosmos.store import Account
from local.cosmos.wire import Answer, Call

LARGEST_DOCUMENT = 2 * 1024 * 1024
# What would change the outcome of a write and is not imitated.
REFUSED_HEADERS = (
    "x-ms-documentdb-pre-trigger-include",
    "x-ms-documentdb-post-trigger-include",
    "x-ms-cosmos-is-batch-request",
)


def read_feed(account: Account, call: Call) -> Answer:
    """Read the change feed or all documents."""
    container = _container(account, call)
    if call.header("A-IM"):
        return change_feed.read(container, call)
    return query.read_all(container, call)


def post(account: Account, call: Call) -> Answer:
    """Run a query, or create or upsert a document."""
    container = _container(account, call)
    if call.flag("x-ms-cosmos-is-query-plan-request"):
        raise errors.unsupported("A query plan (cross-partition ORDER BY, TOP, DISTINCT, aggregate)")
    if call.flag("x-ms-documentdb-isquery"):
        return query.run(container, call)
    value = _body(call)
    key = _key(call)
    if call.flag("x-ms-documentdb-is-upsert"):
        document, new = container.upsert(key, value, if_match=call.header("If-Match"))
        return _written(container, call, document, 201 if new else 200)
    return _written(container, call, container.create(key, value), 201)


def read(account: Account, call: Call) -> Answer:
    """Read a document, or nothing when the client holds this version."""
    container = _container(account, call)
    document = container.read(_key(call), call.segments[5])
    headers = _headers(container, document)
    if call.header("If-None-Match") in (document.etag, "*"):
        return Answer(304, headers=headers)
    return Answer(200, document.text(), headers)


def replace(account: Account, call: Call) -> Answer:
    """Replace a document."""
    container = _container(account, call)
    value = _body(call)
    document = container.replace(_key(call), call.segments[5], value, if_match=call.header("If-Match"))
    return _written(container, call, document, 200)


def delete(account: Account, call: Call) -> Answer:
    """Delete a document."""
    container = _container(account, call)
    partition = container.delete(_key(call), call.segments[5], if_match=call.header("If-Match"))
    return Answer(204, headers=wire.partition_headers(container, partition))


def _container(account: Account, call: Call) -> Container:
    container = account.container(call.segments[1], call.segments[3])
    intended = call.header("x-ms-cosmos-intended-collection-rid")
    if intended is not None and intended != container.rid:
        raise errors.bad_request(
            f"The container was created anew: its _rid is {container.rid}, not {intended}.",
            substatus=errors.COLLECTION_RID_MISMATCH,
        )
    return container


def _key(call: Call) -> PartitionKey:
    header = call.header("x-ms-documentdb-partitionkey")
    if header is None:
        raise errors.bad_request("PartitionKey value must be supplied for this operation.")
    return partition_key.from_header(header)


def _body(call: Call) -> values.JsonObject:
    for name in REFUSED_HEADERS:
        if call.header(name):
            raise errors.unsupported(f"The header {name}")
    if call.header("If-None-Match"):
        raise errors.unsupported("A write with If-None-Match")
    if len(call.body) > LARGEST_DOCUMENT:
        raise errors.CosmosError(413, "Request size is too large: a document has at most 2 MB.")
    return values.parse_object(call.body)


def _written(container: Container, call: Call, document: Document, status: int) -> Answer:
    minimal = (call.header("Prefer") or "").lower() == "return=minimal"
    headers = {**_headers(container, document), "x-ms-request-charge": "6.29"}
    return Answer(status, b"" if minimal else document.text(), headers)


def _headers(container: Container, document: Document) -> dict[str, str]:
    partition = container.partition_of(document.key.epk)
    return {**wire.partition_headers(container, partition), **wire.document_headers(document)}
