"""Answer requests about the account, its databases, its containers and their ranges."""

from collections.abc import Iterable
from typing import Any

from local.cosmos import errors, query, values, wire
from local.cosmos.container import Container
from local.cosmos.store import Account, Database
from local.cosmos.values import JsonObject
from local.cosmos.wire import Answer, Call


def read_account(_account: Account, call: Call) -> Answer:
    """Describe the account: one region, at the address that the client used, with the default of real accounts."""
    location = {"name": "Local", "databaseAccountEndpoint": f"http://{call.host}/"}
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
    return _resource(account.create_database(values.parse_object(call.body)).properties, 201)


def read_database(account: Account, call: Call) -> Answer:
    """Read a database's properties."""
    return _resource(account.database(call.segments[1]).properties, 200)


def delete_database(account: Account, call: Call) -> Answer:
    """Delete a database with its containers."""
    _check_condition(account.database(call.segments[1]).properties, call)
    del account.databases[call.segments[1]]
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
    container = account.create_container(database, values.parse_object(call.body), _throughput(call))
    return _resource(container.properties, 201)


def read_container(account: Account, call: Call) -> Answer:
    """Read a container's properties."""
    return _resource(_owner(account, call).container(call.segments[3]).properties, 200)


def delete_container(account: Account, call: Call) -> Answer:
    """Delete a container with its documents."""
    database = _owner(account, call)
    _check_condition(database.container(call.segments[3]).properties, call)
    del database.containers[call.segments[3]]
    return Answer(204)


def read_ranges(account: Account, call: Call) -> Answer:
    """List the physical partitions, or say that nothing changed since the client's etag."""
    container = account.container(call.segments[1], call.segments[3])
    etag = '"1"'  # the ranges of a container never change
    if call.header("If-None-Match") == etag:
        return Answer(304, headers={"etag": etag})
    ranges = [values.render(item) for item in _ranges(container)]
    body = wire.envelope(container.rid, ranges, name="PartitionKeyRanges", count=len(ranges))
    return Answer(200, body, {"etag": etag, **wire.container_headers(container)})


def _ranges(container: Container) -> list[JsonObject]:
    share = 1 / len(container.partitions)
    return [
        {
            "_rid": f"{container.rid}{partition.id}",
            "id": partition.id,
            "_etag": container.properties["_etag"],
            "_ts": container.properties["_ts"],
            "_self": f"{container.properties['_self']}pkranges/{partition.id}/",
            "_lsn": partition.lsn,
            "minInclusive": partition.low,
            "maxExclusive": partition.high,
            "ridPrefix": int(partition.id),
            "throughputFraction": share,
            "status": "online",
            "parents": [],
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
    found = query.run_over(items, call) if call.flag("x-ms-documentdb-isquery") else [*map(values.render, items)]
    body = wire.envelope(owner_rid, found, name=name, count=len(found))
    return Answer(200, body, {"x-ms-item-count": str(len(found))})


def _check_condition(properties: JsonObject, call: Call) -> None:
    if call.header("If-Match") not in (None, "*", properties["_etag"]):
        raise errors.precondition_failed()


def _throughput(call: Call) -> int | None:
    autopilot = call.header("x-ms-cosmos-offer-autopilot-settings")
    throughput: Any = call.integer("x-ms-offer-throughput")
    if throughput is None and autopilot is not None:
        throughput = values.parse_object(autopilot.encode()).get("maxThroughput")
    if throughput is not None and (not isinstance(throughput, int) or throughput < 1):
        raise errors.bad_request("A throughput must be a whole number greater than 0.")
    return throughput
