"""From where the leases of a feed of all versions go on, however idle their containers are."""

from functools import partial

import pytest
from azure.cosmos import PartitionKey

from cdc.core.feed_items import FeedMode
from cdc.cosmos.account import CosmosAccount
from cdc.cosmos.leases import Leases
from local.functions.initialization import Initialization
from local.functions.leases import LeaseStore
from local.functions.ranges import PartitionRanges
from local.functions.successors import of_partition, of_range
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
def prefix(origin):
    """What the names of the leases of the accounts begin with."""
    return f"{PREFIX}host_database_{origin.rid}"


@pytest.fixture
def store(container, prefix):
    """The leases, as the host writes them."""
    return LeaseStore(container, prefix=prefix, owner="host", mode="AllVersionsAndDeletes")


@pytest.fixture
def initialize(container, prefix, store):
    """A way to write the first leases, as the host does."""
    return lambda new: Initialization(container, prefix, "feed").run(store, lambda: new, pytest.fail)


@pytest.fixture
def partitions(source, origin):
    """A way to read the physical partitions of the accounts, as leases of them."""
    ranges = PartitionRanges(source.containers["Accounts"], origin.rid)
    return lambda: [of_partition(each) for each in ranges.read()]


def test_leases_that_have_delivered_nothing_go_on_from_now(leases, origin, store, source, initialize, partitions):
    """What changed before is behind them, what changes afterwards is before them; a second time changes nothing."""
    source.write("Accounts", an_account("before"))
    initialize(partitions())
    assert leases.read_oldest_pending(origin) == 0

    assert leases.begin(origin)

    begun = [(lease.token, lease.continuation) for lease in store.load()]
    assert all(continuation for _, continuation in begun)
    assert leases.read_oldest_pending(origin) is None
    written = source.write("Accounts", an_account("after"))
    assert leases.begin(origin)
    assert [(lease.token, lease.continuation) for lease in store.load()] == begun
    assert leases.read_oldest_pending(origin) == written["_ts"]


def test_a_lease_that_goes_on_somewhere_is_left_alone(leases, origin, store, initialize, partitions):
    """Its host knows better how far it is."""
    initialize(partitions())
    first, _ = store.load()
    store.checkpoint(store.acquire(first), '"1"')

    assert leases.begin(origin)

    assert [lease.continuation == '"1"' for lease in store.load()] == [True, False]


@pytest.mark.parametrize("written", [0, 1, 2])
def test_leases_that_are_not_all_there_have_not_begun(leases, origin, store, partitions, written):
    """The host notes that it has written all of them: one that comes later begins later."""
    for new in partitions()[:written]:
        store.create(new, None)

    assert not leases.begin(origin)
    assert leases.read_oldest_pending(origin) == 0


def test_a_lease_whose_range_has_split_has_not_begun(leases, origin, store, cosmos, initialize, partitions):
    """An answer would be that of one child; the host makes leases of both."""
    initialize(partitions())
    parent = store.load()[0]
    cosmos.controls.split(DATABASE, "Accounts", "0")

    assert not leases.begin(origin)
    assert [lease.continuation is None for lease in store.load()] == [True, False]

    for child in partitions()[:2]:
        store.create(child, None)
    store.delete(parent)
    assert leases.begin(origin)


@pytest.mark.xfail(reason="begin() knows only ranges that are whole physical partitions", strict=True)
def test_a_lease_of_a_part_of_a_partition_begins(leases, origin, store, initialize, partitions):
    """After a merge, the host keeps a lease over each old range, which is smaller than its partition."""
    first, second = partitions()
    middle = f"{int(first.high, 16) // 2:0{len(first.high)}X}"
    initialize([of_range("", middle), of_range(middle, first.high), second])

    assert leases.begin(origin)
    assert all(lease.continuation for lease in store.load())


def test_a_lease_that_the_host_writes_meanwhile_is_left_alone(
    leases, origin, store, monkeypatch, account, initialize, partitions
):
    """Where it is says the host."""
    initialize(partitions())
    read_end = account.read_end

    def deliver_first(container, bounds):
        lease = next(each for each in store.load() if each.low == bounds["min"])
        store.checkpoint(store.acquire(lease), '"1"')
        return read_end(container, bounds)

    monkeypatch.setattr(account, "read_end", deliver_first)

    assert not leases.begin(origin)
    assert [lease.continuation for lease in store.load()] == ['"1"', '"1"']
    assert leases.begin(origin)
