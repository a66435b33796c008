"""Questions to one source container about many documents, and how late its change feed is."""

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

from azure.cosmos import ContainerProxy

from cdc.cosmos import Cosmos, read_seconds
from cdc.drift import Tally, Window
from cdc.errors import FatalError
from cdc.feed import partition_key, read_version
from cdc.model import Identity, JsonObject, Version
from cdc.notes import Reading
from cdc.origin import Origin
from cdc.runs import Census, Usage

_PAGE = 1_000
_CHARGE = "x-ms-request-charge"
_IN_WINDOW = "c._ts >= @low AND c._ts < @high"
# Before every `_ts` that there is.
_BEGINNING = 0


class CosmosQueries:
    """Ask one container; `usage` adds up what that took.

    Figures are bare VALUE aggregates of one physical partition each: those alone the SDK and the service answer alike.
    """

    def __init__(self, cosmos: Cosmos, origin: Origin) -> None:
        self._cosmos = cosmos
        self._origin = origin
        self._projection = ", ".join(["c.id", "c._etag", "c._ts", *_properties(origin.partition_key_paths)])
        self._now = 0
        self.usage = Usage()

    def measure(self) -> Census:
        """Count all documents, and tell the server's time."""
        documents = sum(self._query("SELECT VALUE COUNT(1) FROM c"))
        return Census(documents, self._now)

    def tally(self, window: Window) -> Tally:
        """Count the documents of a window, and add up their `_ts`."""
        return Tally(
            sum(self._query(f"SELECT VALUE COUNT(1) FROM c WHERE {_IN_WINDOW}", _bounds(window))),
            sum(self._query(f"SELECT VALUE SUM(c._ts) FROM c WHERE {_IN_WINDOW}", _bounds(window))),
        )

    def read_keys(self, window: Window) -> dict[Identity, Version]:
        """Return the documents of a window with their versions, without their bodies."""
        found = self._query(f"SELECT {self._projection} FROM c WHERE {_IN_WINDOW}", _bounds(window))
        return {self._identity(document): read_version(document) for document in found}

    def read_bodies(self, window: Window) -> dict[Identity, JsonObject]:
        """Return the documents of a window."""
        found = self._query(f"SELECT * FROM c WHERE {_IN_WINDOW}", _bounds(window))
        return {self._identity(document): document for document in found}

    def find_keys(self, identities: Sequence[Identity]) -> dict[Identity, Version]:
        """Return which of these documents are there, and in which version."""
        found = self._find(self._projection, identities)
        return {identity: read_version(document) for identity, document in found.items()}

    def find_bodies(self, identities: Sequence[Identity]) -> dict[Identity, JsonObject]:
        """Return those of these documents that are there."""
        return self._find("*", identities)

    def read_document(self, identity: Identity) -> Reading:
        """Read one document by its id: only this answers surely that one is gone."""
        self.usage.add(1.0)  # for a kilobyte: what it was is not told
        return self._cosmos.read_document(identity)

    def _find(self, projection: str, identities: Sequence[Identity]) -> dict[Identity, JsonObject]:
        if not identities:
            return {}
        parameters = [
            {"name": f"@id{number}", "value": json.loads(identity.id)} for number, identity in enumerate(identities)
        ]
        names = ", ".join(each["name"] for each in parameters)
        found = self._query(f"SELECT {projection} FROM c WHERE c.id IN ({names})", parameters)
        documents = {self._identity(document): document for document in found}
        return {identity: documents[identity] for identity in identities if identity in documents}

    def _identity(self, document: JsonObject) -> Identity:
        key = partition_key(self._origin.partition_key_paths, document)
        return Identity.of(self._origin.container, key, document["id"])

    def _query(self, query: str, parameters: Sequence[JsonObject] = ()) -> Iterator[Any]:
        with self._cosmos.open_container(self._origin.container) as proxy:
            ranges = list(proxy.read_feed_ranges())
        for feed_range in ranges:
            yield from self._query_range(query, list(parameters), feed_range)

    def _query_range(self, query: str, parameters: list[JsonObject], feed_range: dict[str, Any]) -> Iterator[Any]:
        with self._cosmos.open_container(self._origin.container) as proxy:
            found = proxy.query_items(query, parameters=parameters, feed_range=feed_range, max_item_count=_PAGE)
            pages = found.by_page()
        while True:
            with self._cosmos.open_container(self._origin.container):
                page = next(pages, None)
                headers = found.get_response_headers()
                items = [] if page is None else list(page)
            if page is None:
                break
            self.usage.add(float(headers.get(_CHARGE, 0)))
            self._now = max(self._now, read_seconds(headers))
            yield from items


class CosmosFeed:
    """How late the change feed of a container is, by the leases of its trigger."""

    def __init__(self, cosmos: Cosmos, *, database: str, container: str, prefix: str) -> None:
        self._cosmos = cosmos
        self._database = database
        self._container = container
        self._prefix = prefix

    def read_lag(self, origin: Origin) -> float | None:
        """Return the age in seconds of the oldest change that no lease is past yet; None without leases.

        A range is read from its lease's continuation: what comes first there is the oldest that was not delivered, or
        was delivered and not applied. Nothing there is no lag, however long ago the last write was.
        """
        leases = self._read_leases(origin)
        with self._cosmos.open_container(origin.container) as proxy:
            return max((_read_age(proxy, origin, lease) for lease in leases), default=None)

    def _read_leases(self, origin: Origin) -> list[JsonObject]:
        with self._cosmos.open_container(self._container, self._database) as proxy:
            found = proxy.query_items(
                "SELECT c.id, c.ContinuationToken, c.FeedRange FROM c WHERE STARTSWITH(c.id, @prefix)",
                parameters=[{"name": "@prefix", "value": self._prefix}],
                enable_cross_partition_query=True,
            )
            return [lease for lease in map(dict, found) if f"_{origin.rid}.." in lease["id"] and "FeedRange" in lease]


def _read_age(proxy: ContainerProxy, origin: Origin, lease: JsonObject) -> float:
    headers: list[Any] = []
    pages = proxy.query_items_change_feed(
        max_item_count=1,
        response_hook=lambda answer, _: headers.append(answer),
        **_position(origin.rid, lease["FeedRange"]["Range"], lease["ContinuationToken"]),
    ).by_page()
    pending = [document["_ts"] for document in next(pages, ())]
    return max((read_seconds(headers[-1]) - ts for ts in pending), default=0)


def _position(rid: str, bounds: JsonObject, continuation: str | None) -> JsonObject:
    range_ = {"min": bounds["min"], "max": bounds["max"], "isMinInclusive": True, "isMaxInclusive": False}
    if continuation is None:
        return {"feed_range": {"Range": range_}, "start_time": "Beginning"}
    state = {
        "v": "v2",
        "containerRid": rid,
        "mode": "LatestVersion",
        # The SDK cannot resume a token that began at a time; with a continuation the start is of no account.
        "startFrom": {"Type": "Beginning"},
        "continuation": {
            "v": "v2",
            "rid": rid,
            "continuation": [{"token": continuation, "range": range_}],
            "Range": range_,
        },
    }
    return {"continuation": base64.b64encode(json.dumps(state).encode()).decode()}


def _bounds(window: Window) -> list[JsonObject]:
    low = _BEGINNING if window.low is None else window.low
    return [{"name": "@low", "value": low}, {"name": "@high", "value": window.high}]


def _properties(paths: Sequence[str]) -> list[str]:
    """Return the properties that hold the partition key: whole, so that they are read like those of a document."""
    names = {path.strip("/").split("/")[0].strip('"') for path in paths}
    if any('"' in name or "\\" in name for name in names):
        raise FatalError(f"The partition key {', '.join(paths)} cannot be written in a query: its name has a quote.")
    return [f'c["{name}"]' for name in sorted(names - {"id"})]
