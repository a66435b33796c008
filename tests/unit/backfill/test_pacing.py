"""The pages of a backfill are of a size, and at a time, that its request units allow."""

import pytest

from cdc.backfill import pacing
from cdc.backfill.job import Job, Options
from cdc.backfill.pacing import Pace
from cdc.core.errors import TransientError
from cdc.core.feed_pages import Page


class Clock:
    """Time that passes only when somebody sleeps, and reservations one after the other."""

    def __init__(self):
        self.now = 0.0
        self.reserved_to = 0.0
        self.charges = []

    def reserve(self, _, seconds):
        begins = max(self.reserved_to, self.now)
        self.reserved_to = begins + seconds
        return begins - self.now

    def settle(self, _, seconds):
        self.reserved_to += seconds

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    """A clock that the pace reads and sleeps by."""
    clock = Clock()
    monkeypatch.setattr(pacing.time, "sleep", clock.sleep)
    return clock


def a_job(units=None, page_size=1000):
    """Build a job with a budget."""
    return Job("b", 1, Options(max_request_units_per_second=units, page_size=page_size))


def a_page(size, units):
    """Build a page of so many documents and such a charge."""
    return Page(tuple({} for _ in range(size)), "1", ended=False, request_units=units)


def test_without_a_budget_pages_are_whole_and_nobody_waits(clock):
    """The page size is the one that was asked for."""
    sizes = []
    Pace(clock, a_job()).read(lambda size: sizes.append(size) or a_page(size, 1.0))

    assert (sizes, clock.now, clock.reserved_to) == ([1000], 0.0, 0.0)


@pytest.mark.parametrize("units_per_document", [0.3, 2.0, 40.0])
@pytest.mark.parametrize("lanes", [1, 4])
def test_any_ten_seconds_stay_under_the_limit(clock, units_per_document, lanes):
    """However large the documents are, and however many lanes there are."""
    paces = [Pace(clock, a_job(100)) for _ in range(lanes)]

    def read(size):
        clock.charges.append((clock.now, size * units_per_document))
        return a_page(size, size * units_per_document)

    while clock.now < 60:
        for pace in paces:
            pace.read(read)

    windows = [sum(units for at, units in clock.charges if begin <= at < begin + 10) for begin, _ in clock.charges]
    assert max(windows) <= 1000
    assert max(windows) >= 600


def test_what_was_not_reserved_delays_what_follows(clock):
    """Counting the documents is paid for by the first page."""
    pace = Pace(clock, a_job(100))
    pace.book(850)
    pace.read(lambda size: a_page(size, 1.0))

    assert clock.now == pytest.approx(10)


def test_a_page_that_cost_more_than_was_reserved_delays_the_next(clock):
    """Whatever a document costs shows only afterwards."""
    pace = Pace(clock, a_job(100))
    pace.read(lambda size: a_page(size, 850.0))
    pace.read(lambda size: a_page(size, 1.0))

    assert clock.now == pytest.approx(10)


def test_a_wait_longer_than_a_minute_is_for_the_orchestration(clock):
    """An activity that slept so long would end with the host's timeout, and take its worker with it."""
    pace = Pace(clock, a_job(100))
    pace.book(85 * 61)

    with pytest.raises(TransientError):
        pace.read(lambda size: a_page(size, 1.0))

    assert (clock.now, clock.reserved_to) == (0.0, 61.0)
