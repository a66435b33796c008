"""The trigger's leases: how far each feed range was delivered, and which part of a feed has none."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, Protocol, Self

from cdc.core.documents import JsonObject
from cdc.core.errors import LeaseGapError, LostPositionError, RetentionError, UnknownLagError
from cdc.core.feed_items import FeedMode
from cdc.core.feed_pages import FeedRange
from cdc.core.source_container import SourceContainer
from cdc.cosmos import key_space
from cdc.cosmos.backlog import Backlog, Head, Pending, estimate
from cdc.cosmos.continuation import write_continuation, write_feed_range
from cdc.cosmos.places import Place

_NOT_BEGUN = (
    "The trigger of {} has not written all its leases: check that its host runs, and delete a document whose id ends "
    "with .lock if it stays in the lease container."
)
_GAP = "No lease covers the feed range {} of {}, so its changes do not arrive."
_DOUBLE = "More than one lease covers the feed range {} of {}, so its changes arrive more than once."
_UNREADABLE = "Documents of {1} that have ids of leases, but are no leases that can be read: {0}."
# A host writes leases only until it has noted that all are there, and when a range splits or merges.
_REMEDY = (
    "The host does not correct this by itself: stop the app, delete all documents of the lease container whose ids "
    "begin with {}, and start the app. Then run a backfill of {} and a reconcile of all its keys."
)
_NO_POSITION = "A lease of {} has no position yet: wait until the app has written it."
_TOO_OLD = "Run a backfill of {} and a reconcile of all its keys."


class FeedReader(Protocol):
    """Reads change feeds."""

    def list_parts(self, container: str, range_: FeedRange) -> list[FeedRange]:
        """Return the parts of a feed range that lie in one physical partition each, as far as is known."""
        ...

    def read_head(self, container: str, position: JsonObject) -> Head:
        """Return the first item of a change feed after a position, and how far its partition has come."""
        ...

    def read_time(self, container: str) -> int:
        """Return the source's time in seconds."""
        ...

    def read_end(self, container: str, range_: FeedRange) -> str | None:
        """Return the current end of a range's all-versions feed, or None if it is in several physical partitions."""
        ...


@dataclass(frozen=True, slots=True)
class _Lease:
    """A lease document, its feed range, and the position of what was delivered last."""

    document: JsonObject
    range: FeedRange
    continuation: str | None


@dataclass(frozen=True, slots=True)
class _Look:
    """The leases of a container as they were read once.

    The sentences say which part of the feed has no lease that can be read, and which has several.
    """

    leases: list[_Lease]
    gap: str | None = None
    double: str | None = None
    is_begun: bool = True
    written_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Beginning:
    """When the host wrote the leases of a feed, and where the feed began with them; None is its first document."""

    written_at: datetime
    start: datetime | None


@dataclass(frozen=True, slots=True)
class Leases:
    """The leases of this app, whose ids begin with `prefix`; `start` is where the trigger begins.

    `replace_lease` returns False if the lease has changed since it was read.
    """

    read: Callable[[], Iterable[JsonObject]]
    replace_lease: Callable[[JsonObject], bool]
    reader: FeedReader
    mode: FeedMode
    start: datetime | Literal["beginning"]
    prefix: str

    def read_once(self) -> Self:
        """Return the leases as they are now, to look at several containers."""
        found = list(self.read())
        return replace(self, read=lambda: found)

    def find_problem(self, origin: SourceContainer) -> str | None:
        """Return how the leases of a container fail to cover its feed exactly once and what to do, or None.

        A problem that does not last is none: first leases are still to be written, a range splits or merges.
        """
        look = self._look(origin)
        return look.gap or look.double

    def read_places(self, origin: SourceContainer) -> list[Place]:
        """Return the places of the leases that are there."""
        return [Place(lease.range, lease.continuation) for lease in self._look(origin).leases]

    def read_renewals(self, origin: SourceContainer) -> list[int]:
        """Return when each lease was written last, by the source's clock: its owner writes it all the time."""
        return [int(lease.document["_ts"]) for lease in self._look(origin).leases]

    def read_beginning(self, origin: SourceContainer) -> Beginning | None:
        """Return the beginning of a feed's leases, or None before all are written."""
        written_at = self._look(origin).written_at
        if written_at is None:
            return None
        if self.mode is FeedMode.ALL_VERSIONS:
            return Beginning(written_at, written_at)
        return Beginning(written_at, None if self.start == "beginning" else self.start)

    def read_pending(self, origin: SourceContainer) -> Pending:
        """Return what was not delivered; raises UnknownLagError if the leases do not tell."""
        look = self._look(origin)
        if look.gap is not None:  # several leases are not read at one time: those of a split may be missed once
            look = self._look(origin)
        if look.gap is not None:
            raise (LeaseGapError if look.is_begun else UnknownLagError)(look.gap)
        try:
            return estimate(head for lease in look.leases for head in self._read_heads(origin, lease))
        except RetentionError as error:
            raise LostPositionError(f"{error} {_TOO_OLD.format(origin.container)}") from error

    def read_oldest_pending(self, origin: SourceContainer) -> int | None:
        """Return the `_ts` of the oldest change that was not delivered, or None; raises UnknownLagError."""
        return self.read_pending(origin).oldest

    def read_backlog(self, origin: SourceContainer) -> Backlog:
        """Return how far the feed is behind; raises UnknownLagError."""
        pending = self.read_pending(origin)
        if pending.oldest is None:
            return Backlog(0.0, 0)
        return Backlog(max(0.0, self.reader.read_time(origin.container) - pending.oldest), pending.changes)

    def read_lag(self, origin: SourceContainer) -> float:
        """Return the age in seconds of the oldest change that was not delivered; raises UnknownLagError."""
        return self.read_backlog(origin).lag_seconds

    def begin(self, origin: SourceContainer) -> bool:
        """Give every lease without a position of an all-versions feed the current one; return whether all have one.

        The host saves a lease's position only with its first change. Until then every failure of a read lets the feed
        begin at that moment again, and the changes in between are in no feed.
        """
        look = self._look(origin)
        begun = [lease.continuation is not None or self._begin(origin, lease) for lease in look.leases]
        return look.gap is None and all(begun)

    def _begin(self, origin: SourceContainer, lease: _Lease) -> bool:
        end = self.reader.read_end(origin.container, lease.range)
        return end is not None and self.replace_lease({**lease.document, "ContinuationToken": end})

    def _read_heads(self, origin: SourceContainer, lease: _Lease) -> list[Head]:
        """Read each physical part of a lease's range: after a split, its host has not replaced the lease at once."""
        container, parts = origin.container, self.reader.list_parts(origin.container, lease.range)
        positions = [self._position(origin, replace(lease, range=part)) for part in parts]
        heads = [self.reader.read_head(container, each) for each in positions]
        # A read finds out that a range has split. Its answer is that of one child.
        return heads if self.reader.list_parts(container, lease.range) == parts else self._read_heads(origin, lease)

    def _look(self, origin: SourceContainer) -> _Look:
        """Look at the leases of a container, of which there are none until the host has noted that all are written."""
        # Another account may have a container with the same resource id: a restored one.
        own = [lease for lease in self.read() if lease["id"].startswith(f"{self.prefix}{origin.account}_")]
        notes = [lease for lease in own if lease["id"].endswith(f"_{origin.rid}.info")]
        if not notes:
            return _Look([], gap=_NOT_BEGUN.format(origin.container), is_begun=False)
        leases = [lease for lease in own if f"_{origin.rid}.." in lease["id"]]
        look = _judge(origin.container, leases, notes[0]["id"].removesuffix(".info"))
        return replace(look, written_at=datetime.fromtimestamp(int(notes[0]["_ts"]), UTC))

    def _position(self, origin: SourceContainer, lease: _Lease) -> JsonObject:
        """Return a lease's position in the SDK's form."""
        if lease.continuation is not None:
            return {"continuation": write_continuation(origin.rid, lease.range, lease.continuation, self.mode)}
        if self.mode is FeedMode.ALL_VERSIONS:
            raise UnknownLagError(_NO_POSITION.format(origin.container))
        # Nothing was delivered under it yet: the trigger begins at its start.
        start = "Beginning" if self.start == "beginning" else self.start
        return {"feed_range": write_feed_range(lease.range), "start_time": start}


def is_double(problem: str) -> bool:
    """Return whether what `find_problem` has found is a part with several leases, and none without."""
    return problem.startswith(_DOUBLE.partition("{")[0])


def _judge(container: str, documents: list[JsonObject], prefix: str) -> _Look:
    leases = [lease for lease in map(_read_lease, documents) if lease is not None]
    ranges = [lease.range for lease in leases]
    gaps, doubles = key_space.find_gaps(ranges), key_space.find_doubles(ranges)
    without, several = [], []
    if gaps:
        without.append(_GAP.format(key_space.describe(gaps), container))
    if unreadable := len(documents) - len(leases):
        without.append(_UNREADABLE.format(unreadable, container))
    if doubles:
        several.append(_DOUBLE.format(key_space.describe(doubles), container))
    remedy = _REMEDY.format(prefix, container)
    gap, double = (" ".join([*found, remedy]) if found else None for found in (without, several))
    return _Look(leases, gap, double)


def _read_lease(document: JsonObject) -> _Lease | None:
    """Return a lease, or None if somebody has written something else under its id."""
    try:
        low, high = (document["FeedRange"]["Range"][bound] for bound in ("min", "max"))
    except (KeyError, TypeError):
        return None
    continuation = document.get("ContinuationToken") or None
    texts = [low, high] if continuation is None else [low, high, continuation]
    if all(isinstance(text, str) for text in texts) and low < high:
        return _Lease(document, FeedRange(low, high), continuation)
    return None
