"""What a pruned tombstone would have refused is read again, however late it comes: nothing is revived."""

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings

from cdc.core.documents import Identity
from cdc.core.ordering import ABSENCE_SECONDS
from cdc.core.writes import Outcome
from cdc.operations.pruning import prune_tombstones
from cdc.repair.reread import Ending, repair_document
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from mappers.accounts import ACCOUNTS
from tests.builders import TS, a_change, a_version, an_account
from tests.integration.test_convergence_of_feeds import FeedPlay, TidyWorld, draw_steps
from tests.integration.test_convergence_of_repairs import (
    GONE,
    PLAYS,
    PRESENT,
    SEEDS,
    assert_the_newest_versions_are_there,
)

DELETED = 100


def an_upsert(ts, lsn=None, **overrides):
    """Build a version of the account."""
    return a_change("a", partition_key="p", version=a_version(ts, lsn), body=an_account("a", **overrides))


def a_delete(ts=DELETED, lsn=9):
    """Build the delete event of the account."""
    return a_change("a", partition_key="p", version=a_version(ts, lsn, ""), body=None)


@pytest.fixture
def forgotten(database, sink, observer):
    """An account that was deleted so long ago that its tombstone is pruned; another document of its age stays."""
    observer.connection.execute("delete from cdc.pruned")
    replicate(ACCOUNTS, [an_upsert(0, 1), a_change("other", version=a_version(0, 2))], sink)
    replicate(ACCOUNTS, [a_delete()], sink)
    assert prune_tombstones(database, "Accounts", datetime.now(UTC)) == 1
    assert observer.states() == {"other": "applied"}


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(
    "late",
    [an_upsert(0, 1), an_upsert(0), an_upsert(DELETED - 1, 8), an_upsert(DELETED, 8), an_upsert(0, 1, Email=None)],
    ids=["the same", "without lsn", "another", "in its second", "refused by its mapper"],
)
def test_a_batch_that_outlives_its_lease_revives_nothing(sink, observer, late):
    """A host that lost its lease repeats its batch until it succeeds, long after the lease has moved on."""
    assert replicate(ACCOUNTS, [late], sink) == Outcome(undecided=1)

    assert observer.ids() == ["other"]
    assert observer.states() == {"other": "applied"}
    assert observer.letters()["a"][0] == "undecided"


@pytest.mark.usefixtures("forgotten")
def test_the_source_decides_what_becomes_of_it(sink, observer, database):
    """Where it is gone, a tombstone is there again, and the batch is stale; where it lives, it is applied."""
    play = FeedPlay(database, sink, observer, deletes=True)
    play.world = TidyWorld()
    play.world.write("a", PRESENT, 0)
    play.world.write("a", GONE, DELETED)
    replicate(ACCOUNTS, [an_upsert(0, 1)], sink)
    for _ in range(3):
        play.wait()
        play.retry()

    assert observer.states() == {"other": "applied", "a": "deleted"}
    assert observer.letters() == {}
    assert replicate(ACCOUNTS, [an_upsert(0, 1)], sink) == Outcome(stale=1)

    play.world.write("a", PRESENT, 1)
    replicate(ACCOUNTS, [play.world.histories["a"][-1]], sink)
    for _ in range(3):
        play.wait()
        play.retry()
    assert sorted(observer.ids()) == ["a", "other"]


@pytest.mark.usefixtures("forgotten")
def test_what_is_newer_than_every_pruned_tombstone_is_applied_at_once(sink, observer):
    """So are old documents of other containers, deletes, and documents that the ledger holds."""
    new = a_change("new", version=a_version(DELETED + ABSENCE_SECONDS + 1, 20))
    known = a_change("other", version=a_version(1, 3))
    gone = a_change("gone", version=a_version(5, 4, ""), body=None)

    assert replicate(ACCOUNTS, [new, known, gone], sink) == Outcome(applied=2, deleted=1)
    assert observer.letters() == {}


def test_a_container_in_which_nothing_was_pruned_has_no_fence(database, sink, observer):
    """A first start delivers documents of any age."""
    replicate(ACCOUNTS, [a_delete()], sink)
    assert prune_tombstones(database, "UserProfiles", datetime.now(UTC)) == 0
    assert prune_tombstones(database, "Accounts", datetime.fromtimestamp(TS, UTC)) == 0

    assert replicate(ACCOUNTS, [a_change("b", version=a_version(0, 1))], sink) == Outcome(applied=1)


def test_the_fence_never_goes_back(database, sink, observer):
    """A tombstone that is pruned later may be an older one."""
    for id_, ts in (("a", 100), ("b", 50)):
        replicate(ACCOUNTS, [a_change(id_, version=a_version(ts, 1, ""), body=None)], sink)
        prune_tombstones(database, "Accounts", datetime.now(UTC))

    assert replicate(ACCOUNTS, [a_change("a", version=a_version(99, None))], sink) == Outcome(undecided=1)


@pytest.mark.usefixtures("forgotten")
def test_a_backfill_copies_old_documents_and_revives_nothing(database, observer):
    """What it reads was read after its start: only a tombstone that was pruned since then counts.

    A worker that was replaced may still write a part of its page: the half of a page that PostgreSQL refuses.
    """
    old = a_change("old", version=a_version(0, 1))
    now, before = PostgresSink(database, read_since=TS + 1_000), PostgresSink(database, read_since=TS + DELETED)

    assert replicate(ACCOUNTS, [an_upsert(0, 1)], before) == Outcome(undecided=1)
    assert replicate(ACCOUNTS, [old], now) == Outcome(applied=1)
    assert sorted(observer.ids()) == ["old", "other"]


@pytest.mark.usefixtures("forgotten")
def test_a_repair_that_slept_since_before_the_delete_revives_nothing(database, observer):
    """It noted that the ledger has no such document, and read one; both are true no longer."""

    class Sleeper(TidyWorld):
        def read_document(self, identity):
            answer = super().read_document(identity)
            observer.connection.execute("update cdc.pruned set ts = extract(epoch from now()) + 60")
            return answer

    world = Sleeper()
    world.write("a", PRESENT, 0)

    repairs = PostgresRereadStore(database, backoff_seconds=1, settle_seconds=1)

    ending = repair_document(ACCOUNTS, Identity.of("Accounts", "p", "a"), world, repairs)

    assert ending is Ending.OVERTAKEN
    assert observer.ids() == ["other"]


class PrunePlay(FeedPlay):
    """Deliver, repair and prune, as if no tombstone was ever too young for that."""

    def prune(self):
        """Prune every tombstone that no letter needs."""
        ledger = set(self.observer.states())
        prune_tombstones(self.database, "Accounts", datetime.now(UTC))
        for id_ in ledger - set(self.observer.states()):
            self.newest.pop(id_, None)


@settings(PLAYS, max_examples=40)
@given(seed=SEEDS)
def test_no_interleaving_with_pruning_revives_anything(database, sink, observer, seed):
    """The fence alone keeps the promise, however short the retention."""
    randomness = Random(seed)
    observer.empty()
    observer.connection.execute("delete from cdc.pruned")
    play = PrunePlay(database, sink, observer, deletes=True)
    play.database = database
    play.world = TidyWorld(skew=randomness.randint(-5, 5))
    steps = [each for step in draw_steps(randomness) for each in (step, ("prune",))[: randomness.randint(1, 2)]]
    play.steps(steps)
    play.end()

    assert_the_newest_versions_are_there(play, observer)
