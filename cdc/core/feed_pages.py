"""Pages and feed ranges of a change feed."""

from dataclasses import dataclass

from cdc.core.documents import JsonObject


@dataclass(frozen=True, slots=True)
class FeedRange:
    """A part of a container: partition key hashes from `min` (inclusive) to `max` (exclusive)."""

    min: str
    max: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a change feed; `continuation` is where the next page begins.

    `ended` means that nothing is left for now; an empty page alone does not mean that. A range that has split returns
    its children, which continue from the same position.
    """

    documents: tuple[JsonObject, ...]
    continuation: str | None
    ended: bool
    request_units: float
    children: tuple[FeedRange, ...] = ()


@dataclass(frozen=True, slots=True)
class Size:
    """A container's document count, the server's time, and the request units that the count cost."""

    documents: int
    ts: int
    request_units: float
