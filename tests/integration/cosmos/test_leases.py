"""From where the leases of a feed go on, and whether they cover all of it exactly once."""

import pytest

from cdc.core.errors import UnknownLagError
from cdc.core.feed_items import FeedMode
from local.functions.leases import NewLease
from local.functions.successors import of_range
from local.sample import DATABASE
from tests.builders import an_account
from tests.integration.leased import PREFIX, LeasedAccounts

MIDDLE = "1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
UNREADABLE = "Documents of Accounts that have ids of leases, but are no leases that can be read: 1."


@pytest.fixture
def accounts(cosmos):
    """The accounts, whose account keeps all versions."""
    accounts = LeasedAccounts(cosmos)
    yield accounts
    accounts.close()


@pytest.fixture
def origin(accounts):
    """The accounts, as the engine knows them."""
    return accounts.origin


@pytest.fixture
def leases(accounts):
    """The leases, as the engine sees them."""
    return accounts.leases


@pytest.fixture
def store(accounts):
    """The leases, as the host writes them."""
    return accounts.store


def has_position(leases, origin):
    """Tell whether it is known how late the feed is."""
    try:
        leases.read_oldest_pending(origin)
    except UnknownLagError:
        return False
    return True


def test_leases_that_have_delivered_nothing_go_on_from_now(accounts, leases, origin, store):
    """What changed before is behind them, what changes afterwards is before them; a second time changes nothing."""
    accounts.source.write("Accounts", an_account("before"))
    accounts.initialize(accounts.partitions())
    assert not has_position(leases, origin)

    assert leases.begin(origin)

    begun = [(lease.token, lease.continuation) for lease in store.load()]
    assert all(continuation for _, continuation in begun)
    assert leases.read_oldest_pending(origin) is None
    written = accounts.source.write("Accounts", an_account("after"))
    assert leases.begin(origin)
    assert [(lease.token, lease.continuation) for lease in store.load()] == begun
    assert leases.read_oldest_pending(origin) == written["_ts"]


def test_a_lease_that_goes_on_somewhere_is_left_alone(accounts, leases, origin, store):
    """Its host knows better how far it is."""
    accounts.initialize(accounts.partitions())
    first, _ = store.load()
    store.checkpoint(store.acquire(first), '"1"')

    assert leases.begin(origin)

    assert [lease.continuation == '"1"' for lease in store.load()] == [True, False]


@pytest.mark.parametrize("written", [0, 1, 2])
def test_leases_that_are_not_all_there_have_not_begun(accounts, leases, origin, store, written):
    """The host notes that it has written all of them: one that comes later begins later."""
    for new in accounts.partitions()[:written]:
        store.create(new, None)

    assert not leases.begin(origin)
    assert not has_position(leases, origin)


def test_a_lease_whose_range_has_split_has_not_begun(accounts, leases, origin, store):
    """An answer would be that of one child; the host makes leases of both."""
    accounts.initialize(accounts.partitions())
    parent = store.load()[0]
    accounts.controls.split(DATABASE, "Accounts", "0")

    assert not leases.begin(origin)
    assert [lease.continuation is None for lease in store.load()] == [True, False]

    for child in accounts.partitions()[:2]:
        store.create(child, None)
    store.delete(parent)
    assert leases.begin(origin)


def test_a_lease_of_a_part_of_a_partition_begins(accounts, leases, origin, store):
    """After a merge, the host keeps a lease over each old range, which is smaller than its partition."""
    first, second = accounts.partitions()
    middle = f"{int(first.high, 16) // 2:0{len(first.high)}X}"
    accounts.initialize([of_range("", middle), of_range(middle, first.high), second])

    assert leases.begin(origin)
    assert all(lease.continuation for lease in store.load())


def test_a_lease_that_the_host_writes_meanwhile_is_left_alone(accounts, leases, origin, store, monkeypatch):
    """Where it is says the host."""
    accounts.initialize(accounts.partitions())
    read_end = accounts.account.read_end

    def deliver_first(container, range_):
        lease = next(each for each in store.load() if each.low == range_.min)
        store.checkpoint(store.acquire(lease), '"1"')
        return read_end(container, range_)

    monkeypatch.setattr(accounts.account, "read_end", deliver_first)

    assert not leases.begin(origin)
    assert [lease.continuation for lease in store.load()] == ['"1"', '"1"']
    assert leases.begin(origin)


def test_a_lease_that_is_smaller_than_its_merged_partition_begins(accounts, leases, origin, store):
    """What changed before is behind it, what changes afterwards is before it; of the other lease as well."""
    accounts.initialize([of_range(each.low, each.high) for each in accounts.partitions()])
    accounts.source.write("Accounts", an_account("before"))
    accounts.controls.merge(DATABASE, "Accounts", "0")

    assert leases.begin(origin)

    assert leases.read_oldest_pending(origin) is None
    written = [accounts.source.write("Accounts", an_account(f"after-{number}"))["_ts"] for number in range(10)]
    assert leases.read_oldest_pending(origin) == written[0]


def test_leases_of_the_children_of_a_split_begin(accounts, leases, origin, store):
    """The host gives them the position of their parent, which had none."""
    accounts.initialize(accounts.partitions())
    accounts.split()

    assert leases.begin(origin)
    assert all(lease.continuation for lease in store.load())


def test_a_lease_that_spans_two_partitions_is_left_to_the_host(accounts, leases, origin, store):
    """Of a range within a partition, which has split at another place: no answer is of all of it."""
    accounts.initialize([of_range("", "FF")])

    assert not leases.begin(origin)
    assert store.load()[0].continuation is None


@pytest.mark.parametrize(
    ("kept", "part"),
    [
        pytest.param([1], f'"" to "{MIDDLE}"', id="the first is missing"),
        pytest.param([0], f'"{MIDDLE}" to "FF"', id="the last is missing"),
        pytest.param([], '"" to "FF"', id="both are missing"),
    ],
)
@pytest.mark.parametrize("mode", FeedMode)
def test_a_part_without_a_lease_is_named(accounts, origin, store, kept, part, mode):
    """No host writes a lease that somebody has deleted; how late the feed is says nobody, and a backfill would miss
    what comes after it."""
    accounts.initialize(accounts.partitions())
    for number, lease in enumerate(store.load()):
        if number not in kept:
            store.delete(lease)
    leases = accounts.open(mode)

    problem = leases.find_problem(origin)

    assert f"No lease covers the feed range {part} of Accounts" in problem
    assert f"begin with {accounts.prefix}, and start the app" in problem
    with pytest.raises(UnknownLagError, match="No lease covers"):
        leases.read_oldest_pending(origin)
    assert not leases.begin(origin)


def test_the_middle_of_three_is_named(accounts, leases, origin, store):
    """Its bounds are those of its neighbours."""
    accounts.controls.split(DATABASE, "Accounts", "0")
    accounts.initialize(accounts.partitions())
    first, middle, last = store.load()
    store.delete(middle)

    assert f'the feed range "{first.high}" to "{last.low}" of' in leases.find_problem(origin)


def test_what_the_problem_says_to_do_removes_it(accounts, leases, origin, store):
    """Where nothing is left, the host writes all leases."""
    accounts.initialize(accounts.partitions())
    store.delete(store.load()[0])
    for document in list(accounts.container.read_all_items()):
        if document["id"].startswith(accounts.prefix):
            accounts.container.delete_item(document["id"], document["id"])

    assert "has not written all its leases" in leases.find_problem(origin)
    accounts.initialize(accounts.partitions())
    assert leases.find_problem(origin) is None


@pytest.mark.parametrize(
    ("low", "high", "part"),
    [
        pytest.param("0F", "2F", f'"0F" to "{MIDDLE}", "{MIDDLE}" to "2F"', id="over the bound"),
        pytest.param("", MIDDLE, f'"" to "{MIDDLE}"', id="the same range once more"),
        pytest.param("3F", "FF", '"3F" to "FF"', id="within one"),
    ],
)
def test_a_part_with_two_leases_is_named(accounts, leases, origin, store, low, high, part):
    """Somebody has added one by hand; how late the feed is says the older of the two."""
    accounts.initialize(accounts.partitions())
    assert leases.begin(origin)
    assert leases.find_problem(origin) is None
    store.create(NewLease("by-hand", low, high, is_of_partition=False), store.load()[0].continuation)

    assert f"More than one lease covers the feed range {part} of" in leases.find_problem(origin)
    assert has_position(leases, origin)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"FeedRange": None}, id="no feed range"),
        pytest.param({"FeedRange": {"PKRangeId": "0"}}, id="a feed range of another form"),
        pytest.param({"FeedRange": {"Range": {"min": ""}}}, id="half a range"),
        pytest.param({"FeedRange": {"Range": {"min": "FF", "max": ""}}}, id="a range that ends before it begins"),
        pytest.param({"FeedRange": {"Range": {"min": 0, "max": 1}}}, id="numbers for bounds"),
        pytest.param({"FeedRange": "all"}, id="a word"),
        pytest.param({"ContinuationToken": {"v": 2}}, id="a position of another form"),
    ],
)
def test_a_document_that_is_no_lease_is_counted(accounts, leases, origin, store, broken):
    """In the place of a lease it leaves a gap; beside all leases the host cannot read it either."""
    accounts.initialize(accounts.partitions())
    assert leases.begin(origin)
    first = store.load()[0].document
    accounts.container.upsert_item({**first, "id": f"{accounts.prefix}..x", **broken})

    assert leases.find_problem(origin).startswith(UNREADABLE)
    assert not leases.begin(origin)
    accounts.container.delete_item(first["id"], first["id"])
    assert f'No lease covers the feed range "" to "{MIDDLE}" of Accounts' in leases.find_problem(origin)
    assert UNREADABLE in leases.find_problem(origin)


def test_leases_of_others_are_not_counted(accounts, leases, origin):
    """Neither those of another app, nor those of a restored account whose containers keep their resource ids."""
    accounts.initialize(accounts.partitions())
    assert leases.begin(origin)
    for prefix in (
        f"other-{PREFIX}{origin.account}_database_{origin.rid}",
        f"{PREFIX}restored-{origin.account}_database_{origin.rid}",
        f"{PREFIX}{origin.account}_database_AAAAAIAAAAA=",
    ):
        accounts.container.create_item({"id": f"{prefix}.info"})
        accounts.container.create_item({"id": f"{prefix}..0", "FeedRange": {"Range": {"min": "", "max": "FF"}}})

    assert leases.find_problem(origin) is None
    assert leases.read_oldest_pending(origin) is None


def test_a_split_while_leases_are_read_is_no_gap(accounts, origin, store):
    """Several leases are not read at one time: the parent's is gone and those of the children are not seen yet."""
    accounts.initialize(accounts.partitions())
    accounts.leases.begin(origin)
    reads = []

    def read():
        before = [document["id"] for document in accounts.leases.read()]
        if not reads:
            accounts.split()
        found = [document for document in accounts.leases.read() if reads or document["id"] in before]
        reads.append(len(found))
        return found

    assert accounts.open(FeedMode.ALL_VERSIONS, read).read_oldest_pending(origin) is None
    assert reads == [2, 4]
