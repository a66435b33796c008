"""The timer lets idle feeds begin, and what stays wrong with leases is told everywhere; a split is no alarm."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cdc.backfill.live_feed import LiveFeed
from cdc.config.settings import Settings
from cdc.core.errors import FatalError, UnknownLagError
from cdc.core.feed_items import FeedMode
from cdc.operations.lease_watch import LeaseWatch
from cdc.postgres.containers import ConfirmedSource, PostgresFeedStates, confirm
from cdc.runtime import Runtime
from local.functions.successors import of_range
from local.sample import PARTITION_KEYS
from mappers import APPLICATION_SQL, MAPPERS
from tests.builders import an_account
from tests.integration.leased import LeasedAccounts
from tests.integration.worlds import SETTINGS


@pytest.fixture
def accounts(cosmos):
    """The accounts, whose account keeps all versions."""
    accounts = LeasedAccounts(cosmos, containers=PARTITION_KEYS)
    yield accounts
    accounts.close()


@pytest.fixture
def open_watch(accounts, database):
    """Open the watch as a process would, with another time that a split may take."""
    source = ConfirmedSource(accounts.account, database)
    return lambda settle=0.0, active=True: LeaseWatch(database, source, accounts.leases, settle, active)


def sentences(watch):
    """Return what is told of the accounts."""
    return [problem.sentence for container, problem in watch.find_problems().items() if container == "Accounts"]


def test_an_idle_feed_begins_without_a_backfill(accounts, open_watch):
    """A failed read is enough for a feed without a position to begin anew, and what changed meanwhile to be lost."""
    accounts.initialize(accounts.partitions())

    open_watch().look(["Accounts"])

    assert all(lease.continuation for lease in accounts.store.load())
    written = accounts.source.write("Accounts", an_account("after"))
    assert accounts.leases.read_oldest_pending(accounts.origin) == written["_ts"]


def test_a_held_lease_begins_and_stays_held(accounts, open_watch):
    """Its host reads it again before it renews it, and checkpoints over what was written."""
    accounts.initialize(accounts.partitions())
    held = accounts.store.acquire(accounts.store.load()[0])

    open_watch().look(["Accounts"])

    renewed = accounts.store.renew(held)
    assert renewed.owner == "host"
    assert renewed.continuation is not None
    assert accounts.store.checkpoint(held, '"1"').continuation == '"1"'


def test_a_feed_of_latest_versions_is_left_alone(cosmos, database):
    """Without a position it goes on where the trigger starts: nothing is lost."""
    accounts = LeasedAccounts(cosmos, FeedMode.LATEST_VERSION, PARTITION_KEYS)
    accounts.initialize(accounts.partitions())
    source = ConfirmedSource(accounts.account, database)

    LeaseWatch(database, source, accounts.leases, 0.0, active=True).look(["Accounts"])

    assert not any(lease.continuation for lease in accounts.store.load())
    accounts.close()


def test_a_container_that_fails_keeps_no_other_waiting(accounts, open_watch, database):
    """One was made again behind the app's back; the others begin, and the timer reports the failure."""
    accounts.initialize(accounts.partitions())
    other = accounts.account.read_source_container("GameSessions")
    confirm(database, type(other)(other.container, other.account, "AAAAAIAAAAA=", other.partition_key_paths))

    with pytest.raises(FatalError, match="python -m cdc adopt GameSessions"):
        open_watch().look(["GameSessions", "Accounts"])

    assert all(lease.continuation for lease in accounts.store.load())


def test_what_lasts_is_told_by_name(accounts, open_watch):
    """Not before it was seen as long as a split may take, and not once it is gone."""
    accounts.initialize(accounts.partitions())
    deleted = accounts.partitions()[0]
    accounts.store.delete(accounts.store.load()[0])

    for _ in range(2):
        open_watch().look(["Accounts"])
    assert sentences(open_watch(settle=3_600)) == []
    assert sentences(open_watch(active=False)) == []
    (sentence,) = sentences(open_watch())
    assert sentence.startswith("No lease covers the feed range")

    accounts.store.create(deleted, None)
    open_watch().look(["Accounts"])
    assert sentences(open_watch()) == []


@pytest.fixture
def runtime(accounts, cosmos, app_dsn):
    """The app, for which a split lasts no time."""
    settings = SETTINGS | {
        "COSMOS_CONNECTION": cosmos.connection_string,
        "POSTGRES_CONNECTION": app_dsn,
        "CHANGE_FEED_MODE": "all_versions_and_deletes",
        "LEASE_ACQUIRE_INTERVAL_MS": "1",
        "LEASE_RENEW_INTERVAL_MS": "1",
        "LEASE_EXPIRATION_INTERVAL_MS": "2",
    }
    runtime = Runtime(Settings.read(settings), MAPPERS, APPLICATION_SQL)
    yield runtime
    runtime.close()


def test_a_lease_that_somebody_has_added_is_told_everywhere(accounts, runtime):
    """By status, by the checks of `ready` and `check`, and by reconcile, which judges nothing then."""
    accounts.initialize(accounts.partitions())
    (look,) = [part.work for part in runtime.maintain.parts if part.name == "leases"]
    look()
    assert runtime._open_tools("Accounts").read_lag() == 0.0
    accounts.store.create(of_range("", "0F"), accounts.store.load()[0].continuation)
    sentence = 'More than one lease covers the feed range "" to "0F" of Accounts'

    def find():
        look()
        return [each for each in runtime.status.read().problems if each.code == "lease_double"]

    while not (found := find()):
        pass  # it was not seen twice yet

    assert (found[0].container, found[0].message.startswith(sentence)) == ("Accounts", True)
    (check,) = [each for each in runtime.checks.run() if each.name == "coverage of the feeds"]
    assert sentence in check.problem
    with pytest.raises(UnknownLagError, match=sentence):
        runtime._open_tools("Accounts").read_lag()


def test_the_same_problem_keeps_its_time_and_another_begins_anew(accounts, open_watch):
    """Splits one after the other are several short ones; a gap stays the same while another range splits."""
    accounts.initialize(accounts.partitions())
    accounts.store.delete(accounts.store.load()[1])
    watch = open_watch()

    def since():
        watch.look(["Accounts"])
        return watch.find_problems()["Accounts"].since

    first = since()
    assert since() == first
    parent = accounts.split(delete=False)
    assert since() == first
    accounts.store.delete(parent)
    assert since() == first
    accounts.store.delete(accounts.store.load()[0])
    assert since() > first


def test_a_split_and_the_time_before_the_first_leases_are_no_alarm(accounts, open_watch):
    """Nothing is told while they go on; a host that never writes its leases is told in the end."""
    watch = open_watch(settle=3_600)
    watch.look(["Accounts"])
    assert sentences(watch) == []
    assert "has not written all its leases" in sentences(open_watch())[0]

    accounts.initialize(accounts.partitions())
    parent = accounts.split(delete=False)
    watch.look(["Accounts"])
    assert sentences(watch) == []
    assert "More than one lease covers" in sentences(open_watch())[0]

    accounts.store.delete(parent)
    watch.look(["Accounts"])
    assert sentences(open_watch()) == []


def write_anew(accounts):
    """Delete all leases, and let the host write new ones, a moment later."""
    for document in list(accounts.container.read_all_items()):
        accounts.container.delete_item(document["id"], document["id"])
    accounts.controls.clock.advance(2)
    accounts.initialize(accounts.partitions())


def the_feed(database):
    """Return the state of the feed of the accounts."""
    (state,) = [each for each in PostgresFeedStates(database).read() if each.container == "Accounts"]
    return state


def test_leases_that_are_written_anew_leave_a_gap_that_is_remembered(accounts, open_watch, database):
    """The feed begins now, so what was not delivered is in no feed: a backfill and a comparison must begin later."""
    accounts.initialize(accounts.partitions())
    open_watch().look(["Accounts"])
    assert the_feed(database).backfill_since is None

    write_anew(accounts)
    for _ in range(2):  # the second time, it is known
        open_watch().look(["Accounts"])

    (note,) = [each for each in accounts.container.read_all_items() if each["id"].endswith(".info")]
    written = datetime.fromtimestamp(note["_ts"], UTC)
    assert (the_feed(database).backfill_since, the_feed(database).complete_reconcile_since) == (written, written)


def test_a_copy_that_begins_before_the_first_batch_counts(accounts, database):
    """Also where no timer has looked at the leases between the two: the feed began with its leases."""
    accounts.initialize(accounts.partitions())
    states, mode = PostgresFeedStates(database), FeedMode.ALL_VERSIONS
    source = ConfirmedSource(accounts.account, database)

    LiveFeed(source, states, accounts.leases, accounts.account, mode, "beginning").check("Accounts")
    accounts.controls.clock.advance(60)
    states.note_mode("Accounts", mode)

    (note,) = [each for each in accounts.container.read_all_items() if each["id"].endswith(".info")]
    assert the_feed(database).backfill_since == datetime.fromtimestamp(note["_ts"], UTC)


def test_leases_of_another_place_leave_a_gap_too(accounts, open_watch, database):
    """Somebody has changed LEASE_CONTAINER or LEASE_PREFIX, so the host knows no position."""
    accounts.initialize(accounts.partitions())
    watch = open_watch()
    watch.look(["Accounts"])
    documents = [dict(each) for each in accounts.container.read_all_items()]
    elsewhere = [each | {"_ts": each["_ts"] + 60} for each in documents]

    replace(watch, leases=replace(watch.leases, read=lambda: elsewhere)).look(["Accounts"])

    assert the_feed(database).backfill_since is not None


@pytest.mark.parametrize(("before", "after", "is_gap"), [(None, None, False), (None, 60, True), (60, 0, False)])
def test_leases_that_begin_where_the_first_ones_did_leave_no_gap(cosmos, database, before, after, is_gap):
    """The feed of latest versions brings everything since its start again, unless somebody has moved the start."""
    accounts = LeasedAccounts(cosmos, FeedMode.LATEST_VERSION, PARTITION_KEYS)

    def look(start):
        begins = "beginning" if start is None else datetime.fromtimestamp(start, UTC)
        leases = replace(accounts.leases, start=begins)
        LeaseWatch(database, ConfirmedSource(accounts.account, database), leases, 0.0, active=True).look(["Accounts"])

    accounts.initialize(accounts.partitions())
    look(before)
    look(90)  # as long as the leases are the same, the setting means nothing
    write_anew(accounts)
    look(after)

    assert (the_feed(database).backfill_since is not None) == is_gap
    accounts.close()
