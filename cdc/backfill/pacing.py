"""Keep all lanes of a backfill, in all processes, within its request units per second."""

import time
from collections.abc import Callable

from cdc.backfill.job import Budget, Job
from cdc.core.errors import TransientError
from cdc.core.feed_pages import Page

# A page is charged at once: small pages and a share below 1 keep every ten seconds under the limit.
SHARE = 0.85
_PAGE_SECONDS = 0.5
# The host ends an invocation that lasts too long, together with its worker.
_LONGEST_SECONDS = 60
# Before the first page the cost of a document is unknown, and one document says little about the others.
_FIRST_DOCUMENTS = 1
_GROWTH = 4


class Pace:
    """Reads pages when the budget allows, in a size that it allows; for one thread."""

    def __init__(self, budget: Budget, job: Job) -> None:
        self._budget = budget
        self._job = job
        self._size = job.options.page_size
        limit = job.options.max_request_units_per_second
        self._units_per_second = None if limit is None else limit * SHARE
        self._units_per_document: float | None = None
        self._documents = 0

    def book(self, units: float) -> None:
        """Charge request units that were not reserved."""
        if self._units_per_second is not None:
            self._budget.reserve(self._job, units / self._units_per_second)

    def read(self, read: Callable[[int], Page]) -> Page:
        """Wait until the budget allows it, then read a page."""
        if self._units_per_second is None:
            return read(self._size)
        size, seconds = self._plan(self._units_per_second)
        self._wait(seconds)
        page = read(size)
        self._budget.settle(self._job, page.request_units / self._units_per_second - seconds)
        if page.documents:
            self._documents = len(page.documents)
            self._units_per_document = page.request_units / self._documents
        return page

    def _wait(self, seconds: float) -> None:
        """Reserve seconds and sleep until they begin; raise TransientError if that takes too long for the host."""
        wait = self._budget.reserve(self._job, seconds)
        if wait > _LONGEST_SECONDS:
            self._budget.settle(self._job, -seconds)
            raise TransientError(f"The request units of the next {wait:.0f} seconds are already spent.")
        time.sleep(wait)

    def _plan(self, units_per_second: float) -> tuple[int, float]:
        if self._units_per_document is None:
            return min(self._size, _FIRST_DOCUMENTS), _PAGE_SECONDS
        affordable = int(units_per_second * _PAGE_SECONDS / self._units_per_document)
        size = max(1, min(self._size, affordable, self._documents * _GROWTH))
        return size, size * self._units_per_document / units_per_second
