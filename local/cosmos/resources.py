"""Answer requests about the account, its databases, its containers and their ranges."""

from collections.abc import Iterable

from local.cosmos import errors, offers, transaction, values, wire
from local.cosmos.container import Container
from local.cosmos.query import execution
from local.cosmos.store import Account, Database
from local.cosmos.values import JsonObject
from local.cosmos.wire import Answer, Call

CROSS_PARTITION = "x-ms-documentdb-query-enablecrosspartition"
PARTITION_KEY = "x-ms-documentdb-partitionkey"


def read_account(_account: Account, call: Call) -> Answer:
    """Describe the account: one region, at the address that the client used, with the default of real accounts."""
    location = {"name": "Local", "databaseAccountEndpoint": f"{call.scheme}://{call.host}/"}
    body = {
        "id": "local",
        "_self": "",
        "_rid": "local",
        "_dbs": "//dbs/",
        "media": "//media/",
        "addresses": "//addresses/",
        "writableLocations": [location],
        "readableLocations": [location],
        "enableMultipleWriteLocations": False,
        # Session, although nothing is ever stale here: clients must then keep and send session tokens,
        # as they do against an account that was created with the defaults.
        "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
    }
    return Answer(200, values.render(body))


def list_databases(account: Account, call: Call) -> Answer:
    """List or query the databases."""
    return _list((database.properties for database in account.databases.values()), call, "", "Databases")


def post_database(account: Account, call: Call) -> Answer:
    """Create a database, or query the databases."""
    if call.flag("x-ms-documentdb-isquery"):
        return list_databases(account, call)
    database = account.create_database(values.parse_object(call.body), offers.requested(call))
    return _resource(database.properties, 201)


def read_database(account: Account, call: Call) -> Answer:
    """Read a database's properties."""
    return _resource(account.database(call.segments[1]).properties, 200)


def delete_database(account: Account, call: Call) -> Answer:
    """Delete a database with its containers."""
    _check_condition(account.database(call.segments[1]).properties, call)
    account.delete_database(call.segments[1])
    return Answer(204)


def list_containers(account: Account, call: Call) -> Answer:
    """List or query a database's containers."""
    database = _owner(account, call)
    properties = (container.properties for container in database.containers.values())
    return _list(properties, call, database.properties["_rid"], "DocumentCollections")


def post_container(account: Account, call: Call) -> Answer:
    """Create a container, or query the containers."""
    if call.flag("x-ms-documentdb-isquery"):
        return list_containers(account, call)
    database = _owner(account, call)
    container = account.create_container(database, values.parse_object(call.body), offers.requested(call))
    return _resource(container.properties, 201)


def read_container(account: Account, call: Call) -> Answer:
    """Read a container's properties, and how its documents are spread if asked for."""
    container = _owner(account, call).container(call.segments[3])
    transaction.expire(container)
    answer = _resource(container.properties, 200)
    headers = dict(answer.headers)
    if call.flag("x-ms-documentdb-populatequotainfo"):
        headers |= {
            **wire.container_headers(container),
            "x-ms-documentdb-collection-index-transformation-progress": "100",
        }
    if call.flag("x-ms-documentdb-populatepartitionstatistics"):
        return Answer(200, values.render({**container.properties, "statistics": _statistics(container)}), headers)
    return Answer(200, answer.body, headers)


def replace_container(account: Account, call: Call) -> Answer:
    """Replace a container's properties."""
    container = _owner(account, call).container(call.segments[3])
    transaction.expire(container)
    _check_condition(container.properties, call)
    account.replace_container(container, values.parse_object(call.body))
    return _resource(container.properties, 200)


def delete_container(account: Account, call: Call) -> Answer:
    """Delete a container with its documents."""
    database = _owner(account, call)
    _check_condition(database.container(call.segments[3]).properties, call)
    account.delete_container(database, call.segments[3])
    return Answer(204)


def query_offers(account: Account, call: Call) -> Answer:
    """List or query the throughputs of databases and containers."""
    return _list(account.offers.values(), call, "", "Offers")


def read_offer(account: Account, call: Call) -> Answer:
    """Read one throughput."""
    if call.segments[1] not in account.offers:
        raise errors.not_found(f"The offer {call.segments[1]!r} was not found.")
    return _resource(account.offers[call.segments[1]], 200)


def replace_offer(account: Account, call: Call) -> Answer:
    """Set another throughput."""
    for name in ("x-ms-cosmos-migrate-offer-to-autopilot", "x-ms-cosmos-migrate-offer-to-manual-throughput"):
        if call.flag(name):
            raise errors.unsupported("The change between a manual and an autoscale throughput")
    return _resource(account.replace_offer(call.segments[1], values.parse_object(call.body)), 200)


def list_conflicts(account: Account, call: Call) -> Answer:
    """List the conflicts between regions: there is one region, and so never any."""
    container = account.container(call.segments[1], call.segments[3])
    if call.flag("x-ms-documentdb-isquery") and not (call.flag(CROSS_PARTITION) or call.header(PARTITION_KEY)):
        raise errors.bad_request("Cross partition query is required but disabled.")
    return _list([], call, container.rid, "Conflicts")


def read_conflict(account: Account, call: Call) -> Answer:
    """Say that there is no such conflict."""
    account.container(call.segments[1], call.segments[3])
    raise errors.not_found(f"The conflict {call.segments[5]!r} was not found.")


def _statistics(container: Container) -> list[JsonObject]:
    return [
        {
            "id": partition.id,
            "documentCount": len(partition.by_number),
            "sizeInKB": sum(len(document.open_text) for document in partition.by_number.after(0)) // 1024,
            "partitionKeys": [],
        }
        for partition in container.partitions
    ]


def _owner(account: Account, call: Call) -> Database:
    name = call.segments[1]
    if name not in account.databases:
        raise errors.not_found(f"Owner resource does not exist: dbs/{name}.", substatus=errors.OWNER_NOT_FOUND)
    return account.databases[name]


def _resource(properties: JsonObject, status: int) -> Answer:
    return Answer(status, values.render(properties), {"etag": properties["_etag"]})


def _list(items: Iterable[JsonObject], call: Call, owner_rid: str, name: str) -> Answer:
    found = execution.run_over(items, call) if call.flag("x-ms-documentdb-isquery") else [*map(values.render, items)]
    body = wire.envelope(owner_rid, found, name=name, count=len(found))
    return Answer(200, body, {"x-ms-item-count": str(len(found))})


def _check_condition(properties: JsonObject, call: Call) -> None:
    if call.header("If-Match") not in (None, "*", properties["_etag"]):
        raise errors.precondition_failed()
