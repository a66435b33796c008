"""The rules of reconcile: windows of `_ts`, differences, and what is drift."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cdc.core.documents import Held, Identity, State, Version

# Up to this many documents, a window's keys are compared instead of counting its halves.
KEYS_AT_ONCE = 4_000
_COUNT_WINDOWS = 16
# The rotation compares all keys over about this many runs.
ROTATION_RUNS = 24
_LIMIT_FLOOR = 20


class Kind(StrEnum):
    """How PostgreSQL differs from Cosmos; `unclaimed` rows belong to no document of the ledger."""

    MISSING = "missing"
    STALE = "stale"
    ORPHANED = "orphaned"
    DIFFERENT = "different"
    UNCLAIMED = "unclaimed"


@dataclass(frozen=True, slots=True)
class Window:
    """The documents with `low` <= `_ts` < `high`; without `low`, from the beginning."""

    low: int | None
    high: int


@dataclass(frozen=True, slots=True)
class Tally:
    """The number of documents in a window and the sum of their `_ts`."""

    documents: int = 0
    total: int = 0

    def __sub__(self, other: "Tally") -> "Tally":
        return Tally(self.documents - other.documents, self.total - other.total)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.documents + other.documents, self.total + other.total)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A document that seems to differ: the ledger's entry and the source's version, if any."""

    identity: Identity
    kind: Kind
    held: Held | None
    found: Version | None


@dataclass(frozen=True, slots=True)
class Limits:
    """How many documents one run may delete, and how many missing ones it may repair."""

    orphaned: int
    missing: int

    @classmethod
    def of(cls, documents: int, max_deletes: int | None = None) -> "Limits":
        """Return the limits for a container of this size; `max_deletes` overrides the limit for deletes."""
        orphaned = max(_LIMIT_FLOOR, documents // 100) if max_deletes is None else max_deletes
        return cls(orphaned, max(_LIMIT_FLOOR, documents // 10))

    def allow(self, kind: Kind, documents: int) -> bool:
        """Return whether a run may repair this many documents of a kind."""
        return documents <= {Kind.ORPHANED: self.orphaned, Kind.MISSING: self.missing}.get(kind, documents)


def count_fractions(documents: int, shift: float) -> list[float]:
    """Return where to cut a history into windows to count; `shift`, from 0 to 1, moves all cuts."""
    windows = max(1, min(_COUNT_WINDOWS, documents // KEYS_AT_ONCE))
    return [] if windows == 1 else [(number + shift) / windows for number in range(windows)][:windows]


def key_fractions(documents: int, at_once: int) -> list[float]:
    """Return where to cut a history into windows of at most `at_once` keys."""
    windows = -(-documents // at_once)
    return [number / windows for number in range(1, windows)]


def cut(edges: Iterable[int], high: int) -> list[Window]:
    """Return the windows between these edges: the first has no `low`, the last ends at `high`."""
    inner = sorted({edge for edge in edges if edge < high})
    return [Window(low, next_) for low, next_ in zip([None, *inner], [*inner, high], strict=True)]


def begin_at(windows: Sequence[Window], start: int | None) -> list[Window]:
    """Return the windows from `start` to the end, then from the beginning to `start`, split at `start`."""
    if start is None:
        return list(windows)
    after = [Window(start, each.high) if _covers(each, start) else each for each in windows if each.high > start]
    before = [Window(each.low, min(each.high, start)) for each in windows if each.low is None or each.low < start]
    return after + before


def _covers(window: Window, ts: int) -> bool:
    return (window.low is None or window.low <= ts) and ts < window.high


def take_turn(windows: Sequence[Window], start: int | None) -> list[Window]:
    """Return this run's share of the windows from `start` on; ROTATION_RUNS runs take all of them."""
    return begin_at(windows, start)[: len(windows) // ROTATION_RUNS + 2]


def halve(window: Window, median: int | None) -> tuple[Window, Window] | None:
    """Split a window at the ledger's median `_ts`; return None if it cannot be split."""
    if median is None:
        low = window.low or 0
        if window.high - low < 2:
            return None
        median = (low + window.high) // 2
    edge = median + 1 if median == window.low else median
    return (Window(window.low, edge), Window(edge, window.high)) if edge < window.high else None


def find_differences(source: Mapping[Identity, Version], ledger: Mapping[Identity, Held]) -> list[Identity]:
    """Return the documents of a window that only one side has or that have different versions."""
    differing = [
        identity
        for identity, version in source.items()
        if identity not in ledger or ledger[identity].version.etag != version.etag
    ]
    return differing + [identity for identity in ledger if identity not in source]


def classify(held: Held | None, found: Version | None) -> Kind | None:
    """Return how the ledger's entry differs from the source's version, or None if it does not."""
    live = held is not None and held.state is not State.DELETED
    if found is None:
        return Kind.ORPHANED if live else None
    if held is None or not live:
        return Kind.MISSING
    return None if held.version.etag == found.etag else Kind.STALE


def suspect(identity: Identity, held: Held | None, found: Version | None, line: int) -> Suspect | None:
    """Suspect a document that differs, unless it changed after the settle line: the feed may still deliver that."""
    kind = classify(held, found)
    if kind is None or (found is not None and found.ts >= line):
        return None
    return Suspect(identity, kind, held, found)


def confirm(suspected: Suspect, held: Held | None, found: Version | None) -> Kind | None:
    """Return a suspect's kind after the settle time; None if the ledger has changed or both sides agree now."""
    return classify(held, found) if held == suspected.held else None
