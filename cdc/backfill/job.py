"""What a backfill is asked to do, and what a page did of it."""

from dataclasses import dataclass

from cdc.core.errors import CdcError
from cdc.core.feed_pages import FeedRange, Page
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
