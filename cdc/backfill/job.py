"""What a backfill is asked to do, what a page did of it, and where both are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cdc.core.documents import JsonObject
from cdc.core.errors import CdcError
from cdc.core.feed_pages import FeedRange, Page, Size
from cdc.core.writes import Outcome


class FencedError(CdcError):
    """Somebody else works at the backfill now, or it is over: what was done last is not written."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a backfill goes about it."""

    max_request_units_per_second: float | None = None
    max_parallel_ranges: int = 4
    # Large pages are not faster, and every thread keeps the memory of the largest that it has had.
    page_size: int = 300
    reapply: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A backfill, for whoever has taken it; what an earlier generation still writes is refused."""

    id: str
    generation: int
    options: Options


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a feed range is; `source_ts` is the source's time when the backfill began."""

    number: int
    container: str
    range: FeedRange
    continuation: str | None
    source_ts: int


@dataclass(frozen=True, slots=True)
class Advance:
    """A page that was copied: where the next begins, and what became of its documents."""

    page: Page
    ended: bool
    outcome: Outcome

    @property
    def applied(self) -> int:
        """Count what was written; a latest-version feed has no deletes."""
        return self.outcome.applied + self.outcome.deleted


class Budget(Protocol):
    """Where all lanes reserve time: so many request units take so many seconds, one request after the other."""

    def reserve(self, job: Job, seconds: float) -> float:
        """Reserve so many seconds; return how long until they begin."""
        ...

    def settle(self, job: Job, seconds: float) -> None:
        """Give back what was reserved and not spent, or take what was spent beyond it."""
        ...


class BackfillStore(Budget, Protocol):
    """Where backfills are asked for, and how far each of their feed ranges is."""

    def take(self, id_: str, generation: int | None) -> Job | None:
        """Begin a round of lanes, under a new generation where none is named; nothing when it is another's or over."""
        ...

    def find(self, id_: str, generation: int) -> Job | None:
        """Return what is to be done; nothing when it is another's, paused or over."""
        ...

    def read(self, id_: str) -> JsonObject:
        """Return everything about one backfill; raise UnknownError where there is none."""
        ...

    def list_uncounted(self, job: Job) -> list[str]:
        """Return the containers whose feed ranges are not known yet."""
        ...

    def begin(self, job: Job, container: str, size: Size, ranges: Sequence[FeedRange]) -> None:
        """Remember how much a container holds and which feed ranges wait."""
        ...

    def count_waiting(self, job: Job) -> int:
        """Return how many feed ranges are left."""
        ...

    def complete(self, job: Job) -> None:
        """End a backfill of which nothing is left."""
        ...

    def claim(self, job: Job, lane: int) -> Cursor | None:
        """Return the feed range that a lane works at, or the next one that nobody has."""
        ...

    def advance(self, connection: Any, job: Job, cursor: Cursor, advance: Advance) -> str:
        """Move a feed range on and return the backfill's state; raise FencedError where somebody else has moved it."""
        ...

    def split(self, job: Job, cursor: Cursor, children: Sequence[FeedRange]) -> None:
        """Let the children of a feed range go on where it was."""
        ...

    def note_problem(self, job: Job, problem: str | None, cursor: Cursor | None = None) -> None:
        """Remember why a backfill, or one of its feed ranges, does not go on."""
        ...

    def insert(self, id_: str, containers: Sequence[str], options: Options) -> None:
        """Ask for a backfill; raise ConflictError where another one has one of the containers."""
        ...

    def list_running(self) -> list[str]:
        """Return the backfills that somebody must be working at."""
        ...

    def list_newest(self, after: str | None, limit: int) -> list[JsonObject]:
        """Return backfills, newest first, from the one on that was asked for before another."""
        ...

    def move(self, id_: str, state: str) -> None:
        """Give a backfill another state; raise ConflictError where it cannot reach that."""
        ...
