"""Read a sample of a container: spread over feed ranges and ages, within a budget of request units."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from cdc.core.documents import JsonObject
from cdc.core.errors import TransientError
from cdc.core.feed_pages import FeedRange, Page, Size

# Where the sample begins to read, between the oldest document and now; newer documents matter more.
_STARTS = (0.25, 0.5, 0.75, 0.9, 0.99)
_PAGE = 200
# Before the first page the cost of a document is unknown.
_GROWTH = 4
_TRIES = 6
_LONGEST_WAIT_SECONDS = 30

_Answer = TypeVar("_Answer")


class SampledFeed(Protocol):
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

    def read_since(self, range_: FeedRange, ts: int, size: int) -> Page:
        """Read the first page of what was written after a time."""
        ...


@dataclass(frozen=True, slots=True)
class _Cursor:
    """A part of a feed: what was written in a feed range after `since` and until `until`, in seconds.

    `reached` is when the newest document was written that was read already.
    """

    range: FeedRange
    since: int | None = None
    until: float = math.inf
    continuation: str | None = None
    reached: int = 0


@dataclass(slots=True)
class Progress:
    """How far a sample is; `complete` means that everything was read.

    A document costs less in a large page: `units_per_document` is its cost in the largest one.
    """

    feed_ranges: int = 0
    documents: int = 0
    read: int = 0
    request_units: float = 0.0
    complete: bool = False
    largest_page: int = 0
    units_per_document: float = 0.0


class Sample:
    """Reads a sample; what was read once in two parts of the feed, because it was changed meanwhile, comes twice."""

    def __init__(
        self,
        feed: SampledFeed,
        budget: float | None,
        show: Callable[[Progress], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.progress = Progress()
        self._feed = feed
        self._budget = math.inf if budget is None else budget
        self._show = show
        self._sleep = sleep
        self._size = 1
        # The dearest request so far, by document, and without one.
        self._units_per_document = self._units_per_request = 0.0

    def read(self) -> Iterator[JsonObject]:
        """Return documents, until the budget is spent or everything was read."""
        size, ranges = self._try(self._feed.measure), self._try(self._feed.list_ranges)
        self.progress.documents, self.progress.feed_ranges = size.documents, len(ranges)
        self.progress.request_units += size.request_units
        waiting = deque(map(_Cursor, ranges))
        if not math.isinf(self._budget):
            oldest, begun = size.ts, list[_Cursor]()
            while waiting:  # the oldest documents first: they say how far back the others are spread
                if not self._affords():
                    return
                left, page = self._turn(waiting.popleft())
                begun += left
                oldest = min([oldest, *(int(document["_ts"]) for document in page)])
                yield from page
            waiting += _spread(begun, oldest, size.ts)
        while waiting:
            if not self._affords():
                return
            left, page = self._turn(waiting.popleft())
            waiting += left
            yield from page
        self.progress.complete = math.isinf(self._budget) or self.progress.read >= size.documents

    def _turn(self, cursor: _Cursor) -> tuple[Sequence[_Cursor], Sequence[JsonObject]]:
        """Read one page of a part; return what is left of it, and its documents."""
        page = self._read_page(cursor)
        if page.children:
            return [replace(cursor, range=child, continuation=page.continuation) for child in page.children], ()
        times = [int(document["_ts"]) for document in page.documents]
        documents = [each for each, ts in zip(page.documents, times, strict=True) if ts <= cursor.until]
        self.progress.read += len(documents)
        self._show(self.progress)
        reached = max([cursor.reached, *times])
        if page.ended or reached > cursor.until:
            return (), documents
        return [replace(cursor, continuation=page.continuation, reached=reached)], documents

    def _read_page(self, cursor: _Cursor) -> Page:
        size = self._plan()
        since, continuation = cursor.since, cursor.continuation
        if since is not None and continuation is None:
            page = self._try(lambda: self._feed.read_since(cursor.range, since, size))
        else:
            page = self._try(lambda: self._feed.read(cursor.range, continuation, size))
        self.progress.request_units += page.request_units
        if page.documents:
            documents = len(page.documents)
            units = page.request_units / documents
            self._units_per_document = max(self._units_per_document, units)
            self._size = max(self._size, min(_PAGE, documents * _GROWTH))
            if documents >= self.progress.largest_page:
                self.progress.largest_page, self.progress.units_per_document = documents, units
        else:
            self._units_per_request = max(self._units_per_request, page.request_units)
        return page

    def _affords(self) -> bool:
        return self._left() > 0 and self._left() >= max(self._units_per_document, self._units_per_request)

    def _left(self) -> float:
        return self._budget - self.progress.request_units

    def _plan(self) -> int:
        if not self._units_per_document or math.isinf(self._budget):
            return self._size
        return max(1, min(self._size, int(self._left() / self._units_per_document)))

    def _try(self, read: Callable[[], _Answer]) -> _Answer:
        for attempt in range(_TRIES):
            try:
                return read()
            except TransientError:
                if attempt == _TRIES - 1:
                    raise
                self._sleep(min(_LONGEST_WAIT_SECONDS, 2**attempt))
        raise AssertionError


def _spread(begun: Sequence[_Cursor], oldest: int, newest: int) -> Iterator[_Cursor]:
    """Cut what is left of each feed range at the starts; return the parts so that ranges and ages alternate."""
    starts = sorted({oldest + int((newest - oldest) * share) for share in _STARTS})
    ends = [*starts, math.inf]
    for turn in range(len(ends)):
        for number, cursor in enumerate(begun):
            part = (turn + number) % len(ends)
            if ends[part] < cursor.reached:  # read already; of one second, more may be left
                continue
            if part == 0 or starts[part - 1] < cursor.reached:
                yield replace(cursor, until=ends[part])
            else:
                yield _Cursor(cursor.range, starts[part - 1], ends[part])
