"""Copy containers page by page, in parallel with the live feed."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from cdc.backfill.job import Advance, BackfillStore, Cursor, FencedError, Job
from cdc.backfill.pacing import Pace
from cdc.backfill.progress import describe
from cdc.core.documents import Change, JsonObject
from cdc.core.errors import CdcError, PausedError
from cdc.core.feed_pages import FeedRange, Page, Size
from cdc.core.mapping import Mapper
from cdc.core.writes import Outcome
from cdc.replication.batch import Sink, replicate
from cdc.telemetry import batches, rows, tracing
from cdc.telemetry.batches import Kind
from cdc.telemetry.rows import Action
from cdc.telemetry.tracing import Name

logger = logging.getLogger(__name__)

# Versions written this long after the backfill began come through the live feed, even if clocks differ.
_CLOCK_SECONDS = 10


class ContainerFeed(Protocol):
    """The change feed of one container."""

    def list_ranges(self) -> list[FeedRange]:
        """Return the physical feed ranges."""
        ...

    def measure(self) -> Size:
        """Count the documents."""
        ...

    def read(self, range_: FeedRange, continuation: str | None, size: int) -> Page:
        """Read the page after a continuation."""
        ...


@dataclass(frozen=True, slots=True)
class FeedSource:
    """The change feeds to copy from."""

    # Lends the feed of a container to one thread.
    open: Callable[[str], AbstractContextManager[ContainerFeed]]
    # Reads a container's documents as changes; raises FatalError if they belong to another container.
    read_changes: Callable[[str, Sequence[JsonObject]], Sequence[Change]]


class Backfill:
    """The activities of the orchestration: `plan` and `copy`; they return only counters, and never raise CdcError."""

    def __init__(
        self,
        mappers: Mapping[str, Mapper[Any]],
        source: FeedSource,
        backfills: BackfillStore,
        open_sink: Callable[[Job, int], Sink],
        activity_seconds: float,
    ) -> None:
        self._mappers = mappers
        self._source = source
        self._backfills = backfills
        self._open_sink = open_sink
        self._activity_seconds = activity_seconds

    def plan(self, id_: str, generation: int | None) -> JsonObject:
        """Take a backfill, find its feed ranges, and return how many lanes should copy them."""
        job = None
        try:
            job = self._backfills.take(id_, generation)
            lanes = 0 if job is None else self._count_lanes(job)
            progress = describe(self._backfills.read(id_)).model_dump(mode="json")
        except CdcError as error:
            return self._put_off(error, job) | {"generation": generation if job is None else job.generation}
        over = {"ok": True, "over": True, "progress": progress}
        return (
            over if job is None or not lanes else over | {"over": False, "generation": job.generation, "lanes": lanes}
        )

    def _count_lanes(self, job: Job) -> int:
        with tracing.span(Name.BACKFILL_PLAN, of=job.traceparent):
            for container in self._backfills.list_uncounted(job):
                self._begin(job, container)
        waiting, resting = self._backfills.count_waiting(job)
        if resting and not waiting:
            raise PausedError(f"{', '.join(resting)}: paused, so this backfill waits: python -m cdc resume CONTAINER.")
        self._backfills.note_problem(job, None)
        if not waiting:
            self._backfills.complete(job)
        return min(waiting, job.options.max_parallel_ranges)

    def copy(self, id_: str, generation: int, lane: int) -> JsonObject:
        """Copy pages, one feed range after the other, until the time is up."""
        deadline = time.monotonic() + self._activity_seconds
        job = cursor = None
        try:
            job = self._backfills.find(id_, generation)
            while job is not None:
                cursor = self._backfills.claim(job, lane)
                if cursor is None or not self._copy_range(job, cursor, deadline):
                    return {"ok": True, "over": True}
                if time.monotonic() >= deadline:  # checked only now: every activity copies at least one page
                    break
        except FencedError:
            return {"ok": True, "over": True}
        except CdcError as error:
            return self._put_off(error, job, cursor)
        return {"ok": True, "over": job is None}

    def _begin(self, job: Job, container: str) -> None:
        self._source.read_changes(container, [])  # raises if the container is not the one seen first
        with self._source.open(container) as feed:
            ranges, size = feed.list_ranges(), feed.measure()
        Pace(self._backfills, job).book(size.request_units)
        self._backfills.begin(job, container, size, ranges)

    def _copy_range(self, job: Job, cursor: Cursor, deadline: float) -> bool:
        """Copy pages until the range ends or the time is up; return whether the backfill still runs.

        Only the next page is read while a page is written.
        """
        sink, pace = self._open_sink(job, cursor.source_ts), Pace(self._backfills, job)
        with (
            tracing.span(Name.BACKFILL_COPY, of=job.traceparent, container=cursor.container),
            self._source.open(cursor.container) as feed,
            ThreadPoolExecutor(1) as reading,
        ):

            def read(continuation: str | None) -> "Future[Page]":
                return reading.submit(pace.read, lambda size: feed.read(cursor.range, continuation, size))

            ahead: Future[Page] | None = read(cursor.continuation)
            while ahead is not None:
                page = ahead.result()
                if page.children:
                    self._backfills.split(job, cursor, page.children)
                    return True
                ended = page.ended or _is_later(page, cursor.source_ts)
                ahead = None if ended or time.monotonic() >= deadline else read(page.continuation)
                if self._write(job, cursor, page, ended, sink) != "running":
                    return False
                cursor = replace(cursor, continuation=page.continuation)
        return True

    def _write(self, job: Job, cursor: Cursor, page: Page, ended: bool, sink: Sink) -> str:
        states: list[str] = []

        def advance(connection: Any, outcome: Outcome) -> None:
            moved = Advance(page, ended, outcome)
            states.append(self._backfills.advance(connection, job, cursor, moved))

        with batches.observed(logger, cursor.container, Kind.BACKFILL, len(page.documents)) as batch:
            changes = self._source.read_changes(cursor.container, page.documents)
            outcome = replicate(self._mappers[cursor.container], changes, sink, advance)
            if not job.options.dry_run:
                batch.note(changes, outcome)
        return states[-1]

    def _put_off(self, error: CdcError, job: Job | None, cursor: Cursor | None = None) -> JsonObject:
        rows.tell(logger, logging.WARNING, Action.BACKFILL_WAITS, f"a backfill waits and tries again: {error}")
        if job is not None:
            with suppress(CdcError):  # PostgreSQL may be what failed
                self._backfills.note_problem(job, str(error), cursor)
        return {"ok": False, "over": False}


def _is_later(page: Page, source_ts: int) -> bool:
    """Return whether every document of a page was written after the backfill began."""
    times = [int(document["_ts"]) for document in page.documents]
    return bool(times) and min(times) > source_ts + _CLOCK_SECONDS
