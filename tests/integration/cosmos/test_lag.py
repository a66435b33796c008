"""How late a feed is follows from its leases: the age of the oldest change that none of them is past."""

import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest

from cdc.core.errors import UnknownLagError
from cdc.core.feed_items import FeedMode
from cdc.cosmos.account import CosmosAccount
from cdc.cosmos.leases import Leases
from local.cosmos import CosmosServer
from local.sample import Source
from tests.builders import an_account

DATABASE = "MystiraAppDb"
NOW = 1_800_000_000


class Feed:
    """A container of two physical partitions, a document in it every ten seconds, and the leases of its ranges."""

    def __init__(self, server, source):
        self.cosmos = CosmosAccount(server.connection_string, DATABASE)
        self.container = source.client.get_database_client(DATABASE).get_container_client("Accounts")
        self.origin = self.cosmos.read_source_container("Accounts")
        self.ranges = [each["Range"] for each in self.container.read_feed_ranges()]
        self.continuations = [None] * len(self.ranges)

    def deliver(self):
        """Take every lease past all that there is."""
        for number, range_ in enumerate(self.ranges):
            pages = self.container.query_items_change_feed(feed_range={"Range": range_}, start_time="Beginning")
            list(pages)
            headers = self.container.client_connection.last_response_headers
            self.continuations[number] = json.loads(b64decode(headers["etag"]))["continuation"]["continuation"][0][
                "token"
            ]

    def oldest_pending(self, start="beginning", mode=FeedMode.LATEST_VERSION):
        """Ask the leases as the app does whose trigger begins there."""
        leases = Leases(self._read, self._replace, self.cosmos, mode, start, "test-")
        return leases.read_oldest_pending(self.origin)

    def _replace(self, _):
        raise AssertionError("asking how late a feed is writes nothing")

    def _read(self):
        marker = {"id": f"test-{self.origin.account}_database_{self.origin.rid}.info", "_ts": NOW}
        return [marker] + [
            {
                "id": f"test-{self.origin.account}_database_{self.origin.rid}..{number}",
                "ContinuationToken": continuation,
                "FeedRange": {"Range": {"min": range_["min"], "max": range_["max"]}},
            }
            for number, (range_, continuation) in enumerate(zip(self.ranges, self.continuations, strict=True))
        ]


@pytest.fixture
def clock():
    """A clock that only the test moves."""
    return [NOW]


@pytest.fixture
def server(clock):
    """A Cosmos server of the test's own, with two physical partitions."""
    with CosmosServer(port=0, physical_partitions=2, clock=lambda: clock[0]) as server:
        yield server


@pytest.fixture
def source(server, clock):
    """A source with ten accounts, ten seconds apart."""
    source = Source.open(server.connection_string, DATABASE)
    for number in range(10):
        source.write("Accounts", an_account(f"a{number}"))
        clock[0] += 10
    yield source
    source.close()


@pytest.fixture
def feed(server, source):
    """The feed of the accounts, of which nothing was delivered."""
    feed = Feed(server, source)
    yield feed
    feed.cosmos.close()


def test_a_feed_that_has_not_begun_is_as_late_as_its_first_document(feed):
    """Where it begins at the beginning, nothing was delivered of all that there is."""
    assert feed.oldest_pending() == NOW


def test_a_feed_is_as_late_as_what_no_lease_is_past(feed, source, clock):
    """A lease that stands still makes it late, whatever the others do; without news it is not late at all."""
    feed.deliver()
    assert feed.oldest_pending() is None

    source.write("Accounts", an_account("new"))
    assert feed.oldest_pending() == clock[0]


def test_what_is_older_than_the_start_of_a_trigger_is_never_pending(feed, source, clock):
    """A lease has no continuation before its first change: it goes on where the trigger begins."""
    start = datetime.fromtimestamp(clock[0] - 5, UTC)
    assert feed.oldest_pending(start) is None
    assert feed.oldest_pending(start - timedelta(seconds=30)) == NOW + 70

    source.write("Accounts", an_account("new"))
    assert feed.oldest_pending(start) == clock[0]


def test_nobody_can_tell_without_leases_or_where_all_versions_begin(feed):
    """The sentence says what is waited for."""
    with pytest.raises(UnknownLagError, match="has no position yet"):
        feed.oldest_pending(mode=FeedMode.ALL_VERSIONS)

    feed.ranges = feed.continuations = []
    with pytest.raises(UnknownLagError, match='No lease covers the feed range "" to "FF"'):
        feed.oldest_pending()
