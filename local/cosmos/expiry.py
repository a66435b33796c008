"""Know when documents expire."""

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from typing import Any

from local.cosmos import errors
from local.cosmos.partition import Document
from local.cosmos.values import JsonObject

FOREVER = -1
LONGEST = 2**31 - 1


class Expiries:
    """Order documents by the time at which they expire."""

    def __init__(self, default_ttl: int | None) -> None:
        self._default = default_ttl
        self._due: list[tuple[float, int, Document]] = []
        self._added = 0

    def add(self, documents: Iterable[Document]) -> None:
        """Note when documents expire, if they do; without a default no document does."""
        for document in documents:
            ttl = FOREVER if self._default is None else document.value.get("ttl", self._default)
            if ttl != FOREVER:
                self._added += 1
                heappush(self._due, (document.ts + ttl, self._added, document))

    def due(self, now: float, current: Callable[[Document], bool]) -> Iterator[Document]:
        """Take out the documents that have expired and are still the newest version."""
        while self._due and self._due[0][0] <= now:
            document = heappop(self._due)[2]
            if current(document):
                yield document


def check(value: JsonObject) -> None:
    """Refuse a document whose own time to live is impossible."""
    if "ttl" in value:
        check_seconds(value["ttl"], "ttl")


def check_seconds(ttl: Any, name: str) -> None:
    """Refuse a time to live that is neither -1 nor a whole number of seconds."""
    whole = isinstance(ttl, int) and not isinstance(ttl, bool)
    if not whole or not (ttl == FOREVER or 0 < ttl <= LONGEST):
        raise errors.bad_request(
            f"The input {name} is invalid: it must be -1 or a whole number of seconds from 1 to {LONGEST}."
        )
