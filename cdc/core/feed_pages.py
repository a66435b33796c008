"""Pages of a change feed, and the feed ranges that they come from."""

from dataclasses import dataclass

from cdc.core.documents import JsonObject


@dataclass(frozen=True, slots=True)
class FeedRange:
    """A part of a container: the hashes of partition keys from `min` up to, and without, `max`."""

    min: str
    max: str


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a change feed; `continuation` is where the next one begins.

    `ended` tells that nothing is left for now; a page without documents is no such end. A range that has split answers
    with its children, which go on where it was.
    """

    documents: tuple[JsonObject, ...]
    continuation: str | None
    ended: bool
    request_units: float
    children: tuple[FeedRange, ...] = ()


@dataclass(frozen=True, slots=True)
class Size:
    """How much a container holds, what time it is there, and what it cost to ask."""

    documents: int
    ts: int
    request_units: float
