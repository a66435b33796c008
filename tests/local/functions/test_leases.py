"""Check that leases change hands without a checkpoint getting lost or overwritten."""

import logging
import threading
import time
from types import SimpleNamespace

import pytest

from local.functions.feed import Page, RangeSplitError
from local.functions.follower import Follower
from local.functions.held import HeldLease
from local.functions.leases import LeaseLostError, LeaseStore
from local.patience import PATIENCE_SECONDS

RANGES = [("", "1F"), ("1F", "FF")]


@pytest.fixture
def store(source):
    """Give a way to open the lease container as one of several hosts."""
    return lambda owner: LeaseStore(source.lease_container, prefix="p", owner=owner, mode="LatestVersion")


def test_leases_are_written_once(store):
    """Initialize twice, the second time over a checkpoint."""
    mine = store("me")
    assert not mine.is_initialized()
    mine.initialize(RANGES)
    first, _ = mine.load()
    mine.checkpoint(mine.acquire(first), '"7"')

    mine.initialize(RANGES)

    assert mine.is_initialized()
    assert [lease.continuation for lease in mine.load()] == ['"7"', None]


def test_a_checkpoint_whose_answer_got_lost_can_be_written_again(store):
    """Write from the same state twice, as after a connection that broke."""
    mine = store("me")
    mine.initialize(RANGES)
    lease = mine.acquire(mine.load()[0])

    mine.checkpoint(lease, '"7"')
    again = mine.checkpoint(lease, '"7"')

    assert again.continuation == '"7"'


def test_a_host_whose_lease_was_taken_cannot_checkpoint_it(store):
    """Let another host acquire the lease in between."""
    mine, other = store("me"), store("other")
    mine.initialize(RANGES)
    lease = mine.acquire(mine.load()[0])
    taken = other.acquire(other.load()[0])

    with pytest.raises(LeaseLostError):
        mine.checkpoint(lease, '"7"')
    with pytest.raises(LeaseLostError):
        mine.release(lease)

    assert other.checkpoint(taken, '"8"').continuation == '"8"'
    assert other.release(taken).document["Owner"] is None


def test_a_lease_that_was_written_since_it_was_read_is_not_acquired(store):
    """Let its owner renew it between the other host's read and its write."""
    mine, other = store("me"), store("other")
    mine.initialize(RANGES)
    held = mine.acquire(mine.load()[0])
    seen = other.load()[0]
    renewed = mine.renew(held)

    with pytest.raises(LeaseLostError):
        other.acquire(seen)

    assert renewed.renewed_at > held.renewed_at
    assert mine.load()[0].owner == "me"


def test_a_split_lease_hands_its_continuation_to_its_parts(store):
    """Split twice, the second time as a host that does not know of the first."""
    mine = store("me")
    mine.initialize(RANGES)
    lease = mine.checkpoint(mine.acquire(mine.load()[0]), '"7"')

    mine.split(lease, [("", "0F"), ("0F", "1F")], '"7"')
    first, *_ = mine.load()
    mine.checkpoint(mine.acquire(first), '"9"')
    mine.split(lease, [("", "0F"), ("0F", "1F")], '"7"')

    assert [(found.low, found.continuation) for found in mine.load()] == [("", '"9"'), ("0F", '"7"'), ("1F", None)]


def test_a_deleted_lease_is_lost(store, source):
    """Delete the document of a lease that is held."""
    mine = store("me")
    mine.initialize(RANGES)
    lease = mine.acquire(mine.load()[0])
    source.lease_container.delete_item(lease.document["id"], lease.document["id"])

    with pytest.raises(LeaseLostError):
        mine.checkpoint(lease, '"7"')
    with pytest.raises(LeaseLostError):
        mine.acquire(lease)


def test_leases_of_another_prefix_are_not_seen(store, source):
    """Write leases of two prefixes, one of which begins with the other."""
    mine = store("me")
    mine.initialize(RANGES)

    longer = LeaseStore(source.lease_container, prefix="p2", owner="me", mode="LatestVersion")
    longer.initialize(RANGES[:1])

    assert (len(mine.load()), len(longer.load())) == (2, 1)


class Reader:
    """Lose the lease while a page is read, as in an outage that is longer than the expiration."""

    def __init__(self, held, answer):
        self._held = held
        self._answer = answer

    def read(self, _):
        self._held.lose()
        return self._answer()

    def read_parts(self):
        return [("", "0F"), ("0F", "1F")]


def split():
    """Refuse a page, because its range was split."""
    raise RangeSplitError


@pytest.mark.parametrize("answer", [split, lambda: Page([{"id": "a"}], '"7"')], ids=["split", "page"])
def test_what_is_read_after_the_lease_was_lost_is_left_to_its_holder(store, caplog, answer):
    """Lose the lease to nobody: no lease is written, no function is invoked, and no thread crashes."""
    mine = store("me")
    mine.initialize(RANGES)
    held = HeldLease(mine, mine.acquire(mine.load()[0]), renew_seconds=60)
    invoker = SimpleNamespace(run=lambda *_, **__: pytest.fail("a function was invoked"))
    function = SimpleNamespace(name="feed")
    subscription = SimpleNamespace(function=function, invoker=invoker, stopping=threading.Event())
    follower = Follower(subscription, Reader(held, answer), held, on_split=lambda: pytest.fail("nothing was split"))

    with caplog.at_level(logging.WARNING):
        follower.start()
        follower.join(time.monotonic() + PATIENCE_SECONDS)

    assert "another host has taken the lease" in caplog.text
    assert [(lease.low, lease.continuation) for lease in mine.load()] == [("", None), ("1F", None)]
