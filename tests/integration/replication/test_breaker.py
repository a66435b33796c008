"""The breaker counts what mappers park of the live feed, over all instances, and each document once."""

from dataclasses import replace

import pytest

from cdc.postgres.database import Database
from cdc.replication.batch import replicate
from cdc.replication.breaker import Breaker
from cdc.replication.sink import PostgresSink
from mappers.accounts import ACCOUNTS
from mappers.user_profiles import USER_PROFILES
from tests.builders import a_change, a_profile, an_upsert

LEAST = 4


def refuse(_):
    """Map nothing, as a bad release does."""
    raise ValueError


BAD = replace(ACCOUNTS, rows=refuse)


def a_profile_upsert(id_):
    """Build a version of a profile."""
    return a_change(id_, container="UserProfiles", body=a_profile(id_))


class Instance:
    """An app with connections and a breaker of its own."""

    def __init__(self, dsn):
        self.database = Database(dsn)
        self.sink = PostgresSink(self.database)
        self.pauses = []
        self.breaker = Breaker(self.database, LEAST, lambda *pause: self.pauses.append(pause))

    def deliver(self, mapper, *changes):
        """Apply a batch of the live feed; return whether the breaker has paused a container so far."""
        count = self.breaker.count(mapper.container, changes)
        replicate(mapper, changes, self.sink, count)
        self.breaker.judge(count)
        return bool(self.pauses)


@pytest.fixture
def instances(dsn):
    """Two apps on one database."""
    instances = [Instance(dsn) for _ in range(2)]
    yield instances
    for instance in instances:
        instance.database.close()


def test_documents_are_counted_over_all_instances(instances):
    """Each instance alone is below the threshold; the one that reaches it pauses the container, with a sentence."""
    first, second = instances
    assert not first.deliver(BAD, an_upsert("a"), an_upsert("b"))

    assert not second.deliver(BAD, an_upsert("c"))
    assert second.deliver(BAD, an_upsert("d"))

    ((container, reason),) = second.pauses
    assert container == "Accounts"
    assert reason.startswith("its mapper parked 4 of the 4 documents")


def test_a_document_counts_once(instances):
    """One hot document that cannot be mapped, and a batch that is delivered again, are no bad release."""
    for ts in range(2 * LEAST):
        assert not any(each.deliver(BAD, an_upsert("hot", ts=ts), an_upsert("b", ts=1)) for each in instances)


def test_a_few_bad_documents_among_good_ones_pause_nothing(instances):
    """More than half must be parked; a mapper of another container is judged by itself."""
    first, second = instances
    assert not first.deliver(ACCOUNTS, *map(an_upsert, "abcd"))
    assert not second.deliver(BAD, *map(an_upsert, "efgh"))
    assert not second.deliver(USER_PROFILES, *map(a_profile_upsert, "abcdefgh"))

    assert first.deliver(BAD, an_upsert("i"))


def test_who_sees_only_good_documents_judges_too(instances, connection):
    """The instance that reached the threshold may have died before it could pause the container."""
    first, second = instances
    first.breaker = Breaker(first.database, 1_000, first.breaker.pause)
    assert not first.deliver(BAD, *map(an_upsert, "abcd"))

    assert second.deliver(ACCOUNTS, an_upsert("e"))


def test_only_mappers_and_only_the_live_feed_count(instances, connection):
    """What PostgreSQL refuses, and what a backfill parks, says nothing of a release."""
    first, _ = instances
    replicate(BAD, [an_upsert(name) for name in "abcdefgh"], first.sink)
    connection.execute("alter table accounts add constraint none check (false) not valid")

    assert not first.deliver(ACCOUNTS, *map(an_upsert, "ijklmn"))


def test_what_is_long_ago_is_forgotten(instances, connection):
    """A minute later nothing counts, and rows do not pile up."""
    first, _ = instances
    first.deliver(BAD, *map(an_upsert, "abc"))
    connection.execute("update cdc.recent_batch set at = at - interval '61 s'")
    assert not first.deliver(BAD, *map(an_upsert, "def"))

    connection.execute("update cdc.recent_batch set at = at - interval '121 s'")
    first.deliver(BAD, an_upsert("g"))
    assert connection.execute("select count(*) from cdc.recent_batch").fetchone() == (1,)
