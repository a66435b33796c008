"""A backfill's options, its progress, and the interface of its store."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cdc.core.documents import JsonObject
from cdc.core.errors import CdcError
from cdc.core.feed_pages import FeedRange, Page, Size
from cdc.core.writes import Outcome


class FencedError(CdcError):
    """Another worker has taken the backfill, or it is over: the last page was not written."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a backfill."""

    max_request_units_per_second: float | None = None
    max_parallel_ranges: int = 4
    # Larger pages are not faster, and every thread keeps the memory of its largest page.
    page_size: int = 300
    reapply: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A backfill that a worker has taken; writes of an earlier generation are refused."""

    id: str
    generation: int
    options: Options
    # The trace of the request that started it.
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position in a feed range; `source_ts` is the source's time when the backfill began."""

    number: int
    container: str
    range: FeedRange
    continuation: str | None
    source_ts: int


@dataclass(frozen=True, slots=True)
class Advance:
    """A copied page, whether its range has ended, and its outcome."""

    page: Page
    ended: bool
    outcome: Outcome

    @property
    def applied(self) -> int:
        """Count the written documents; a latest-version feed has no deletes."""
        return self.outcome.applied + self.outcome.deleted


class Budget(Protocol):
    """The request-unit budget of all lanes, in seconds: requests take their turns one after the other."""

    def reserve(self, job: Job, seconds: float) -> float:
        """Reserve seconds of the budget; return how many seconds to wait until they begin."""
        ...

    def settle(self, job: Job, seconds: float) -> None:
        """Correct a reservation: add the seconds spent beyond it; a negative number returns unused ones."""
        ...


class BackfillStore(Budget, Protocol):
    """Keeps backfills and the progress of their feed ranges."""

    def take(self, id_: str, generation: int | None) -> Job | None:
        """Begin a round of lanes; None takes a new generation. Return None if it is taken by another or not running."""
        ...

    def find(self, id_: str, generation: int) -> Job | None:
        """Return the job, or None if it is taken by another, paused or over."""
        ...

    def read(self, id_: str) -> JsonObject:
        """Return everything about one backfill; raise UnknownError if it does not exist."""
        ...

    def list_uncounted(self, job: Job) -> list[str]:
        """Return the containers whose feed ranges are not known yet."""
        ...

    def begin(self, job: Job, container: str, size: Size, ranges: Sequence[FeedRange]) -> None:
        """Store a container's size and its feed ranges."""
        ...

    def count_waiting(self, job: Job) -> tuple[int, list[str]]:
        """Return how many feed ranges are to be copied now, and the paused containers with others."""
        ...

    def complete(self, job: Job) -> None:
        """Complete a backfill that has no feed ranges left."""
        ...

    def claim(self, job: Job, lane: int) -> Cursor | None:
        """Return the feed range of a lane, or assign it the next free one; None if there is none."""
        ...

    def advance(self, connection: Any, job: Job, cursor: Cursor, advance: Advance) -> str:
        """Advance a feed range and return the backfill's state; raise FencedError if another worker has advanced it."""
        ...

    def split(self, job: Job, cursor: Cursor, children: Sequence[FeedRange]) -> None:
        """Replace a feed range by its children, which continue at its position."""
        ...

    def note_problem(self, job: Job, problem: str | None, cursor: Cursor | None = None) -> None:
        """Store why a backfill or one of its feed ranges waits; None clears a backfill's problem."""
        ...

    def insert(self, id_: str, containers: Sequence[str], options: Options) -> None:
        """Add a backfill; raise ConflictError if another one already copies one of the containers."""
        ...

    def list_running(self) -> list[str]:
        """Return the ids of the running backfills."""
        ...

    def list_newest(self, after: str | None, limit: int) -> list[JsonObject]:
        """Return backfills, newest first, that are older than `after`."""
        ...

    def move(self, id_: str, state: str) -> None:
        """Change a backfill's state; raise ConflictError if the change is not allowed."""
        ...
