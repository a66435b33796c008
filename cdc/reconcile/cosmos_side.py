"""Query one source container for many documents."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Self

from cdc.core.documents import Identity, JsonObject, Reading, Version
from cdc.core.errors import FatalError, UnansweredError, UnreadableError
from cdc.core.feed_items import partition_key, read_version
from cdc.core.source_container import SourceContainer
from cdc.cosmos.account import CosmosAccount
from cdc.cosmos.point_reads import read_seconds
from cdc.postgres.containers import ConfirmedSource
from cdc.reconcile.drift import Tally, Window
from cdc.reconcile.run import Census, Usage
from cdc.reconcile.sides import Bodies

_PAGE = 1_000
_CHARGE = "x-ms-request-charge"
_IN_WINDOW = "c._ts >= @low AND c._ts < @high"
# Less than every `_ts`.
_BEGINNING = 0


class CosmosSide:
    """The `SourceSide` of one container; `usage` counts queries and request units.

    Counts and sums are plain VALUE aggregates per physical partition: only for these the SDK and the service agree.
    """

    def __init__(self, cosmos: CosmosAccount, source: ConfirmedSource, origin: SourceContainer) -> None:
        self._cosmos = cosmos
        self._source = source
        self._origin = origin
        self._projection = ", ".join(["c.id", "c._etag", "c._ts", *_properties(origin.partition_key_paths)])
        self._now = 0
        self.usage = Usage()

    @classmethod
    def open(cls, cosmos: CosmosAccount, source: ConfirmedSource, container: str) -> Self:
        """Open a container; raise FatalError if it is not the one seen first."""
        return cls(cosmos, source, source.confirm_now(container))

    def measure(self) -> Census:
        """Count all documents and read the server's time."""
        documents = sum(self._query("SELECT VALUE COUNT(1) FROM c"))
        return Census(documents, self._now)

    def tally(self, window: Window) -> Tally:
        """Count the documents of a window and add up their `_ts`."""
        return Tally(
            sum(self._query(f"SELECT VALUE COUNT(1) FROM c WHERE {_IN_WINDOW}", _bounds(window))),
            sum(self._query(f"SELECT VALUE SUM(c._ts) FROM c WHERE {_IN_WINDOW}", _bounds(window))),
        )

    def read_keys(self, window: Window) -> dict[Identity, Version]:
        """Return the documents of a window with their versions, without their bodies."""
        found = self._query(f"SELECT {self._projection} FROM c WHERE {_IN_WINDOW}", _bounds(window))
        return {self._identity(document): read_version(document) for document in found}

    def read_bodies(self, window: Window) -> Iterator[Bodies]:
        """Return the documents of a window, page by page."""
        pages = self._query_pages(f"SELECT * FROM c WHERE {_IN_WINDOW}", _bounds(window))
        return ({self._identity(document): document for document in page} for page in pages)

    def find_keys(self, identities: Sequence[Identity]) -> dict[Identity, Version]:
        """Return the versions of those of these documents that exist."""
        found = [page.items() for page in self._find(self._projection, identities)]
        return {identity: read_version(document) for page in found for identity, document in page}

    def find_bodies(self, identities: Sequence[Identity]) -> Iterator[Bodies]:
        """Return those of these documents that exist, page by page."""
        return self._find("*", identities)

    def read_document(self, identity: Identity) -> Reading:
        """Read one document by its identity: only this proves that a document is gone, with two more requests.

        If Cosmos answers for the container but not for the document, the document is unreadable.
        """
        return self._read(self._source.read_document, identity)

    def look_up(self, identity: Identity) -> Version | None:
        """Return the version of a document, or None if a read by its identity finds none."""
        body = self._read(self._source.look_up, identity).body
        return None if body is None else read_version(body)

    def _read(self, read: Callable[[Identity], Reading], identity: Identity) -> Reading:
        self.usage.add(1.0)  # an estimate, 1 RU for 1 KB: the read does not return its charge
        try:
            return read(identity)
        except UnansweredError as error:
            self._source.confirm_now(identity.container)
            raise UnreadableError(str(error)) from None

    def _find(self, projection: str, identities: Sequence[Identity]) -> Iterator[Bodies]:
        if not identities:
            return
        parameters = [
            {"name": f"@id{number}", "value": json.loads(identity.id)} for number, identity in enumerate(identities)
        ]
        names = ", ".join(each["name"] for each in parameters)
        wanted = set(identities)
        for page in self._query_pages(f"SELECT {projection} FROM c WHERE c.id IN ({names})", parameters):
            documents = {self._identity(document): document for document in page}
            yield {identity: document for identity, document in documents.items() if identity in wanted}

    def _identity(self, document: JsonObject) -> Identity:
        key = partition_key(self._origin.partition_key_paths, document)
        return Identity.of(self._origin.container, key, document["id"])

    def _query(self, query: str, parameters: Sequence[JsonObject] = ()) -> Iterator[Any]:
        return chain.from_iterable(self._query_pages(query, parameters))

    def _query_pages(self, query: str, parameters: Sequence[JsonObject] = ()) -> Iterator[list[Any]]:
        """Yield one page after the other; Cosmos ends a page with the document that reaches 4 MB."""
        with self._cosmos.open_container(self._origin.container) as proxy:
            ranges = list(proxy.read_feed_ranges())
        for feed_range in ranges:
            yield from self._query_range(query, list(parameters), feed_range)

    def _query_range(self, query: str, parameters: list[JsonObject], feed_range: dict[str, Any]) -> Iterator[list[Any]]:
        with self._cosmos.open_container(self._origin.container) as proxy:
            found = proxy.query_items(query, parameters=parameters, feed_range=feed_range, max_item_count=_PAGE)
            for page in found.by_page():
                items = list(page)
                headers = found.get_response_headers()
                self.usage.add(float(headers.get(_CHARGE, 0)))
                self._now = max(self._now, read_seconds(headers))
                yield items


def _bounds(window: Window) -> list[JsonObject]:
    low = _BEGINNING if window.low is None else window.low
    return [{"name": "@low", "value": low}, {"name": "@high", "value": window.high}]


def _properties(paths: Sequence[str]) -> list[str]:
    """Return the top-level properties that contain the partition key, so that it is read like in a document."""
    names = {path.strip("/").split("/")[0].strip('"') for path in paths}
    if any('"' in name or "\\" in name for name in names):
        raise FatalError(f"The partition key {', '.join(paths)} has a quote or backslash: queries cannot use it.")
    return [f'c["{name}"]' for name in sorted(names - {"id"})]
