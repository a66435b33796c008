"""Find the operation that a request asks for."""

from collections.abc import Callable
from dataclasses import replace

from local.cosmos import documents, errors, ranges, resources, rid
from local.cosmos.container import Container
from local.cosmos.store import Account
from local.cosmos.wire import Answer, Call

Operation = Callable[[Account, Call], Answer]

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", ""): resources.read_account,
    ("GET", "dbs"): resources.list_databases,
    ("POST", "dbs"): resources.post_database,
    ("GET", "dbs/*"): resources.read_database,
    ("DELETE", "dbs/*"): resources.delete_database,
    ("GET", "dbs/*/colls"): resources.list_containers,
    ("POST", "dbs/*/colls"): resources.post_container,
    ("GET", "dbs/*/colls/*"): resources.read_container,
    ("PUT", "dbs/*/colls/*"): resources.replace_container,
    ("DELETE", "dbs/*/colls/*"): resources.delete_container,
    ("GET", "dbs/*/colls/*/pkranges"): ranges.read_ranges,
    ("GET", "dbs/*/colls/*/docs"): documents.read_feed,
    ("POST", "dbs/*/colls/*/docs"): documents.post,
    ("GET", "dbs/*/colls/*/docs/*"): documents.read,
    ("PUT", "dbs/*/colls/*/docs/*"): documents.replace,
    ("PATCH", "dbs/*/colls/*/docs/*"): documents.patch,
    ("DELETE", "dbs/*/colls/*/docs/*"): documents.delete,
    ("POST", "dbs/*/colls/*/operations/*"): documents.delete_logical_partition,
    ("GET", "dbs/*/colls/*/conflicts"): resources.list_conflicts,
    ("POST", "dbs/*/colls/*/conflicts"): resources.list_conflicts,
    ("GET", "dbs/*/colls/*/conflicts/*"): resources.read_conflict,
    ("DELETE", "dbs/*/colls/*/conflicts/*"): resources.read_conflict,
    ("GET", "offers"): resources.query_offers,
    ("POST", "offers"): resources.query_offers,
    ("GET", "offers/*"): resources.read_offer,
    ("PUT", "offers/*"): resources.replace_offer,
}

# What a POST to a container's documents means, by the header that says so.
POSTS = (
    ("x-ms-cosmos-is-query-plan-request", "read_query_plan"),
    ("x-ms-documentdb-isquery", "query_documents"),
    ("x-ms-cosmos-is-batch-request", "execute_batch"),
    ("x-ms-documentdb-is-upsert", "upsert_document"),
)


def answer(account: Account, call: Call) -> Answer:
    """Execute a request."""
    operation = OPERATIONS.get((call.method, _shape(call)))
    if operation is None and _is_beyond_a_document(call.segments):
        raise errors.not_found(f"There is no resource /{'/'.join(call.segments)}.")
    if operation is None:
        raise errors.unsupported(f"{call.method} on /{_shape(call)}")
    container = _container(account, call)
    throughput = None if container is None else account.throughputs.get(container.rid)
    if container is None or throughput is None:
        return operation(account, call)
    throughput.check(container, call)
    found = operation(account, call)
    throughput.spend(found)
    return found


def named(account: Account, call: Call) -> Call:
    """Put names in the place of the resource ids by which a request addresses what it is about."""
    segments = list(call.segments)
    if len(segments) < 2 or not rid.is_database_rid(segments[1]):
        return call
    database = account.database_with_rid(segments[1])
    segments[1] = database.properties["id"]
    if len(segments) > 3:
        container = database.container_with_rid(segments[3])
        segments[3] = container.properties["id"]
        if len(segments) > 5 and segments[4] == "docs":
            segments[5] = container.with_rid(segments[5]).id
    return replace(call, segments=tuple(segments))


def name(call: Call) -> str:
    """Name the operation that a request asks for, for controls and counters."""
    operation = OPERATIONS.get((call.method, _shape(call)))
    if operation is documents.read_feed:
        return "read_change_feed" if call.header("A-IM") else "read_documents"
    if operation is documents.post:
        return next((name for header, name in POSTS if call.flag(header)), "create_document")
    if operation is None:
        return "unknown"
    return f"{operation.__name__}_document" if operation.__module__ == documents.__name__ else operation.__name__


def _container(account: Account, call: Call) -> Container | None:
    # Only what is asked of documents costs request units of the container's own.
    if call.segments[4:5] not in (("docs",), ("operations",)):
        return None
    database = account.databases.get(call.segments[1])
    return None if database is None else database.containers.get(call.segments[3])


def _is_beyond_a_document(segments: tuple[str, ...]) -> bool:
    # The path of docs/trip/2024 does not name the document trip/2024, and no other resource.
    return segments[4:5] == ("docs",) and len(segments) > 6 and segments[6] != "attachments"


def _shape(call: Call) -> str:
    return "/".join("*" if index % 2 else segment for index, segment in enumerate(call.segments))
