"""Keep the account's databases and their containers."""

import math
from typing import Any

from local.cosmos import errors, partition_key, rid
from local.cosmos.container import Clock, Container
from local.cosmos.values import JsonObject

UNITS_PER_PARTITION = 6000
# Echoed, because they change nothing that this server does; every other property would change its answers.
KNOWN_PROPERTIES = frozenset({"id", "partitionKey", "indexingPolicy", "conflictResolutionPolicy", "geospatialConfig"})


class Database:
    """Hold a database's properties and its containers by name."""

    def __init__(self, properties: JsonObject) -> None:
        self.properties = properties
        self.containers: dict[str, Container] = {}

    def container(self, name: str) -> Container:
        """Find a container."""
        if name not in self.containers:
            raise errors.not_found(f"The container {name!r} was not found.")
        return self.containers[name]


class Account:
    """Hold the databases by name, the clock, and the partition count of containers without a throughput."""

    def __init__(self, *, clock: Clock, physical_partitions: int) -> None:
        self.clock = clock
        self.databases: dict[str, Database] = {}
        self._physical_partitions = physical_partitions

    def database(self, name: str) -> Database:
        """Find a database."""
        if name not in self.databases:
            raise errors.not_found(f"The database {name!r} was not found.")
        return self.databases[name]

    def container(self, database: str, name: str) -> Container:
        """Find a container as the owner of what the request is about."""
        found = self.databases.get(database)
        if found is None or name not in found.containers:
            message = f"Owner resource does not exist: dbs/{database}/colls/{name}."
            raise errors.not_found(message, substatus=errors.OWNER_NOT_FOUND)
        return found.containers[name]

    def create_database(self, body: JsonObject) -> Database:
        """Create a database."""
        name = _name(body)
        if name in self.databases:
            raise errors.conflict(f"The database {name!r} exists.")
        own = rid.new_database()
        properties = {"id": name, **self._system_properties(own, f"dbs/{own}/"), "_colls": "colls/", "_users": "users/"}
        self.databases[name] = Database(properties)
        return self.databases[name]

    def create_container(self, database: Database, body: JsonObject, throughput: int | None) -> Container:
        """Create a container with as many physical partitions as its throughput asks for."""
        name = _name(body)
        _check_properties(body)
        if name in database.containers:
            raise errors.conflict(f"The container {name!r} exists.")
        own = rid.new_container(database.properties["_rid"])
        properties = {
            "indexingPolicy": {"indexingMode": "consistent", "automatic": True},
            **body,
            **self._system_properties(own, f"{database.properties['_self']}colls/{own}/"),
            "_docs": "docs/",
            "_sprocs": "sprocs/",
            "_triggers": "triggers/",
            "_udfs": "udfs/",
            "_conflicts": "conflicts/",
        }
        count = math.ceil(throughput / UNITS_PER_PARTITION) if throughput else self._physical_partitions
        container = Container(properties, partitions=count, clock=self.clock)
        database.containers[name] = container
        return container

    def _system_properties(self, own: str, self_link: str) -> JsonObject:
        seconds = int(self.clock())
        return {"_rid": own, "_self": self_link, "_etag": rid.new_etag(seconds), "_ts": seconds}


def _name(body: JsonObject) -> str:
    name = body.get("id")
    if not isinstance(name, str) or not name or any(sign in name for sign in "/\\?#"):
        raise errors.bad_request("The id must be a string that is not empty and has none of the characters / \\ ? #.")
    return name


def _check_properties(body: JsonObject) -> None:
    for name in body.keys() - KNOWN_PROPERTIES:
        if body[name]:
            raise errors.unsupported(f"The container property {name!r}")
    _check_partition_key(body.get("partitionKey"))


def _check_partition_key(definition: Any) -> None:
    if not isinstance(definition, dict) or not isinstance(definition.get("paths"), list) or not definition["paths"]:
        raise errors.bad_request("A container needs a partitionKey with its paths.")
    if definition.get("kind", "Hash") != "Hash" or len(definition["paths"]) != 1:
        raise errors.unsupported("A hierarchical partition key")
    if definition.get("version") != 2:
        raise errors.unsupported("A partition key whose version is not 2")
    partition_key.split_path(definition["paths"][0])
