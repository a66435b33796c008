"""Check that leases change hands without a checkpoint getting lost or overwritten."""

from datetime import UTC, datetime

import pytest

from local.functions.leases import LeaseLostError, LeaseStore, NewLease

FIRST, SECOND = NewLease("0", "", "1F", is_of_partition=True), NewLease("1", "1F", "FF", is_of_partition=True)
PART = NewLease("-0F", "", "0F", is_of_partition=False)


@pytest.fixture
def store(source):
    """Give a way to open the lease container as one of several hosts."""
    return lambda owner: LeaseStore(source.lease_container, prefix="p", owner=owner, mode="LatestVersion")


@pytest.fixture
def mine(store):
    """Give the leases of a container of two physical partitions, as one host sees them."""
    mine = store("me")
    for new in (FIRST, SECOND):
        mine.create(new, None)
    return mine


def test_the_lease_of_a_partition_is_named_by_its_id_and_has_no_time(mine, source):
    """Read the document as it is stored: the service's time counts until a host writes the lease."""
    lease = mine.load()[0]

    assert {name: value for name, value in lease.document.items() if not name.startswith("_")} == {
        "id": "p..0",
        "version": 0,
        "LeaseToken": "0",
        "FeedRange": {"Range": {"min": "", "max": "1F"}},
        "Owner": None,
        "ContinuationToken": None,
        "timestamp": None,
        "properties": {},
        "Mode": "Incremental Feed",
    }
    assert lease.is_of_partition
    assert lease.renewed_at == datetime.fromtimestamp(lease.document["_ts"], UTC)
    assert mine.acquire(lease).document["timestamp"]


def test_the_lease_of_a_part_of_a_partition_is_named_by_its_bounds(mine):
    """Such a lease is left by a merge."""
    part = mine.create(PART, '"7"', {"kept": "yes"})

    assert (part.document["id"], part.document["version"], part.continuation) == ("p..-0F", 1, '"7"')
    assert part.document["properties"] == {"kept": "yes"}
    assert not part.is_of_partition


def test_a_lease_that_is_there_is_not_written_again(mine):
    """Create one over a checkpoint."""
    mine.checkpoint(mine.acquire(mine.load()[0]), '"7"')

    assert mine.create(FIRST, None) is None

    assert [lease.continuation for lease in mine.load()] == ['"7"', None]


def test_a_checkpoint_whose_answer_got_lost_can_be_written_again(mine):
    """Write from the same state twice, as after a connection that broke."""
    lease = mine.acquire(mine.load()[0])

    mine.checkpoint(lease, '"7"')
    again = mine.checkpoint(lease, '"7"')

    assert again.continuation == '"7"'


def test_a_host_whose_lease_was_taken_cannot_write_it(mine, store):
    """Let another host acquire the lease in between."""
    other = store("other")
    lease = mine.acquire(mine.load()[0])
    taken = other.acquire(other.load()[0])

    for write in (lambda: mine.checkpoint(lease, '"7"'), lambda: mine.release(lease), lambda: mine.renew(lease)):
        with pytest.raises(LeaseLostError):
            write()

    assert other.checkpoint(taken, '"8"').continuation == '"8"'
    other.release(taken)
    assert other.load()[0].owner is None


def test_a_lease_that_its_owner_wrote_since_it_was_read_is_taken_all_the_same(mine, store):
    """Only another owner is in the way, not a renewal or a checkpoint."""
    other = store("other")
    held = mine.acquire(mine.load()[0])
    seen = other.load()[0]
    mine.checkpoint(held, '"7"')

    taken = other.acquire(seen)

    assert (taken.owner, taken.continuation) == ("other", '"7"')


def test_a_lease_that_changed_hands_since_it_was_read_is_not_acquired(mine, store):
    """Let two hosts want the same free lease."""
    other = store("other")
    seen = other.load()[0]
    mine.acquire(mine.load()[0])

    with pytest.raises(LeaseLostError):
        other.acquire(seen)

    assert mine.load()[0].owner == "me"


def test_only_a_lease_of_ones_own_is_renewed_as_it_was_read(mine, store):
    """Renew a lease that is mine, and one that is another host's."""
    mine.acquire(mine.load()[0])
    store("other").acquire(mine.load()[1])
    before = mine.load()

    assert mine.renew(before[0]).renewed_at > before[0].renewed_at
    with pytest.raises(LeaseLostError):
        mine.renew(before[1])


def test_a_deleted_lease_is_lost_and_needs_no_release(mine):
    """Delete the document of a lease that is held, twice."""
    lease = mine.acquire(mine.load()[0])
    mine.delete(lease)
    mine.delete(lease)

    for write in (lambda: mine.checkpoint(lease, '"7"'), lambda: mine.renew(lease), lambda: mine.acquire(lease)):
        with pytest.raises(LeaseLostError):
            write()
    mine.release(lease)
    assert [each.token for each in mine.load()] == ["1"]


def test_leases_of_another_prefix_are_not_seen(mine, source):
    """Write leases of two prefixes, one of which begins with the other."""
    longer = LeaseStore(source.lease_container, prefix="p2", owner="me", mode="LatestVersion")
    longer.create(FIRST, None)

    assert (len(mine.load()), len(longer.load())) == (2, 1)
