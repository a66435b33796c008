"""Keep the account's databases, their containers and the throughput of both."""

import re
from typing import Any

from local.cosmos import errors, expiry, indexing, offers, rid, transaction
from local.cosmos.clock import Clock
from local.cosmos.container import Container
from local.cosmos.partition_key import Definition
from local.cosmos.throughput import Throughput
from local.cosmos.values import JsonObject

# Echoed, because they change nothing that this server does, or imitated; every other property would change its answers.
KNOWN_PROPERTIES = frozenset(
    {
        "id",
        "partitionKey",
        "indexingPolicy",
        "conflictResolutionPolicy",
        "geospatialConfig",
        "defaultTtl",
        "changeFeedPolicy",
    }
)
# Written by the service: a client that replaces a container sends back what it has read.
SYSTEM_PROPERTY = re.compile("_[a-z]+")
LONGEST_NAME = 255
MINUTES = range(1, 60 * 24 * 30)


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

    def container_with_rid(self, own: str) -> Container:
        """Find a container by its resource id."""
        for container in self.containers.values():
            if container.rid == own:
                return container
        raise errors.not_found("Owner resource does not exist.", substatus=errors.OWNER_NOT_FOUND)


class Account:
    """Hold the databases by name, the offers by id, the throughputs that count by resource id, and the clock."""

    def __init__(self, *, clock: Clock, physical_partitions: int, throttles: bool) -> None:
        self.clock = clock
        self.databases: dict[str, Database] = {}
        self.offers: dict[str, JsonObject] = {}
        self.throughputs: dict[str, Throughput] = {}
        self._physical_partitions = physical_partitions
        self._throttles = throttles

    def database(self, name: str) -> Database:
        """Find a database."""
        if name not in self.databases:
            raise errors.not_found(f"The database {name!r} was not found.")
        return self.databases[name]

    def database_with_rid(self, own: str) -> Database:
        """Find a database by its resource id."""
        for database in self.databases.values():
            if database.properties["_rid"] == own:
                return database
        raise errors.not_found("Owner resource does not exist.", substatus=errors.OWNER_NOT_FOUND)

    def container(self, database: str, name: str) -> Container:
        """Find a container as the owner of what the request is about, rid of its expired documents."""
        found = self.databases.get(database)
        if found is None or name not in found.containers:
            message = f"Owner resource does not exist: dbs/{database}/colls/{name}."
            raise errors.not_found(message, substatus=errors.OWNER_NOT_FOUND)
        transaction.expire(found.containers[name])
        return found.containers[name]

    def create_database(self, body: JsonObject, throughput: JsonObject | None) -> Database:
        """Create a database, whose throughput is shared by the containers that have none."""
        name = _name(body)
        if name in self.databases:
            raise errors.conflict(f"The database {name!r} exists.")
        own = rid.new_database()
        properties = {"id": name, **self._system_properties(own, f"dbs/{own}/"), "_colls": "colls/", "_users": "users/"}
        self.databases[name] = Database(properties)
        if throughput is not None:
            self._offer(throughput, properties)
        return self.databases[name]

    def create_container(self, database: Database, body: JsonObject, throughput: JsonObject | None) -> Container:
        """Create a container with as many physical partitions as its throughput asks for."""
        name = _name(body)
        _check_properties(body)
        if name in database.containers:
            raise errors.conflict(f"The container {name!r} exists.")
        own = rid.new_container(database.properties["_rid"])
        properties = {
            **body,
            "indexingPolicy": indexing.completed(body.get("indexingPolicy")),
            **self._system_properties(own, f"{database.properties['_self']}colls/{own}/"),
            "_docs": "docs/",
            "_sprocs": "sprocs/",
            "_triggers": "triggers/",
            "_udfs": "udfs/",
            "_conflicts": "conflicts/",
        }
        shared = self.offer_of(database.properties)
        count = self._count(throughput or (shared["content"] if shared else None))
        container = Container(properties, partitions=count, clock=self.clock)
        database.containers[name] = container
        if throughput is not None or shared is None:
            self._offer(throughput or offers.default(), properties)
        if throughput is not None:
            self._throttle(container, throughput)
        return container

    def replace_container(self, container: Container, body: JsonObject) -> None:
        """Give a container other properties; its id and its partition key stay."""
        own = {name: value for name, value in body.items() if not SYSTEM_PROPERTY.fullmatch(name)}
        _check_properties(own)
        for name in ("id", "partitionKey"):
            if own.get(name) != container.properties[name]:
                raise errors.bad_request(f"The {name} of a container cannot be changed.")
        kept = {name: value for name, value in container.properties.items() if SYSTEM_PROPERTY.fullmatch(name)}
        policy = {"indexingPolicy": indexing.completed(own.get("indexingPolicy"))}
        changed = self._system_properties(container.rid, container.properties["_self"])
        container.replace({**own, **policy, **kept, **changed})

    def delete_database(self, name: str) -> None:
        """Delete a database with its containers."""
        database = self.databases.pop(name)
        for container in database.containers.values():
            self._withdraw(container.properties)
        self._withdraw(database.properties)

    def delete_container(self, database: Database, name: str) -> None:
        """Delete a container with its documents."""
        self._withdraw(database.containers.pop(name).properties)

    def offer_of(self, properties: JsonObject) -> JsonObject | None:
        """Find the offer of a database or a container."""
        return next((item for item in self.offers.values() if item["offerResourceId"] == properties["_rid"]), None)

    def replace_offer(self, offer_id: str, body: JsonObject) -> JsonObject:
        """Set another throughput; more of it may split physical partitions."""
        if offer_id not in self.offers:
            raise errors.not_found(f"The offer {offer_id!r} was not found.")
        offer = offers.replaced(self.offers[offer_id], body, int(self.clock()))
        self.offers[offer_id] = offer
        paid = self._paid_by(offer)
        grown = [container.grow(offers.needed(offer["content"])) for container in paid]
        for container in paid:
            if container.rid == offer["offerResourceId"]:
                self._throttle(container, offer["content"])
        return offers.pending(offer) if any(grown) else offer

    def _paid_by(self, offer: JsonObject) -> list[Container]:
        for database in self.databases.values():
            if database.properties["_rid"] == offer["offerResourceId"]:
                containers = database.containers.values()
                return [container for container in containers if self.offer_of(container.properties) is None]
            for container in database.containers.values():
                if container.rid == offer["offerResourceId"]:
                    return [container]
        return []

    def _count(self, throughput: JsonObject | None) -> int:
        return offers.partitions(throughput) if throughput else self._physical_partitions

    def _offer(self, content: JsonObject, properties: JsonObject) -> None:
        offer = offers.new(content, properties, int(self.clock()))
        self.offers[offer["id"]] = offer

    def _throttle(self, container: Container, content: JsonObject) -> None:
        if self._throttles:
            self.throughputs[container.rid] = Throughput(offers.units(content))

    def _withdraw(self, properties: JsonObject) -> None:
        self.throughputs.pop(properties["_rid"], None)
        offer = self.offer_of(properties)
        if offer is not None:
            del self.offers[offer["id"]]

    def _system_properties(self, own: str, self_link: str) -> JsonObject:
        seconds = int(self.clock())
        return {"_rid": own, "_self": self_link, "_etag": rid.new_etag(seconds), "_ts": seconds}


def _name(body: JsonObject) -> str:
    name = body.get("id")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or any(sign in name for sign in "/\\?#"):
        raise errors.bad_request(
            f"The input name {name!r} is invalid. Ensure to provide a unique non-empty string less than "
            f"'{LONGEST_NAME}' characters. The characters / \\ ? # cannot be used in it."
        )
    return name


def _check_properties(body: JsonObject) -> None:
    for name in body.keys() - KNOWN_PROPERTIES:
        if body[name]:
            raise errors.unsupported(f"The container property {name!r}")
    Definition(body.get("partitionKey"))
    if body.get("defaultTtl") is not None:
        expiry.check_seconds(body["defaultTtl"], "defaultTtl")
    policy: Any = body.get("changeFeedPolicy") or {}
    if not isinstance(policy, dict) or policy.get("retentionDuration", 0) not in (0, *MINUTES):
        raise errors.bad_request("The retentionDuration of a changeFeedPolicy must be a whole number of minutes.")
