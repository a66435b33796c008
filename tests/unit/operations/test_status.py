"""The status is numbers by container: measured now, or as the newest sample has them."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from cdc.operations import status_text
from cdc.operations.counts import DocumentCount, LedgerCount, LetterCount
from cdc.operations.feed_watch import Feed
from cdc.operations.lag import Lag
from cdc.operations.problems import Code, CurrentProblem, Health
from cdc.operations.samples import Rate
from cdc.operations.status import StatusReport, describe_container
from cdc.operations.unmapped import UnmappedStatus
from tests.unit.operations.known import NOW, a_condition, a_sample

AT = datetime(2026, 1, 1, tzinfo=UTC)
LEDGER = LedgerCount(
    [
        DocumentCount("Accounts", "applied", None, 3, 70),
        DocumentCount("Accounts", "parked", None, 1, 90),
        DocumentCount("Accounts", "unmapped", "SalesOrder", 2, 80),
        DocumentCount("Accounts", "unmapped", "other", 4, 60),
    ],
    AT,
    0.0,
)
LETTERS = [LetterCount("Accounts", "mapping", "waiting", 1), LetterCount("Other", "data", "waiting", 2)]
UNMAPPED = [
    UnmappedStatus(container=name, type="SalesOrder", documents=2, has_mapper=False) for name in ("Accounts", "Other")
]


def describe(known, feed=None, ledger=LEDGER):
    """Return the status of a container."""
    return describe_container(known, feed, ledger, LETTERS, UNMAPPED)


def test_a_container_has_its_own_counts():
    """What belongs to other containers is not counted; documents of several types are one number."""
    status = describe(a_condition())

    assert status.documents == {"applied": 3, "parked": 1, "deleted": 0, "unmapped": 6}
    assert (status.counted_at, status.newest_ts, status.source_documents) == (AT, 90, 6)
    assert [each.model_dump() for each in status.dead_letters] == [
        {"kind": "mapping", "state": "waiting", "documents": 1}
    ]
    assert status.unmapped == [UNMAPPED[0]]


def test_a_container_without_documents_is_zeros():
    """It is there before its first document."""
    status = describe(a_condition("UserProfiles"))

    assert status.documents == {"applied": 0, "parked": 0, "deleted": 0, "unmapped": 0}
    assert (status.newest_ts, status.dead_letters, status.unmapped) == (None, [], [])


def test_a_ledger_that_nobody_has_counted_has_no_numbers():
    """Nothing is not the same as not known."""
    status = describe(a_condition(), ledger=None)

    assert (status.documents, status.counted_at, status.newest_ts) == (None, None, None)


def test_the_lag_is_the_measured_one_or_that_of_the_newest_sample():
    """With its time; without either it is unknown, and says why."""
    feed = Feed(Lag(12.0, 40), None, NOW)
    sampled = a_condition(sample=a_sample(lag_seconds=70.0, backlog=9, at=AT), rate=Rate(2.0, 35.0))

    measured, kept = describe(sampled, feed), describe(sampled)
    unknown = describe(a_condition(sample=None))

    assert (measured.lag_seconds, measured.backlog, measured.lag_at) == (12.0, 40, NOW)
    assert (kept.lag_seconds, kept.backlog, kept.lag_at, kept.catch_up_seconds) == (70.0, 9, AT, 35.0)
    assert (unknown.lag_seconds, unknown.lag_unknown) == (None, "It was not measured yet.")


def test_a_feed_that_has_just_caught_up_needs_no_time():
    """Whatever the samples of the last minutes forecast."""
    status = describe(a_condition(rate=Rate(2.0, 35.0)), Feed(Lag(0.0, 0), None, NOW))

    assert status.catch_up_seconds == 0.0


def test_a_backlog_that_the_rate_does_not_know_yet_has_no_end():
    """The samples saw nothing waiting, and something waits now."""
    status = describe(a_condition(rate=Rate(2.0, 0.0)), Feed(Lag(3.0, 5), None, NOW))

    assert status.catch_up_seconds is None


@pytest.mark.parametrize(("seconds", "shown"), [(10, "70 s"), (40, "70 s at 00:00:00")])
def test_a_lag_that_is_old_is_shown_with_its_time(seconds, shown):
    """While a store is away, nobody reads an old number as today's."""
    container = describe(a_condition(sample=a_sample(lag_seconds=70.0, backlog=9, at=AT)))
    report = a_report(at=AT + timedelta(seconds=seconds), containers=[container])

    row = next(line for line in status_text.write(report).splitlines() if line.startswith("Accounts"))

    assert re.split(" {2,}", row)[1] == shown


def a_report(**known):
    """Build a report."""
    nothing = {"verdict": Health.STOPPED, "at": AT, "problems": [], "containers": [], "change_feeds": []}
    phase = {"phase": "dual_write_cosmos_read", "phase_meaning": "", "recorded_phase": None}
    return StatusReport(**nothing | phase | known)


def test_problems_of_one_kind_are_one_block_with_one_remedy():
    """It names each container, and has a sentence for each; the oldest says since when."""
    later = AT + timedelta(hours=1)
    problems = [
        CurrentProblem.of(Code.FEED_DEAD, "Nobody renews the leases of Accounts.", "Accounts", later),
        CurrentProblem.of(Code.FEED_DEAD, "30 changes wait.", "UserProfiles", AT),
        CurrentProblem.of(Code.PAUSED, "Paused by the operator: why", "Accounts", AT),
    ]

    told = status_text.write(a_report(at=later, problems=problems)).splitlines()

    assert told[2:5] == [
        "STOPPED  feed_dead Accounts, UserProfiles, since 2026-01-01 00:00:00 UTC",
        "  Nobody renews the leases of Accounts.",
        "  UserProfiles: 30 changes wait.",
    ]
    assert "  Paused by the operator: why" in told
    assert sum(line.startswith("  What to do: ") for line in told) == 2


def test_a_remedy_that_differs_is_told_for_any_container():
    """One that is the same names its container."""
    paused = [CurrentProblem.of(Code.PAUSED, "why", name, AT) for name in ("Accounts", "UserProfiles")]

    assert "run `python -m cdc resume CONTAINER`." in status_text.write(a_report(problems=paused))
    assert "run `python -m cdc resume Accounts`." in status_text.write(a_report(problems=paused[:1]))


@pytest.mark.parametrize(("age", "when"), [(None, "seen now"), (14, "seen now"), (15, "since 2026-01-01 00:00:00 UTC")])
def test_what_a_look_has_found_itself_has_no_beginning(age, when):
    """The second of the question is not when it began."""
    problem = CurrentProblem.of(Code.COSMOS_UNREACHABLE, "It did not answer.", since=AT if age else None)

    told = status_text.write(a_report(at=AT + timedelta(seconds=age or 0), problems=[problem]))

    assert f"STOPPED  cosmos_unreachable, {when}" in told
