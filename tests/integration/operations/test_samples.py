"""Samples say minute by minute how far a feed is behind and how much there is, and what follows from it."""

import pytest

from cdc.core.feed_items import FeedMode
from cdc.cosmos.account import CosmosAccount
from cdc.operations.counts import Counts
from cdc.operations.lag import LagReader
from cdc.operations.samples import Samples
from cdc.postgres.containers import ConfirmedSource
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from mappers.accounts import ACCOUNTS
from tests.builders import a_change, a_version, an_account
from tests.integration.leased import LeasedAccounts

BOTH = ["Accounts", "UserProfiles"]


@pytest.fixture
def accounts(cosmos):
    """The accounts and their leases, which have delivered nothing yet."""
    accounts = LeasedAccounts(cosmos, FeedMode.LATEST_VERSION)
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

    def add_sample(seconds, container="Accounts", **values):
        values = {"lag_seconds": 0.0, "backlog": 0, "parked": 0, "applied": 0} | values
        columns = ", ".join(values)
        connection.execute(
            f"insert into cdc.sample (container, at, {columns}) values"
            f" (%s, now() - make_interval(secs => %s), {', '.join(['%s'] * len(values))})",
            [container, seconds, *values.values()],
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
