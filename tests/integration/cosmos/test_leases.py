"""From where the leases of a feed of all versions go on, however idle their containers are."""

from functools import partial

import pytest
from azure.cosmos import PartitionKey

from cdc.core.feed_items import FeedMode
from cdc.cosmos.account import CosmosAccount
from cdc.cosmos.leases import Leases
from local.functions.leases import LeaseStore
from local.sample import DATABASE, Source
from tests.builders import an_account

PLACE = "leases", "leases"
PREFIX = "prefix-"


@pytest.fixture
def source(cosmos):
    """The source database, which keeps all versions."""
    source = Source.open(cosmos.connection_string, DATABASE, all_versions=True)
    yield source
    source.close()


@pytest.fixture
def account(cosmos, source):
    """The account, as the engine asks it."""
    account = CosmosAccount(cosmos.connection_string, DATABASE)
    yield account
    account.close()


@pytest.fixture
def origin(account):
    """The accounts, into which nobody writes."""
    return account.read_source_container("Accounts")


@pytest.fixture
def leases(account):
    """The leases, as the engine sees them."""
    read, replace = partial(account.read_leases, *PLACE, PREFIX), partial(account.replace_lease, *PLACE)
    return Leases(read, replace, account, FeedMode.ALL_VERSIONS, "beginning")


@pytest.fixture
def container(source):
    """The lease container."""
    database = source.client.create_database_if_not_exists(PLACE[0])
    return database.create_container_if_not_exists(PLACE[1], PartitionKey("/id"))


@pytest.fixture
def store(container, origin):
    """The leases, as the host writes them."""
    prefix = f"{PREFIX}host_database_{origin.rid}"
    return LeaseStore(container, prefix=prefix, owner="host", mode="AllVersionsAndDeletes")


def list_ranges(source):
    """Return the physical feed ranges of the accounts."""
    found = [each["Range"] for each in source.containers["Accounts"].read_feed_ranges(force_refresh=True)]
    return [(each["min"], each["max"]) for each in found]


def test_leases_that_have_delivered_nothing_go_on_from_now(leases, origin, store, source):
    """What changed before is behind them, what changes afterwards is before them; a second time changes nothing."""
    source.write("Accounts", an_account("before"))
    store.initialize(list_ranges(source))
    assert leases.read_oldest_pending(origin) == 0

    assert leases.begin(origin)

    begun = [(lease.token, lease.continuation) for lease in store.load()]
    assert all(continuation for _, continuation in begun)
    assert leases.read_oldest_pending(origin) is None
    written = source.write("Accounts", an_account("after"))
    assert leases.begin(origin)
    assert [(lease.token, lease.continuation) for lease in store.load()] == begun
    assert leases.read_oldest_pending(origin) == written["_ts"]


def test_a_lease_that_goes_on_somewhere_is_left_alone(leases, origin, store, source):
    """Its host knows better how far it is."""
    store.initialize(list_ranges(source))
    first, _ = store.load()
    store.checkpoint(first, '"1"')

    assert leases.begin(origin)

    assert [lease.continuation == '"1"' for lease in store.load()] == [True, False]


@pytest.mark.parametrize("written", [0, 1, 2])
def test_leases_that_are_not_all_there_have_not_begun(leases, origin, container, store, source, written):
    """The host notes that it has written all of them: one that comes later begins later."""
    store.initialize(list_ranges(source)[:written])
    container.delete_item(f"{PREFIX}host_database_{origin.rid}.info", f"{PREFIX}host_database_{origin.rid}.info")

    assert not leases.begin(origin)
    assert leases.read_oldest_pending(origin) == 0


def test_a_lease_whose_range_has_split_has_not_begun(leases, origin, store, source, cosmos):
    """An answer would be that of one child; the host makes leases of both."""
    ranges = list_ranges(source)
    store.initialize(ranges)
    cosmos.controls.split(DATABASE, "Accounts", "0")

    assert not leases.begin(origin)
    assert [lease.continuation is None for lease in store.load()] == [True, False]

    store.split(store.load()[0], list_ranges(source)[:2], None)
    assert leases.begin(origin)


def test_a_lease_that_the_host_writes_meanwhile_is_left_alone(leases, origin, store, source, monkeypatch, account):
    """Where it is says the host."""
    store.initialize(list_ranges(source))
    read_end = account.read_end

    def deliver_first(container, bounds):
        lease = next(each for each in store.load() if each.low == bounds["min"])
        store.checkpoint(lease, '"1"')
        return read_end(container, bounds)

    monkeypatch.setattr(account, "read_end", deliver_first)

    assert not leases.begin(origin)
    assert [lease.continuation for lease in store.load()] == ['"1"', '"1"']
    assert leases.begin(origin)
