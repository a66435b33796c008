"""Each thing that may be wrong with a container or the timer is the right problem, and nothing is none."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from cdc.backfill.progress import BackfillStatus
from cdc.config.settings import Settings
from cdc.core.feed_items import FeedMode
from cdc.operations.ability import Ability, judge_feed
from cdc.operations.checks import Check
from cdc.operations.conditions import Conditions
from cdc.operations.counts import LedgerCount
from cdc.operations.diagnosis import Diagnoser
from cdc.operations.feed_watch import Feed
from cdc.operations.lag import Lag
from cdc.operations.measurements import Measurement
from cdc.operations.pauses import PauseStatus
from cdc.operations.problems import BLOCKERS, Code
from cdc.operations.unmapped import UnmappedStatus
from cdc.postgres.applied import Applied
from cdc.postgres.containers import FailedBatch, FeedState
from cdc.reconcile.report import ObservedPath, RunReport
from tests.unit.operations.known import NOW, RUNS, a_condition, a_sample

SETTINGS = Settings.read(
    {
        "COSMOS_CONNECTION": "AccountEndpoint=http://127.0.0.1:9/;AccountKey=c2VjcmV0;",
        "POSTGRES_CONNECTION": "postgresql://app@127.0.0.1:9/app",
        "COSMOS_DATABASE": "database",
        "LEASE_DATABASE": "leases",
        "LEASE_CONTAINER": "leases",
        "LEASE_PREFIX": "test",
        "DURABLE_HUB": "test",
        "IDENTITY_KEY": "for the tests only",
        "READINESS_ACCEPTED_TYPES": "Accounts:Accepted",
    }
)
HOUR = timedelta(hours=1)
PAUSE = PauseStatus(container="Accounts", reason="why", since=NOW, by="app", source="operator", warning=None)
FEED = FeedState("Accounts", FeedMode.LATEST_VERSION, 0, 0, NOW, NOW)
BACKFILL = BackfillStatus(
    id="b", state="running", containers=["Accounts"], resting=[], problem=None, dry_run=False, reapply=False,
    started_at=NOW, finished_at=None, max_request_units_per_second=None, max_parallel_ranges=4, page_size=300,
    documents=9, totals={"read": 1, "applied": 1, "stale": 0, "undecided": 0, "parked": 0, "unmapped": 0}, percent=10,
    seconds_left=8, request_units=1, request_units_per_second=1,
)  # fmt: skip
REPORT = RunReport(
    id="1", container="Accounts", mode="counts", repair=True, sample=20, max_request_units=1, state="completed",
    message=None, started_at=NOW, finished_at=NOW,
)  # fmt: skip


def find(*conditions, feed=None, unmapped=(), replicates=True, **known):
    """Return the codes and containers of the problems of these containers."""
    all_known = Conditions(conditions, None, (), {}, {}, None)
    feeds = {} if feed is None else {"Accounts": feed}
    diagnoser = Diagnoser(SETTINGS, lambda: {"pruning": 100.0})
    checks = [Check("cosmos"), Check("leases")]
    found = diagnoser.find(replace(all_known, **known), Ability(checks, replicates, feeds), unmapped, NOW)
    return [(each.code, each.container) for each in found]


def a_report(**changes):
    """Build the condition of a container whose newest reconcile ended otherwise."""
    return a_condition(report=REPORT.model_copy(update=changes))


def test_nothing_is_wrong():
    """A container that is copied, compared and sampled has no problem, whatever goes on."""
    measured = Feed(Lag(59.0, 4), None, NOW)
    busy = a_condition(backfill=BACKFILL, moved_at=NOW, report=REPORT, unaided=0, oldest_letter=NOW - HOUR)

    assert find(a_condition(), busy, feed=measured, parts={"pruning": NOW}) == []


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        (a_condition(pause=PAUSE), Code.PAUSED),
        (a_condition(pause=PAUSE.model_copy(update={"source": "breaker"})), Code.BREAKER),
        (a_condition(unaided=1, oldest_letter=NOW), Code.LETTERS),
        (a_condition(oldest_letter=NOW - 25 * HOUR), Code.LETTER_OLD),
        (a_condition(feed=FEED, evidence={"copied_at": None}), Code.BACKFILL_REQUIRED),
        (a_condition(evidence={"incomplete_until": NOW}), Code.COMPARISON_REQUIRED),
        (a_condition(evidence={"incomplete_until": NOW, "compared_since": NOW - HOUR}), Code.COMPARISON_REQUIRED),
        (a_condition(backfill=BACKFILL.model_copy(update={"problem": "Cosmos"})), Code.BACKFILL_STUCK),
        (a_condition(backfill=BACKFILL.model_copy(update={"started_at": NOW - HOUR})), Code.BACKFILL_STUCK),
        (a_condition(backfill=BACKFILL.model_copy(update={"state": "paused"})), Code.BACKFILL_PAUSED),
        (a_condition(evidence={"runs": replace(RUNS, unresolved=2)}), Code.DRIFT_UNRESOLVED),
        (a_condition(evidence={"runs": replace(RUNS, unclaimed=2)}), Code.ROWS_UNCLAIMED),
        (a_condition(evidence={"runs": replace(RUNS, newest_at=NOW - 5 * HOUR)}), Code.RECONCILE_OVERDUE),
        (a_condition(evidence={"runs": None}, seen_at=NOW - 5 * HOUR), Code.RECONCILE_OVERDUE),
        (a_report(state="failed", message="why"), Code.RECONCILE_FAILED),
        (a_report(state="behind"), Code.RECONCILE_BEHIND),
        (a_report(observations=[ObservedPath(kind="unknown", path="$.X", documents=1)]), Code.PROPERTY_UNKNOWN),
    ],
    ids=lambda each: str(each) if isinstance(each, Code) else "",
)
def test_a_condition_is_its_problem(condition, code):
    """With the name of its container, and no other problem."""
    assert find(condition, a_condition("UserProfiles")) == [(code, "Accounts")]


def test_a_pause_that_is_too_long_is_told_beside_the_pause():
    """Its feed will soon lose changes."""
    assert find(a_condition(pause=PAUSE.model_copy(update={"warning": "resume it"}))) == [
        (Code.PAUSED, "Accounts"), (Code.PAUSED_LONG, "Accounts"),
    ]  # fmt: skip


@pytest.mark.parametrize("after", [0, 1])
def test_a_comparison_that_began_later_is_enough(after):
    """Also one of the very moment."""
    assert find(a_condition(evidence={"incomplete_until": NOW, "compared_since": NOW + after * HOUR})) == []


def test_a_late_feed_is_told_unless_its_reason_is():
    """A paused container and one whose host is dead have a problem that says more."""
    late = Feed(Lag(61.0, 40), None, NOW)

    assert find(a_condition(), feed=late) == [(Code.FEED_BEHIND, "Accounts")]
    assert find(a_condition(pause=PAUSE), feed=late) == [(Code.PAUSED, "Accounts")]
    assert find(a_condition(), feed=replace(late, unrenewed_since=NOW)) == []
    assert find(a_condition(), feed=late, replicates=False) == []


def test_a_lag_that_nobody_knows_is_told_unless_its_reason_is():
    """A missing lease has a problem of its own."""
    unknown = Feed(Lag(unknown="not begun"), None, NOW)
    gap = Feed(Lag(unknown="a gap", code=Code.LEASE_MISSING), None, NOW)

    assert find(a_condition(), feed=unknown) == [(Code.LAG_UNKNOWN, "Accounts")]
    assert find(a_condition(), feed=gap) == []
    assert [each.code for each in judge_feed("Accounts", gap, 13)] == [Code.LEASE_MISSING]


def test_a_dead_host_hides_no_unknown_lag():
    """That nobody renews the leases is a note only, as long as nobody knows that something waits."""
    unknown = Feed(Lag(unknown="not begun"), NOW, NOW)

    assert find(a_condition(), feed=unknown) == [(Code.LAG_UNKNOWN, "Accounts")]


@pytest.mark.parametrize(
    ("age", "lag", "told"),
    [
        (10, Lag(30.0, 4), True),  # what waits was written before the failure
        (10, Lag(5.0, 4), False),  # the batch has arrived since: what waits is newer
        (10, Lag(0.0, 0), False),
        (0.4, Lag(0.0, 1), True),  # its time is a whole second: it was written before the failure
        (0.4, Lag(0.0, 0), False),
        (10, Lag(unknown="why"), True),
        (290, Lag(300.0, 4), True),  # the host waits before the next attempt
        (310, Lag(300.0, 4), False),
    ],
)
def test_a_batch_that_keeps_failing_is_told_until_it_has_arrived(age, lag, told):
    """With the reason, long before the feed is late."""
    at = NOW - timedelta(seconds=age)
    failing = a_condition(failure=FailedBatch("PostgreSQL: LockNotAvailable (55P03).", at, at))

    assert ((Code.FEED_FAILING, "Accounts") in find(failing, feed=Feed(lag, None, NOW))) == told
    assert (Code.FEED_FAILING, "Accounts") not in find(replace(failing, pause=PAUSE), feed=Feed(lag, None, NOW))


def test_a_feed_that_is_late_because_a_batch_fails_says_so():
    """The advice about locks is given once; another feed that is late has its own."""
    at = NOW - timedelta(seconds=10)
    failing = a_condition(failure=FailedBatch("PostgreSQL: LockNotAvailable (55P03).", at, at))
    feeds = {name: Feed(Lag(70.0, 4), None, NOW) for name in ("Accounts", "UserProfiles")}
    ability = Ability([Check("cosmos"), Check("leases")], True, feeds)
    known = Conditions([failing, a_condition("UserProfiles")], None, (), {}, {}, None)

    found = Diagnoser(SETTINGS, dict).find(known, ability, [], NOW)

    late = {each.container: each.remedy for each in found if each.code == Code.FEED_BEHIND}
    assert "feed_failing" in late["Accounts"]
    assert BLOCKERS not in late["Accounts"]
    assert BLOCKERS in late["UserProfiles"]


def test_a_failure_before_the_newest_success_is_over_if_nobody_knows_the_lag():
    """While Cosmos is away, nothing fails again, and the newest sample is older than the failure."""
    at = NOW - timedelta(seconds=10)
    sample = a_sample(at=NOW - timedelta(seconds=30), lag_seconds=0.0)
    failed = a_condition(failure=FailedBatch("PostgreSQL: LockNotAvailable (55P03).", at, at), sample=sample)

    assert find(failed) == [(Code.FEED_FAILING, "Accounts")]
    assert find(replace(failed, applied=Applied(1, NOW))) == []


def test_a_feed_that_was_not_measured_now_is_as_late_as_its_newest_sample():
    """An old sample says nothing, and whoever cannot measure has a problem that says why."""

    def sampled(**changes):
        return a_condition(sample=a_sample(**changes))

    assert find(sampled(lag_seconds=61.0)) == [(Code.FEED_BEHIND, "Accounts")]
    assert find(sampled(lag_seconds=None, unknown="why")) == [(Code.LAG_UNKNOWN, "Accounts")]
    assert (Code.LAG_UNKNOWN, "Accounts") in find(sampled(at=NOW - HOUR))
    assert find(a_condition(sample=None)) == [(Code.LAG_UNKNOWN, "Accounts")]


@pytest.mark.parametrize(
    ("feed", "codes"),
    [
        (Feed(Lag(900.0, 40), None, NOW), []),
        (Feed(Lag(0.0, 0), NOW, NOW), [Code.LEASE_UNRENEWED]),
        (Feed(Lag(12.0, 3), NOW, NOW), [Code.LEASE_UNRENEWED]),
        (Feed(Lag(14.0, 3), NOW, NOW), [Code.FEED_DEAD]),
        (Feed(Lag(unknown="why", code=Code.POSITION_LOST), NOW, NOW), [Code.POSITION_LOST, Code.LEASE_UNRENEWED]),
    ],
)
def test_a_feed_is_dead_when_changes_wait_longer_than_a_host_needs_to_start(feed, codes):
    """Idle is not dead, whoever renews the leases."""
    assert [each.code for each in judge_feed("Accounts", feed, 13)] == codes


def test_unmapped_documents_are_a_problem_unless_their_type_is_accepted():
    """A mapper that takes the type by now is another problem."""

    def unmapped(type_, **more):
        return UnmappedStatus(container="Accounts", type=type_, documents=2, **{"has_mapper": False} | more)

    assert find(unmapped=[unmapped("Accepted"), unmapped("Other"), unmapped("Accepted", has_mapper=True)]) == [
        (Code.UNMAPPED_TYPE, "Accounts"), (Code.UNMAPPED_BEFORE, "Accounts"),
    ]  # fmt: skip


def test_a_timer_that_notes_nothing_is_overdue():
    """A part that is not done any more is named while the others run."""
    still = a_condition(sample=a_sample(at=NOW - timedelta(seconds=301)))

    measured = Feed(Lag(0.0, 0), None, NOW)

    assert find(still, parts={"pruning": NOW - HOUR}, feed=measured) == [(Code.MAINTAIN_OVERDUE, None)]
    new = a_condition(sample=None, seen_at=NOW - HOUR)
    assert find(new, feed=measured) == [(Code.MAINTAIN_OVERDUE, None)]
    both = still, a_condition("UserProfiles")
    assert find(*both, parts={"pruning": NOW - HOUR}, feed=measured) == [(Code.PART_OVERDUE, None)]
    assert find(still, replicates=False) == []


def test_a_part_that_hangs_does_not_make_the_timer_overdue():
    """No sample was taken, because its part fails; another part was done a moment ago."""
    still = a_condition(sample=a_sample(at=NOW - HOUR))
    measured = Feed(Lag(0.0, 0), None, NOW)

    assert find(still, parts={"pruning": NOW - HOUR, "counts": NOW}, feed=measured) == [(Code.PART_OVERDUE, None)]


@pytest.mark.parametrize(("begun", "told"), [(NOW - HOUR, True), (NOW, False)])
def test_a_backfill_that_began_too_early_does_not_count(begun, told):
    """It is still running, and the feed began anew after its start."""
    running = a_condition(
        backfill=BACKFILL.model_copy(update={"started_at": begun}), moved_at=NOW, feed=FEED,
        evidence={"copied_at": None, "is_copying": True},
    )  # fmt: skip

    assert ((Code.BACKFILL_REQUIRED, "Accounts") in find(running)) == told


def test_a_number_is_never_in_the_wrong_form():
    """One of something is no plural."""
    one = a_condition(unaided=1, evidence={"runs": replace(RUNS, unresolved=1, unclaimed=1)}, report=REPORT.model_copy(
        update={"observations": [ObservedPath(kind="unknown", path="$.X", documents=1)]}
    ))  # fmt: skip
    unmapped = [UnmappedStatus(container="Accounts", type="A", documents=1, has_mapper=each) for each in (False, True)]
    feed = Feed(Lag(61.0, 1), None, NOW)
    ability = Ability([Check("cosmos"), Check("leases")], True, {"Accounts": feed})
    diagnoser = Diagnoser(SETTINGS, dict)
    found = diagnoser.find(Conditions([one], None, (), {}, {}, None), ability, unmapped, NOW)
    dead = judge_feed("Accounts", replace(feed, unrenewed_since=NOW), 13)

    messages = [each.message for each in (*found, *dead)]

    assert len(messages) == 8
    assert not [each for each in messages if re.search(r"\b1 \w+s\b(?! old)", each)]


def test_old_counts_and_broken_rules_are_notes():
    """They say how far to believe the numbers, and what to mend before the cut-over."""
    rules = {("rule a", "Accounts"): Measurement(False, "rows that break it: 2", NOW, 0.0),
             ("rule b", "Accounts"): Measurement(True, "rows that break it: 0", NOW, 0.0)}  # fmt: skip

    assert find(a_condition(), ledger=LedgerCount([], NOW, 3_601.0)) == [(Code.COUNTS_OLD, None)]
    assert find(a_condition(), measurements=rules) == [(Code.RULE_BROKEN, "Accounts")]
