"""Samples say minute by minute how far a feed is behind and how much there is, and what follows from it."""

import asyncio
from datetime import timedelta

import pytest

from cdc.core.errors import TransientError
from cdc.core.feed_items import FeedMode
from cdc.cosmos.account import CosmosAccount
from cdc.operations.counts import Counts
from cdc.operations.lag import LagReader
from cdc.operations.maintain import Maintain, Part
from cdc.operations.samples import KEPT_DAYS, Rate, Samples, find_step
from cdc.postgres.applied import Applied
from cdc.postgres.containers import ConfirmedSource
from cdc.postgres.database import Database
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from local.sample import PARTITION_KEYS
from mappers.accounts import ACCOUNTS
from tests.builders import a_change, a_version, an_account
from tests.integration.leased import LeasedAccounts

BOTH = ["Accounts", "UserProfiles"]


@pytest.fixture
def accounts(cosmos):
    """The accounts and their leases, which have delivered nothing yet."""
    accounts = LeasedAccounts(cosmos, FeedMode.LATEST_VERSION, PARTITION_KEYS)
    accounts.initialize(accounts.partitions())
    yield accounts
    accounts.close()


@pytest.fixture
def open_samples(accounts):
    """Open the samples of these containers as an instance would."""

    def open_on(database, containers=BOTH, account=None):
        account = account or accounts.account
        lag = LagReader(ConfirmedSource(account, database), accounts.leases)
        return Samples(database, containers, lag, account, Counts(database))

    return open_on


@pytest.fixture
def samples(open_samples, database):
    """The samples of two containers, of which only the first has leases."""
    return open_samples(database)


@pytest.fixture
def add(connection):
    """Add a sample of a container that was taken so many seconds ago."""
    (now,) = connection.execute("select now()").fetchone()

    def add_sample(seconds, container="Accounts", **values):
        values = {"lag_seconds": 0.0, "backlog": 0, "parked": 0, "applied": 0} | values
        columns, places = ", ".join(values), ", ".join(["%s"] * len(values))
        connection.execute(
            f"insert into cdc.sample (container, at, {columns}) values (%s, %s, {places})",
            [container, now - timedelta(seconds=seconds), *values.values()],
        )

    return add_sample


def test_a_sample_has_what_both_sides_hold(accounts, samples, database):
    """What waits in the feed, what Cosmos and the ledger count, what is parked, and what was applied."""
    for number in range(4):
        accounts.source.write("Accounts", an_account(f"a{number}"))
    sink = PostgresSink(database)
    types = [a_change("order", body=an_account("order", **{"$type": "SalesOrder"}))]
    bad = [a_change("bad", body=an_account("bad", Email=None))]
    replicate(ACCOUNTS, [a_change("a"), a_change("gone", body=None), *types, *bad], sink)
    replicate(ACCOUNTS, [a_change("a", version=a_version(1))], sink)
    replicate(ACCOUNTS, [a_change("a", version=a_version(1))], sink)

    samples.take()

    sample = samples.read_newest()["Accounts"]
    assert sample.model_dump(exclude={"at", "lag_seconds"}) == {
        "container": "Accounts",
        "backlog": 4,
        "unknown": None,
        "source_documents": 4,
        "documents": 3,
        "unmapped": 1,
        "parked": 1,
        "applied": 4,
    }
    assert sample.lag_seconds >= 0
    assert samples.read_applied()["Accounts"].changes == 4


def test_an_unknown_lag_is_null_and_says_why(accounts, samples):
    """No lease was written for this container; all others are measured, and the counts are there."""
    accounts.source.write("UserProfiles", an_account("p"))

    samples.take()

    newest = samples.read_newest()
    profiles = newest["UserProfiles"]
    assert (profiles.lag_seconds, profiles.backlog, profiles.source_documents) == (None, None, 1)
    assert profiles.unknown.startswith("The trigger of UserProfiles has not written all its leases")
    assert (newest["Accounts"].lag_seconds, newest["Accounts"].backlog, newest["Accounts"].unknown) == (0.0, 0, None)


def test_a_source_that_is_away_is_a_sample_too(open_samples, database):
    """The history shows since when nobody knew anything, and what the reason was."""
    account = CosmosAccount("AccountEndpoint=http://127.0.0.1:9/;AccountKey=c2VjcmV0;", "MystiraAppDb")
    samples = open_samples(database, ["Accounts"], account)
    samples.take()

    sample = samples.read_newest()["Accounts"]
    assert (sample.lag_seconds, sample.backlog, sample.source_documents) == (None, None, None)
    assert sample.unknown.startswith("Cosmos did not answer")
    account.close()


def test_all_instances_together_take_one_sample_a_minute(open_samples, database, app_dsn, connection):
    """A deployment may let several instances run the timer for a while; each has its own connections."""
    other = Database(app_dsn)
    timers = [
        Maintain([Part("samples", open_samples(each, ["Accounts"]).take, every=60)], each) for each in (database, other)
    ]

    async def run_all():
        for timer in [*timers, *timers]:
            await timer.run(object())

    def count():
        return connection.execute("select count(*) from cdc.sample").fetchone()[0]

    counted = []
    for _ in range(3):
        asyncio.run(run_all())
        counted.append(count())
        connection.execute("update cdc.maintenance set done_at = done_at - interval '60 seconds'")

    assert counted == [0, 1, 2]
    for timer in timers:
        timer.close()
    other.close()


def test_old_samples_go_with_the_daily_pruning(samples, add, connection):
    """Young ones stay."""
    day = 86_400
    for seconds in (0, KEPT_DAYS * day - 600, KEPT_DAYS * day + 600, 30 * day):
        add(seconds)

    samples.prune()

    assert connection.execute("select count(*) from cdc.sample").fetchone() == (2,)


def test_every_connection_counts_what_it_applies(open_samples, database, app_dsn, connection):
    """Old rows are added up without a loss; one that is in use waits for nobody and goes the next day."""
    other = Database(app_dsn)
    for number, each in enumerate((database, other, database)):
        replicate(ACCOUNTS, [a_change(f"a{number}"), a_change(f"b{number}")], PostgresSink(each))
    samples = open_samples(database)
    before = samples.read_applied()
    assert before["Accounts"].changes == 6
    rows = connection.execute(
        "update cdc.applied set last_at = last_at - interval '2 days' returning writer"
    ).fetchall()
    assert len(rows) == 2
    newest = samples.read_applied()["Accounts"].last_at

    with connection.transaction():
        connection.execute("select from cdc.applied where writer = %s for update", rows[0])
        samples.prune()
    assert connection.execute("select count(*) from cdc.applied where writer <> 0").fetchone() == (1,)
    samples.prune()

    assert connection.execute("select writer from cdc.applied").fetchall() == [(0,)]
    assert samples.read_applied() == {"Accounts": Applied(6, newest)}
    replicate(ACCOUNTS, [a_change("c")], PostgresSink(database))
    assert samples.read_applied()["Accounts"].changes == 7
    other.close()


def test_a_batch_that_is_rolled_back_has_applied_nothing(samples, database):
    """The count is part of the transaction."""

    def fail(*_):
        raise TransientError("Away.")

    with pytest.raises(TransientError):
        replicate(ACCOUNTS, [a_change("a")], PostgresSink(database), fail)

    assert samples.read_applied() == {}


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        # Idle: nothing is applied, and nothing is pending.
        ([(120, 0, 50), (60, 0, 50), (0, 0, 50)], Rate(0.0, 0.0)),
        # 600 fewer in two minutes: 300 are left for one more.
        ([(120, 900, 0), (60, 700, 300), (0, 300, 1200)], Rate(10.0, 60.0)),
        # As much is written as applied, or more: it never ends like this.
        ([(120, 900, 0), (0, 900, 240)], Rate(2.0, None)),
        ([(120, 100, 0), (0, 900, 240)], Rate(2.0, None)),
        # Nothing was known in between, or is known now.
        ([(120, 900, 0), (60, None, 100), (0, 300, 1200)], Rate(10.0, 60.0)),
        ([(120, None, 0), (0, 300, 240)], Rate(2.0, None)),
        ([(120, 900, 0), (0, None, 240)], Rate(2.0, None)),
        # The table was lost: never less than nothing.
        ([(120, 0, 500), (0, 0, 10)], Rate(0.0, 0.0)),
        # What is older than some minutes, or alone, says nothing of now.
        ([(400, 900, 0), (0, 300, 1200)], None),
        ([(0, 300, 1200)], None),
        ([], None),
    ],
)
def test_rates_are_those_of_the_last_minutes(samples, add, taken, expected):
    """What is applied, and when the backlog ends if it shrinks on like this."""
    for seconds, backlog, applied in taken:
        add(seconds, backlog=backlog, lag_seconds=None if backlog is None else 1.0, applied=applied)

    rate = samples.rates().get("Accounts")

    if expected is None:
        assert rate is None
    else:
        assert rate.changes_per_second == pytest.approx(expected.changes_per_second, rel=0.02)
        assert rate.catch_up_seconds == (
            expected.catch_up_seconds and pytest.approx(expected.catch_up_seconds, rel=0.02)
        )


def test_a_short_history_has_every_sample_and_no_other_container(samples, add):
    """In the order of time, and not older than asked for."""
    for seconds in (0, 60, 120, 3_700):
        add(seconds, applied=4_000 - seconds)
        add(seconds, "UserProfiles", applied=1)

    assert [sample.applied for sample in samples.history("Accounts", 1)] == [3_880, 3_940, 4_000]
    assert [sample.applied for sample in samples.history("Accounts", 2)] == [300, 3_880, 3_940, 4_000]


@pytest.mark.parametrize("hours", [1, 8, 9, 24, 24 * KEPT_DAYS])
def test_a_long_history_is_thinned_out_and_hides_no_peak(samples, connection, hours):
    """A week of minutes is some hundred samples, and the worst minute is among them; the last counts stand."""
    connection.execute(
        "insert into cdc.sample (container, at, lag_seconds, backlog, unknown, documents, parked, applied)"
        " select 'Accounts', now() - make_interval(mins => n), case when n = 31 then 900 else 1 end,"
        " case when n = 31 then 5000 else 2 end, case when n = 44 then 'No lease.' end, 10000 - n, 0, 20000 - n"
        " from generate_series(0, %s) as n",
        [hours * 60 - 1],
    )

    found = samples.history("Accounts", hours)

    assert hours * 60 * 60 / find_step(hours) <= 500
    assert len(found) <= 501
    assert len(found) >= min(250, hours * 60)
    assert (max(each.lag_seconds for each in found), max(each.backlog for each in found)) == (900.0, 5000)
    assert [each.unknown for each in found if each.unknown] == ["No lease."]
    assert (found[-1].documents, found[-1].applied) == (10_000, 20_000)
    assert [each.at for each in found] == sorted(each.at for each in found)
