"""How much of a feed is pending follows from its leases, whether or not a host is there."""

import pytest

from cdc.core.deadline import Deadline
from cdc.core.feed_items import FeedMode
from cdc.cosmos.backlog import Backlog, Head, Pending, estimate
from cdc.cosmos.feeds import CosmosFeeds
from cdc.operations.lag import LagReader
from cdc.postgres.containers import ConfirmedSource
from local.functions.successors import of_range
from local.sample import DATABASE, Source
from tests.builders import an_account
from tests.integration.leased import LeasedAccounts

NOTHING = Pending(0, None)


class Delivered(LeasedAccounts):
    """Accounts whose leases are at the end of the feed."""

    def __init__(self, cosmos, mode):
        super().__init__(cosmos, mode)
        self.mode = mode
        self.initialize(self.partitions())
        self.deliver()

    def deliver(self, *tokens):
        """Take these leases, or all, past all that there is, as their host does after a batch."""
        feeds = CosmosFeeds(self.account)
        with feeds.open("Accounts") as feed:
            ranges = {each.min: each for each in feed.list_ranges()}
            for lease in self.store.load():
                if not tokens or lease.token in tokens:
                    held = self.store.acquire(lease) if lease.owner is None else lease
                    self.store.checkpoint(held, self._end(feed, ranges[lease.low]))
        feeds.close()

    def write(self, count, prefix="a"):
        """Write so many accounts, which lie in both partitions."""
        return [self.source.write("Accounts", an_account(f"{prefix}{number}")) for number in range(count)]

    @property
    def pending(self):
        """What waits in the feed."""
        return self.leases.read_pending(self.origin)

    def _end(self, feed, range_):
        page = feed.read(range_, None, 1_000)
        while not page.ended:
            page = feed.read(range_, page.continuation, 1_000)
        return page.continuation


@pytest.fixture(params=list(FeedMode))
def accounts(cosmos, request):
    """Accounts in two partitions, of which nothing is pending, in either mode of the feed."""
    accounts = Delivered(cosmos, request.param)
    yield accounts
    accounts.close()


def test_nothing_is_pending_when_nothing_is_written(accounts):
    """Not in a new container, not after everything was delivered, and not before any time has passed."""
    assert accounts.pending == NOTHING
    accounts.write(5)
    accounts.deliver()

    assert accounts.pending == NOTHING
    assert accounts.leases.read_backlog(accounts.origin) == Backlog(0.0, 0)


def test_what_was_written_is_pending_until_its_lease_is_past_it(accounts):
    """It grows with every write while no host delivers anything; each partition counts by itself."""
    accounts.write(3, "before")
    accounts.deliver()
    first = accounts.write(4)
    assert accounts.pending == Pending(4, first[0]["_ts"])
    accounts.write(6, "b")
    assert accounts.pending.changes == 10

    accounts.deliver("0")
    half = accounts.pending.changes
    accounts.deliver("1")

    assert 0 < half < 10
    assert accounts.pending == NOTHING


def test_a_feed_that_was_never_delivered_is_wholly_pending(cosmos):
    """Its leases have no position, and its trigger begins at the beginning."""
    accounts = LeasedAccounts(cosmos, FeedMode.LATEST_VERSION)
    accounts.initialize(accounts.partitions())
    for number in range(7):
        accounts.source.write("Accounts", an_account(f"a{number}"))

    assert accounts.leases.read_pending(accounts.origin).changes == 7
    accounts.close()


def test_deletes_count_as_the_feed_has_them(accounts):
    """All versions: each is a change. Latest versions: they are in no feed, and alone they are nothing to wait for."""
    documents = accounts.write(4)
    accounts.deliver()
    for document in documents:
        accounts.source.containers["Accounts"].delete_item(document, document["id"])

    expected = {FeedMode.ALL_VERSIONS: 4, FeedMode.LATEST_VERSION: 0}
    assert accounts.pending.changes == expected[accounts.mode]


def test_versions_of_one_document_count_as_the_feed_has_them(accounts):
    """All versions: each is a change. Latest versions: only the newest waits."""
    for name in ("Naledi", "Lerato", "Thandi"):
        accounts.source.write("Accounts", an_account("a", DisplayName=name))

    expected = {FeedMode.ALL_VERSIONS: 3, FeedMode.LATEST_VERSION: 1}
    assert accounts.pending.changes == expected[accounts.mode]


@pytest.mark.parametrize("knows", [True, False])
def test_both_children_of_a_split_are_counted(accounts, knows):
    """Their host has not replaced the lease yet; whether or not this process knows of the split already."""
    accounts.write(20, "before")
    accounts.deliver()
    assert accounts.pending == NOTHING
    accounts.controls.split(DATABASE, "Accounts", "0")
    if knows:
        accounts.partitions()
        assert accounts.pending == NOTHING
    first = accounts.write(40)

    pending = accounts.pending
    assert pending.oldest == first[0]["_ts"]
    assert pending.changes == 40


def test_leases_of_one_merged_partition_share_its_changes(accounts):
    """Each sees only its own part of the items, but the position of the whole partition."""
    accounts.write(10, "before")
    accounts.deliver()
    accounts.controls.merge(DATABASE, "Accounts", "0")

    accounts.write(30)

    assert accounts.pending.changes == 30


def test_leases_of_parts_of_a_partition_share_its_changes(cosmos):
    """The same, after a merge that the host has seen."""
    accounts = LeasedAccounts(cosmos, FeedMode.LATEST_VERSION)
    first, second = accounts.partitions()
    middle = f"{int(first.high, 16) // 2:0{len(first.high)}X}"
    accounts.initialize([of_range("", middle), of_range(middle, first.high), second])
    for number in range(30):
        accounts.source.write("Accounts", an_account(f"a{number}"))

    assert accounts.leases.read_pending(accounts.origin).changes == 30
    accounts.close()


def test_a_source_that_stands_still_takes_no_longer_than_there_is_time(accounts, cosmos, database):
    """The container that hangs is not known; the other one, which has no leases, gets its turn and its reason."""
    Source.open(cosmos.connection_string, DATABASE).close()  # makes the other one as well
    lag = LagReader(ConfirmedSource(accounts.account, database), accounts.leases)
    lag.read(["Accounts", "UserProfiles"], 600)
    accounts.write(1)
    until = Deadline(600)
    with cosmos.hold(operation="read_change_feed", path="/Accounts/"), until.applies():
        found = lag.read(["Accounts", "UserProfiles"], 2.0)

    assert until.remaining() > 0
    assert found["Accounts"].unknown.startswith("Cosmos did not answer for the change feed of Accounts: check")
    assert found["Accounts"].backlog is None
    assert "has not written all its leases" in found["UserProfiles"].unknown
    assert lag.read(["Accounts"], 600)["Accounts"].backlog == 1


@pytest.mark.parametrize(
    ("token", "partition", "newest"),
    [
        ("0:-1#12", "0", 12),
        ("3:1#12#4=9#5=8", "3", 12),
        ("7:12", "7", 12),
        ("", "", None),
        ("0:", "0", None),
        ("0:-1#", "0", None),
        ("0:unknown", "0", None),
    ],
)
def test_session_tokens_have_several_forms(token, partition, newest):
    """One that cannot be read is no failure."""
    head = Head.read(token, None)

    assert (head.partition, head.newest) == (partition, newest)


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        ([Head("0", 9, None), Head("1", 9, None)], NOTHING),
        ([Head("0", 9, {"_ts": 5, "_lsn": 4}), Head("1", 9, {"_ts": 3, "_lsn": "9"})], Pending(7, 3)),
        ([Head("0", 9, {"_ts": 5, "_lsn": 4}), Head("0", 9, {"_ts": 3, "_lsn": 8})], Pending(6, 3)),
        ([Head("0", 9, {"metadata": {"lsn": 7, "crts": 5}})], Pending(3, 5)),
        ([Head("0", None, {"_ts": 5, "_lsn": 4})], Pending(1, 5)),
        ([Head("0", 9, {"_ts": 5})], Pending(1, 5)),
        ([Head("0", 3, {"_ts": 5, "_lsn": 9})], Pending(1, 5)),
    ],
)
def test_an_item_that_is_there_is_at_least_one_change(heads, expected):
    """Whatever the service leaves out, and even if another replica answers that is behind."""
    assert estimate(heads) == expected


@pytest.mark.parametrize(
    ("usage", "count"),
    [("documentSize=0;documentsSize=1;documentsCount=8;collectionSize=1", 8), ("documentsCount=-1;", None), ("", None)],
)
def test_the_source_counts_its_documents_itself(accounts, monkeypatch, usage, count):
    """In a header of the container, with whatever else is in it; the server under test has the header, too."""
    accounts.write(3)
    assert accounts.account.count_documents("Accounts") == 3
    headers = {"x-ms-resource-usage": usage}
    monkeypatch.setattr("azure.cosmos._cosmos_responses.CosmosDict.get_response_headers", lambda _: headers)

    assert accounts.account.count_documents("Accounts") == count
