"""Check when a lease is followed, what ends that, and where the next follower begins."""

import threading
import time
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from azure.cosmos import PartitionKey

from local.functions import held
from local.functions.controller import Controller, Source
from local.functions.feed import Page, RangeGoneError
from local.functions.follower import Follower, Handover, Subscription
from local.functions.held import HeldLease
from local.functions.invoke import Outcome
from local.functions.leases import LeaseLostError, LeaseStore
from local.functions.ranges import PartitionRange, PartitionRanges
from local.functions.successors import of_partition
from local.patience import PATIENCE_SECONDS

TRIGGER = SimpleNamespace(renew_seconds=3600, poll_seconds=3600, max_items=10, start="Beginning", mode="LatestVersion")
FAIL_ALWAYS = 10**9
FEED = """
@app.cosmos_db_trigger(arg_name="documents", connection="COSMOS", database_name="db", container_name="things",
                       lease_container_name="leases", feed_poll_delay=50, lease_acquire_interval=100,
                       lease_renew_interval=200, lease_expiration_interval=800{more})
def feed(documents: str) -> None:
    found = json.loads(documents)
    note(ids=[(each.get("current") or each)["id"] for each in found])
"""


@pytest.fixture
def subscription(source):
    """Give a function that always succeeds, and the event that stops its host."""
    invoker = SimpleNamespace(run=Mock(return_value=Outcome.SUCCEEDED))
    function = SimpleNamespace(name="feed")
    events = {"stopping": threading.Event(), "cancelling": threading.Event()}
    subscription = Subscription(function=function, trigger=TRIGGER, invoker=invoker, lock_wait_seconds=0.1, **events)
    yield subscription
    subscription.stopping.set()
    for thread in threading.enumerate():
        if thread.name.startswith("lease "):
            thread.join(PATIENCE_SECONDS)


@pytest.fixture
def store(source):
    """Give leases of two physical partitions, as one host sees them."""
    store = LeaseStore(source.lease_container, prefix="p", owner="me", mode="LatestVersion")
    for each in PartitionRanges(source.container, source.container.read()["_rid"]).read():
        store.create(of_partition(each), None)
    return store


class Reader:
    """Return pages, or raise; the last answer is that nothing is new."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.asked = []

    def read(self, continuation):
        self.asked.append(continuation)
        answer = self._answers.pop(0) if self._answers else Page([], continuation, is_page=False)
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return answer()
        return answer


def follow(subscription, store, reader, on_gone=None):
    """Follow the first lease until its follower ends by itself."""
    taken = HeldLease(store, store.acquire(store.load()[0]), renew_seconds=3600)
    handover = Handover(on_gone or (lambda *_: pytest.fail("no range is gone")), lambda: None)
    follower = Follower(subscription, reader, taken, handover)
    follower.start()
    return follower, taken


def test_an_empty_page_is_checkpointed_and_read_on_from_at_once(subscription, store, eventually):
    """Answer 200 without documents: the function is not called, and the poll delay of an hour not waited for."""
    reader = Reader(Page([], '"5"'))

    follow(subscription, store, reader)
    eventually(lambda: reader.asked == [None, '"5"'])

    subscription.invoker.run.assert_not_called()
    assert store.load()[0].continuation == '"5"'


def test_a_follower_that_ends_with_an_error_releases_its_lease(subscription, store, caplog, eventually):
    """Fail to read after a page that was checkpointed."""
    follower, _ = follow(subscription, store, Reader(Page([{"id": "a"}], '"5"'), KeyError("lasting")))
    follower.join(time.monotonic() + PATIENCE_SECONDS)

    lease = store.load()[0]
    assert (lease.owner, lease.continuation) == (None, '"5"')
    assert "Lease 0 experiencing transient connectivity issues" in caplog.text


def test_what_is_read_after_the_lease_was_lost_is_left_to_its_holder(subscription, source, store, caplog):
    """Lose the lease while a page is read: no function is invoked, and the other's lease stays as it is."""
    other = LeaseStore(source.lease_container, prefix="p", owner="other", mode="LatestVersion")

    def lose():
        other.acquire(other.load()[0])
        with pytest.raises(LeaseLostError):
            taken.checkpoint('"6"')
        return Page([{"id": "a"}], '"7"')

    ready = threading.Event()
    follower, taken = follow(subscription, store, Reader(lambda: ready.wait(PATIENCE_SECONDS) and lose()))
    ready.set()
    follower.join(time.monotonic() + PATIENCE_SECONDS)

    subscription.invoker.run.assert_not_called()
    assert caplog.text.count("another host has taken the lease 0") == 1
    assert (store.load()[0].owner, store.load()[0].continuation) == ("other", None)


def test_a_batch_whose_lease_was_lost_goes_on_and_only_its_checkpoint_fails(subscription, source, store, caplog):
    """Let another host take the lease while the function runs."""
    other = LeaseStore(source.lease_container, prefix="p", owner="other", mode="LatestVersion")
    subscription.invoker.run.side_effect = lambda *_, **__: other.acquire(other.load()[0]) and Outcome.SUCCEEDED

    follower, _ = follow(subscription, store, Reader(Page([{"id": "a"}], '"7"')))
    follower.join(time.monotonic() + PATIENCE_SECONDS)

    assert caplog.text.count("another host has taken the lease 0") == 1
    assert (store.load()[0].owner, store.load()[0].continuation) == ("other", None)


def test_a_gone_range_is_handed_over_with_the_last_position(subscription, store):
    """Read a page, that nothing is new, and that the range is gone."""
    gone = []
    reader = Reader(Page([], '"5"'), Page([], '"6"'), RangeGoneError())

    follower, _ = follow(subscription, store, reader, on_gone=lambda lease, position: gone.append((lease, position)))
    follower.join(time.monotonic() + PATIENCE_SECONDS)

    assert [(lease.token, position) for lease, position in gone] == [("0", '"6"')]


def test_the_first_renewal_comes_after_half_an_interval(monkeypatch):
    """Record how long the renewal waits, and end it at the third wait."""
    waits = []

    class Event(threading.Event):
        def wait(self, seconds=None):
            waits.append(seconds)
            return len(waits) == 3

    monkeypatch.setattr(held.threading, "Event", Event)
    monkeypatch.setattr(held.threading, "Thread", lambda target, **_: SimpleNamespace(start=target))
    HeldLease(SimpleNamespace(renew=lambda lease: lease), SimpleNamespace(token="0"), renew_seconds=10)

    assert waits == [5, 10, 10]


@pytest.fixture
def controller(subscription, source, store):
    """Give what takes leases, with the physical partitions as they are or as a test says."""

    def make(ranges=None):
        rid = source.container.read()["_rid"]
        known = PartitionRanges(source.container, rid)
        return Controller(subscription, Source(source.container, rid, ranges or known, store))

    return make


def test_a_lease_that_is_followed_is_renewed_and_not_followed_twice(controller, store, eventually):
    """Take the same lease twice, as when it expired although its follower lives."""
    controller = controller()
    controller.take(store.load()[0])
    before = store.load()[0]

    controller.take(before)

    assert len(controller.followers) == 1
    assert store.load()[0].renewed_at > before.renewed_at


def test_after_a_merge_the_range_keeps_a_lease_of_its_own(controller, source, store, eventually):
    """Say that both partitions are one: the lease is replaced by one of its range, from where it was."""
    source.write("one", "two", "three", "four")
    merged = [PartitionRange("2", "", "FF")]
    store.checkpoint(store.acquire(store.load()[0]), '"1"')
    old = store.load()[0]
    controller = controller(SimpleNamespace(find=lambda *_: merged, read=lambda *_: merged))

    controller.take(old)
    eventually(lambda: [lease.token for lease in store.load()] == [f"-{old.high}", "1"])
    eventually(lambda: len(controller.followers) == 1)

    lease = store.load()[0]
    assert (lease.is_of_partition, lease.low, lease.high, lease.owner) == (False, "", old.high, "me")
    assert controller.followers[0].tried.wait(PATIENCE_SECONDS)


@pytest.fixture
def run(app, source, start):
    """Give a way to start a host whose feed has more options."""

    def run(**more):
        text = "".join(f", {name}={value!r}" for name, value in more.items())
        app.write(FEED.replace("{more}", text))
        return start(app, COSMOS=source.server.connection_string).wait_ready()

    return run


def delivered(app):
    """Return all ids that the function was given, in order."""
    return [item for note in app.notes() for item in note["ids"]]


def test_a_feed_of_all_versions_loses_what_changes_between_a_failed_read_and_the_next(app, run, source, eventually):
    """Fail the reads of leases that have no continuation yet: they begin anew, now."""
    source.database.delete_container("things")
    policy = {"retentionDuration": 10}
    source.container = source.database.create_container("things", PartitionKey("/id"), change_feed_policy=policy)
    host = run(change_feed_mode="AllVersionsAndDeletes")

    source.server.controls.fail(400, times=FAIL_ALWAYS, operation="read_change_feed")
    eventually(lambda: all(f"Lease {lease} experienced an error" in host.errors for lease in "01"))
    lost = [f"lost-{number}" for number in range(8)]
    source.write(*lost)
    source.server.controls.clear()
    numbers = iter(range(10_000))
    eventually(lambda: source.write(f"later-{next(numbers)}") or len(source.checkpointed()) == 2)

    assert not set(delivered(app)) & set(lost)


def test_a_batch_whose_checkpoint_fails_comes_again(app, run, source, eventually):
    """Refuse one write of a lease after the function returned."""
    host = run(start_from_beginning=True)
    source.server.controls.fail(400, times=FAIL_ALWAYS, method="PUT", path="/colls/leases/docs/")

    source.write("one")
    eventually(lambda: "experienced an error during processing" in host.errors)
    source.server.controls.clear()
    eventually(source.checkpointed)

    assert delivered(app)[:2] == ["one", "one"]
    assert set(delivered(app)) == {"one"}
