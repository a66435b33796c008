"""Pausing and resuming a container, and the place of its feed: what is checked, not believed."""

from datetime import UTC, datetime, timedelta

import pytest

from cdc.core.errors import ConflictError, PausedError, ProblemKind, TransientError, UnknownError
from cdc.core.feed_items import FeedMode, read_delivered
from cdc.cosmos.places import PlaceReader
from cdc.operations.pauses import Pauses
from cdc.postgres.containers import ConfirmedSource
from cdc.repair.reread import repair_document, retry
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from local.functions.successors import of_range
from mappers.accounts import ACCOUNTS
from tests.builders import an_account, an_upsert
from tests.integration.leased import LeasedAccounts


def fail(*_):
    """Answer nothing, as a Cosmos that is away."""
    raise TransientError("no Cosmos")


MODES = [FeedMode.LATEST_VERSION, FeedMode.ALL_VERSIONS]


class Feed:
    """The accounts with their leases, an engine that applies what a host delivers, and the pauses."""

    def __init__(self, cosmos, database, mode):
        self.mode = mode
        self.database = database
        self.accounts = LeasedAccounts(cosmos, mode)
        self.accounts.initialize(self.accounts.partitions())
        source = ConfirmedSource(self.accounts.account, database)
        self.reader = PlaceReader(self.accounts.account, mode, "beginning")
        self.pauses = Pauses(database, ["Accounts"], source, self.accounts.leases, self.reader, 7)

    def write(self, *ids):
        """Write accounts."""
        for id_ in ids:
            self.accounts.source.write("Accounts", an_account(id_))

    def deliver(self, *, apply):
        """Deliver to each lease what is new, as a host does; return what would be checkpointed."""
        ends = []
        for lease, place in zip(self.accounts.store.load(), self.read_places(), strict=True):
            items, etag, _ = self.reader._read_page(self.accounts.origin, place)
            if apply:
                delivered = read_delivered(self.mode, "Accounts", ("/id",), items)
                replicate(ACCOUNTS, delivered.changes, PostgresSink(self.database))
            ends.append((lease, etag))
        return ends

    def read_places(self):
        """Return where the leases are, in order."""
        places = self.accounts.leases.read_places(self.accounts.origin)
        return sorted(places, key=lambda place: place.range.min)

    def checkpoint(self, ends):
        """Write down what was delivered."""
        for lease, etag in ends:
            store = self.accounts.store
            store.release(store.checkpoint(store.acquire(lease), etag))

    def look(self):
        """Look at the paused feeds once more, and return what is wrong."""
        self.pauses.look()
        return self.pauses.find_problems()


@pytest.fixture(params=MODES)
def feed(cosmos, database, request):
    """A feed of which three accounts are applied; a test may choose its mode."""
    feed = Feed(cosmos, database, request.param)
    if request.param is FeedMode.ALL_VERSIONS:
        feed.accounts.leases.begin(feed.accounts.origin)
    feed.write("a", "b", "c")
    feed.checkpoint(feed.deliver(apply=True))
    yield feed
    feed.accounts.close()


def test_a_batch_that_was_applied_before_the_pause_may_be_checkpointed_after_it(feed):
    """So may pages that hold nothing; then the place is the new one."""
    feed.write("d", "e", "f", "g")
    ends = feed.deliver(apply=True)
    feed.pauses.pause("Accounts", "a rehearsal")

    feed.checkpoint(ends)

    assert feed.look() == feed.look() == []
    feed.checkpoint(feed.deliver(apply=False))
    assert feed.look() == []


def test_a_batch_that_was_refused_and_checkpointed_is_a_problem_by_name(feed, connection):
    """It demands a backfill and a reconcile of all keys, and lasts until both are done, even after the pause."""
    feed.pauses.pause("Accounts", "a rehearsal")
    feed.write("d", "e", "f", "g")
    ends = feed.deliver(apply=False)
    assert feed.look() == []

    feed.checkpoint(ends)

    (sentence,) = feed.look()
    assert "retry policy" in sentence
    assert feed.look() == [sentence]
    (demanded,) = connection.execute("select distinct skipped_at from cdc.container where skipped_at is not null")
    feed.pauses.resume("Accounts", accept=True)
    assert feed.look() == [sentence]
    connection.execute(
        "insert into cdc.backfill (id, state, max_parallel_ranges, page_size, reapply, dry_run)"
        " values ('b', 'completed', 1, 1, false, false)"
    )
    connection.execute("insert into cdc.backfill_container (backfill, container) values ('b', 'Accounts')")
    assert feed.look() == [sentence]
    connection.execute("insert into cdc.rotation (container, completed_at) values ('Accounts', %s)", [demanded[0]])
    assert feed.look() == [sentence]
    connection.execute("update cdc.rotation set completed_at = now()")
    assert feed.look() == []


@pytest.mark.parametrize("lost", [False, True])
def test_a_split_is_followed(feed, lost):
    """The children's places are compared with their parent's."""
    feed.pauses.pause("Accounts", "a rehearsal")
    feed.write("d", "e", "f", "g")
    feed.accounts.split()
    assert feed.look() == []

    if lost:
        feed.checkpoint(feed.deliver(apply=False))

    assert len(feed.look()) == lost


@pytest.mark.parametrize("lost", [False, True])
def test_a_merge_is_followed(feed, lost):
    """The leases keep their ranges, which are parts of the larger partition now."""
    feed.pauses.pause("Accounts", "a rehearsal")
    feed.write("d", "e", "f", "g")
    feed.accounts.merge()
    feed.write("h", "i", "j", "k")
    assert feed.look() == []

    if lost:
        feed.checkpoint(feed.deliver(apply=False))

    assert len(feed.look()) == lost


def test_a_batch_that_was_lost_since_the_last_look_is_found_when_the_container_is_resumed(feed):
    """A pause may be shorter than the time between two looks."""
    feed.pauses.pause("Accounts", "a rehearsal")
    feed.write("d", "e", "f", "g")
    feed.checkpoint(feed.deliver(apply=False))

    feed.pauses.resume("Accounts", accept=True)

    (sentence,) = feed.pauses.find_problems()
    assert "retry policy" in sentence


def test_a_container_is_not_resumed_before_its_place_could_be_checked(feed, monkeypatch):
    """Afterwards nobody could tell what was lost."""
    feed.pauses.pause("Accounts", "a rehearsal")
    with monkeypatch.context() as patched:
        patched.setattr(feed.pauses.source, "confirm", fail)
        with pytest.raises(TransientError):
            feed.pauses.resume("Accounts", accept=True)
    assert "Accounts" in feed.pauses.read()

    assert feed.pauses.resume("Accounts", accept=True) == 0


def test_the_place_of_a_lease_that_is_not_there_at_a_look_is_kept(feed):
    """While a split is written down, some ranges have no lease for a moment."""
    feed.pauses.pause("Accounts", "a rehearsal")
    feed.write(*(f"d{number}" for number in range(10)))
    parent, *_ = feed.accounts.store.load()
    feed.accounts.store.delete(parent)
    assert feed.look() == []
    feed.accounts.store.create(of_range(parent.low, parent.high), parent.continuation)

    feed.checkpoint(feed.deliver(apply=False)[:1])

    (sentence,) = feed.look()
    assert "retry policy" in sentence


@pytest.mark.parametrize("feed", [FeedMode.ALL_VERSIONS], indirect=True)
@pytest.mark.parametrize("looks", [0, 1])
def test_leases_that_begin_anew_during_a_pause_lose_what_was_waiting(feed, looks):
    """A feed of all versions begins now: somebody deleted the leases, and the host has written others."""
    feed.pauses.pause("Accounts", "a rehearsal")
    feed.write("d", "e", "f", "g")
    store = feed.accounts.store
    for lease in store.load():
        store.delete(lease)
        store.create(of_range(lease.low, lease.high), None)
    for _ in range(looks):
        feed.look()
    feed.accounts.leases.begin(feed.accounts.origin)

    assert len(feed.look()) == 1


@pytest.mark.parametrize("feed", [FeedMode.ALL_VERSIONS], indirect=True)
def test_a_pause_longer_than_the_retention_is_a_problem_once(feed, cosmos, connection):
    """The status warns at half of the time; then the feed does not go back that far any more."""
    feed.pauses.pause("Accounts", "a rehearsal")
    feed.write("d", "e", "f", "g")
    assert feed.pauses.read()["Accounts"].warning is None
    connection.execute("update cdc.pause set since = since - interval '3 days 13 hours'")
    assert "loses changes after" in feed.pauses.read()["Accounts"].warning

    cosmos.controls.clock.advance(timedelta(days=31).total_seconds())
    feed.write("h", "i", "j", "k")

    (sentence,) = feed.look()
    assert "longer than the account keeps changes" in sentence
    seen = connection.execute("select skipped_at from cdc.container where container = 'Accounts'").fetchone()
    assert feed.look() == [sentence]
    assert connection.execute("select skipped_at from cdc.container where container = 'Accounts'").fetchone() == seen


@pytest.mark.parametrize("feed", [FeedMode.LATEST_VERSION], indirect=True)
def test_a_feed_of_latest_versions_loses_nothing_with_time(feed, connection):
    """It has no retention."""
    feed.pauses.pause("Accounts", "a rehearsal")
    connection.execute("update cdc.pause set since = since - interval '1000 days'")

    assert feed.pauses.read()["Accounts"].warning is None


def test_positions_that_could_not_be_read_are_recorded_later(feed, connection):
    """A pause does not fail because Cosmos does not answer."""
    feed.pauses.pause("Accounts", "a rehearsal")
    connection.execute("update cdc.pause set positions = '[]'")

    assert feed.look() == []

    (positions,) = connection.execute("select positions from cdc.pause").fetchone()
    assert sorted(positions, key=lambda each: each["min"]) == [place.write() for place in feed.read_places()]


@pytest.mark.parametrize("feed", [FeedMode.ALL_VERSIONS], indirect=True)
def test_a_position_that_the_timer_begins_is_no_alarm(feed, connection):
    """A lease without a position has delivered nothing."""
    feed.pauses.pause("Accounts", "a rehearsal")
    connection.execute("update cdc.pause set positions = jsonb_set(positions, '{0,continuation}', 'null')")

    assert feed.look() == []


@pytest.fixture
def pauses(cosmos, database):
    """The pauses of containers of which no host has written leases."""
    accounts = LeasedAccounts(cosmos, FeedMode.LATEST_VERSION)
    source = ConfirmedSource(accounts.account, database)
    reader = PlaceReader(accounts.account, FeedMode.LATEST_VERSION, "beginning")
    yield Pauses(database, ["Accounts", "UserProfiles"], source, accounts.leases, reader, 7)
    accounts.close()


def test_requests_that_make_no_sense_are_refused(pauses):
    """Each in a sentence."""
    with pytest.raises(UnknownError, match="not replicated"):
        pauses.pause("Nowhere", "a typo")
    with pytest.raises(UnknownError, match="not replicated"):
        pauses.resume("Nowhere", accept=False)
    with pytest.raises(ConflictError, match="not paused"):
        pauses.resume("Accounts", accept=False)


def test_resuming_reads_again_what_the_mapper_parked_since_just_before(pauses, database, connection, observer):
    """Letters of other kinds and of other times stay as they are, and with `accept` all do."""
    for name in "abcde":
        replicate(ACCOUNTS, [an_upsert(name, Email=None)], PostgresSink(database))
    connection.execute("update cdc.dead_letter set kind = 'data' where id = '\"a\"'")
    connection.execute("update cdc.dead_letter set parked_at = now() - interval '1 day' where id = '\"b\"'")
    connection.execute("update cdc.dead_letter set state = 'discarded' where id = '\"c\"'")
    due = "select id from cdc.dead_letter where next_attempt_at <= now() order by id"

    pauses.trip("Accounts", "a bad release")
    pauses.trip("Accounts", "another instance says so, too")
    assert pauses.read()["Accounts"].reason == "a bad release"
    assert pauses.resume("Accounts", accept=True) == 0
    assert connection.execute(due).fetchall() == []

    pauses.trip("Accounts", "a bad release")
    assert pauses.resume("Accounts", accept=False) == 2
    assert connection.execute(due).fetchall() == [('"d"',), ('"e"',)]


def test_what_the_breaker_counted_is_read_again_however_late_the_pause_comes(pauses, database, connection):
    """Between its count and the pause, Cosmos may answer late."""
    for name in "abcd":
        replicate(ACCOUNTS, [an_upsert(name, Email=None)], PostgresSink(database))
    connection.execute("update cdc.dead_letter set parked_at = now() - interval '61 s'")
    pauses.trip("Accounts", "a bad release, which parked these letters 55 seconds ago")

    assert pauses.resume("Accounts", accept=False) == 4


def test_letters_of_a_paused_container_rest(pauses, database, connection):
    """They are not even claimed; one that was claimed before the pause is given back."""
    store = PostgresRereadStore(database, backoff_seconds=60, settle_seconds=120)
    replicate(ACCOUNTS, [an_upsert("a", Email=None)], PostgresSink(database))
    connection.execute("update cdc.dead_letter set next_attempt_at = now()")

    class Source:
        def read_document(self, _):
            pauses.trip("Accounts", "a bad release")
            change = an_upsert("a", ts=1)
            return type("Reading", (), {"body": change.body | {"_ts": 1, "_etag": "e"}, "ts": 1})()

    assert retry([ACCOUNTS], Source(), store) == {}
    assert connection.execute("select claimed_until, kind from cdc.dead_letter").fetchall() == [
        (None, ProblemKind.MAPPING)
    ]
    assert store.claim(["Accounts", "UserProfiles"], 10) == []
    with pytest.raises(PausedError, match="a bad release"):
        repair_document(ACCOUNTS, an_upsert("b").identity, Source(), store)

    pauses.resume("Accounts", accept=True)
    assert store.claim(["Accounts", "UserProfiles"], 10) == [an_upsert("a").identity]


def test_a_running_batch_is_over_before_its_container_is_paused(pauses, database):
    """The time of the pause is after all that was written."""
    replicate(ACCOUNTS, [an_upsert("a")], PostgresSink(database))
    before = datetime.now(UTC)

    assert pauses.pause("Accounts", "a rehearsal").since >= before
    with pytest.raises(PausedError):
        replicate(ACCOUNTS, [an_upsert("b")], PostgresSink(database))
