"""Find the operation that a request asks for."""

from collections.abc import Callable

from local.cosmos import documents, errors, resources, rid
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
    ("DELETE", "dbs/*/colls/*"): resources.delete_container,
    ("GET", "dbs/*/colls/*/pkranges"): resources.read_ranges,
    ("GET", "dbs/*/colls/*/docs"): documents.read_feed,
    ("POST", "dbs/*/colls/*/docs"): documents.post,
    ("GET", "dbs/*/colls/*/docs/*"): documents.read,
    ("PUT", "dbs/*/colls/*/docs/*"): documents.replace,
    ("DELETE", "dbs/*/colls/*/docs/*"): documents.delete,
}


def answer(account: Account, call: Call) -> Answer:
    """Execute a request."""
    if len(call.segments) > 1 and rid.is_database_rid(call.segments[1]):
        raise errors.unsupported("Addressing by resource id (passing a document where its id is expected)")
    shape = "/".join("*" if index % 2 else segment for index, segment in enumerate(call.segments))
    operation = OPERATIONS.get((call.method, shape))
    if operation is None:
        raise errors.unsupported(f"{call.method} on /{shape}")
    return operation(account, call)
