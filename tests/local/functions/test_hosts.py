"""Check that hosts share the leases of a container, take over from each other, and follow splits."""

import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from local.patience import PATIENCE_SECONDS

EXPIRATION_SECONDS = 1.0
FEED = """
@app.cosmos_db_trigger(arg_name="documents", connection="COSMOS", database_name="db", container_name="things",
                       lease_container_name="leases", feed_poll_delay=50, start_from_beginning=True,
                       lease_acquire_interval=100, lease_renew_interval=200, lease_expiration_interval=EXPIRATION)
def feed(documents: func.DocumentList) -> None:
    note(pid=os.getpid(), ids=[document["id"] for document in documents])
    while pathlib.Path(f"wait-{os.getpid()}").exists():
        time.sleep(0.01)
"""
IDS = [f"thing-{number}" for number in range(40)]
leases_expire = pytest.mark.parametrize("expiration", [EXPIRATION_SECONDS])


@pytest.fixture
def expiration():
    """Give the seconds after which a lease expires that nobody renews: none does, however busy the machine is."""
    return 3600


@pytest.fixture
def run(app, source, start, expiration):
    """Give a way to start hosts of one app."""
    app.write(FEED.replace("EXPIRATION", f"{1000 * expiration:.0f}"))
    return lambda: start(app, COSMOS=source.server.connection_string).wait_ready()


@pytest.fixture
def delivered(app):
    """Give a way to list the delivered ids, of one host or of all."""
    return lambda host=None: [
        item for note in app.notes() if host is None or note["pid"] == host.process.pid for item in note["ids"]
    ]


@pytest.fixture
def owners(source):
    """Give a way to count the leases of each owner."""

    def count():
        found = [lease["Owner"] for lease in source.leases()]
        return sorted(found.count(owner) for owner in set(found) - {None})

    return count


@pytest.fixture
def pair(run, owners, eventually):
    """Give two hosts that know of one lease each."""
    hosts = run(), run()
    eventually(lambda: owners() == [1, 1])
    eventually(lambda: "another host has taken the lease" in hosts[0].errors)
    return hosts


def test_two_hosts_share_the_leases_and_each_change_is_delivered_once(pair, source, delivered, eventually):
    """Write when both have one lease each."""
    first, second = pair

    source.write(*IDS)
    eventually(lambda: len(delivered()) >= len(IDS))

    assert sorted(delivered()) == sorted(IDS)
    assert delivered(first)
    assert delivered(second)
    assert second.errors == ""


@leases_expire
def test_the_survivor_takes_over_once_the_leases_of_a_killed_host_expire(pair, source, owners, delivered, eventually):
    """Kill one of two hosts: its lease is taken, and not before."""
    first, second = pair

    first.kill()
    before = {lease["id"]: lease for lease in source.leases()}
    source.write(*IDS)
    eventually(lambda: owners() == [2])

    taken = [lease for lease in source.leases() if lease["Owner"] != before[lease["id"]]["Owner"]]
    assert [age(lease, before[lease["id"]]) > EXPIRATION_SECONDS for lease in taken] == [True]
    eventually(lambda: sorted(delivered()) == sorted(IDS))
    assert set(delivered(second)) == set(IDS)


@leases_expire
def test_the_first_look_after_an_expiration_takes_the_lease(pair, source, eventually):
    """Hold a look of the survivor until the lease has expired, and see what it did when the next one begins."""
    pair[0].kill()
    renewed = {lease["id"]: lease["timestamp"] for lease in source.leases()}
    last = max(map(datetime.fromisoformat, renewed.values()))
    looks = {"operation": "read_documents", "path": "/colls/leases/docs/"}
    with ExitStack() as holds:
        look = holds.enter_context(source.server.hold(**looks))
        assert look.entered.wait(PATIENCE_SECONDS)
        eventually(lambda: datetime.now(UTC) > last + timedelta(seconds=EXPIRATION_SECONDS))
        # A look is one request for each of the two partitions of the lease container. The one that is held may still be
        # of the host that was killed.
        for _ in range(3):
            following = holds.enter_context(source.server.hold(**looks))
            look.release()
            assert following.entered.wait(PATIENCE_SECONDS)
            look = following
        leases = [source.lease_container.read_item(id_, id_) for id_ in renewed]

    assert len({lease["Owner"] for lease in leases}) == 1


def age(lease, before):
    """Return the seconds between two writes of a lease."""
    later, earlier = (datetime.fromisoformat(each["timestamp"]) for each in (lease, before))
    return (later - earlier).total_seconds()


def test_a_host_that_stops_leaves_its_leases_to_the_other_at_once(pair, source, owners, delivered, eventually):
    """Stop one of two hosts, whose leases would not expire."""
    first, _ = pair

    assert first.stop() == 0
    eventually(lambda: owners() == [2])

    source.write(*IDS)
    eventually(lambda: sorted(delivered()) == sorted(IDS))


@leases_expire
def test_a_lease_is_renewed_while_an_invocation_runs(app, run, source, owners, delivered, eventually):
    """Let the function of the only host that can work run for longer than the expiration."""
    host = run()
    app.root.joinpath(f"wait-{host.process.pid}").touch()
    source.write(*IDS)
    eventually(lambda: len(app.notes()) == 2)
    began = {lease["id"]: lease["timestamp"] for lease in source.leases()}
    ended = time.monotonic() + EXPIRATION_SECONDS * 1.5

    eventually(lambda: time.monotonic() > ended)

    assert all(lease["timestamp"] > began[lease["id"]] for lease in source.leases())
    assert source.checkpointed() == []
    app.root.joinpath(f"wait-{host.process.pid}").unlink()
    eventually(lambda: len(source.checkpointed()) == 2)
    eventually(lambda: sorted(delivered()) == sorted(IDS))


def test_a_host_whose_lease_was_taken_does_not_checkpoint_the_batch_it_works_on(
    app, run, source, owners, delivered, eventually
):
    """Start a second host while the first one works on both ranges: it delivers one of the batches again."""
    first = run()
    waits = app.root.joinpath(f"wait-{first.process.pid}")
    waits.touch()
    source.write(*IDS)
    eventually(lambda: len(app.notes()) == 2)

    second = run()
    eventually(lambda: len(source.checkpointed()) == 1)
    checkpoint = source.checkpointed()[0]
    waits.unlink()
    eventually(lambda: len(source.checkpointed()) == 2)

    eventually(lambda: "another host has taken the lease" in first.errors)
    assert set(delivered(first)) & set(delivered(second))
    kept = next(lease for lease in source.leases() if lease["id"] == checkpoint["id"])
    assert (kept["Owner"], kept["ContinuationToken"]) == (checkpoint["Owner"], checkpoint["ContinuationToken"])


def test_a_split_is_followed_from_where_the_parent_was(run, source, owners, delivered, eventually):
    """Split one of two physical partitions between writes; one host follows all its children."""
    host = run()
    source.write(*IDS[:20])
    eventually(lambda: sorted(delivered()) == sorted(IDS[:20]))
    eventually(lambda: len(source.checkpointed()) == 2)
    parents = {lease["LeaseToken"]: lease["ContinuationToken"] for lease in source.leases()}

    source.server.controls.split("db", "things", "0")
    source.write(*IDS[20:])
    eventually(lambda: owners() == [3])
    eventually(lambda: len(delivered()) >= len(IDS))

    assert sorted(delivered()) == sorted(IDS)
    eventually(lambda: sorted(lease["LeaseToken"] for lease in source.leases()) == ["1", "2", "3"])
    assert sorted(parents) == ["0", "1"]
    assert all(lease["version"] == 0 for lease in source.leases())
    assert host.errors.count("was split") == 1
    assert host.stop() == 0


def test_the_parts_of_a_split_range_are_shared_out(pair, source, owners, delivered, eventually):
    """Split both physical partitions under two hosts."""
    source.write(*IDS[:20])
    for number in "01":
        source.server.controls.split("db", "things", number)
    source.write(*IDS[20:])

    eventually(lambda: owners() == [2, 2])
    eventually(lambda: set(delivered()) == set(IDS))


def test_the_host_that_finds_a_split_takes_all_children_whatever_its_share(pair, source, owners, eventually):
    """Split the partition of one of two hosts in four: it has four leases, until the other one takes its share."""
    shared = {lease["LeaseToken"]: lease["Owner"] for lease in source.leases()}
    with source.server.hold(operation="read_documents", path="/colls/leases/docs/"):  # nobody looks for leases
        source.server.controls.split("db", "things", "0", pieces=4)
        eventually(lambda: [lease["Owner"] for lease in leases_of_children(source)] == [shared["0"]] * 4)
    eventually(lambda: len(source.leases()) == 5)
    eventually(lambda: owners() == [2, 3])


def leases_of_children(source):
    """Read the leases of the partitions that a split made, one by one."""
    prefix = f"127.0.0.1_{source.database.read()['_rid']}_{source.container.read()['_rid']}"
    query = "SELECT * FROM c WHERE STARTSWITH(c.id, @prefix)"
    parameters = [{"name": "@prefix", "value": prefix}]
    found = source.lease_container.query_items(query, parameters=parameters, enable_cross_partition_query=True)
    return [lease for lease in found if lease.get("LeaseToken", "0") not in {"0", "1"}]


def test_a_merge_leaves_a_lease_over_each_old_range_and_reading_goes_on(run, source, owners, delivered, eventually):
    """Merge both physical partitions between writes: no change is lost, none comes twice."""
    run()
    source.write(*IDS[:20])
    eventually(lambda: len(source.checkpointed()) == 2)
    ranges = sorted(lease["FeedRange"]["Range"]["min"] for lease in source.leases())

    source.server.controls.merge("db", "things")
    source.write(*IDS[20:])
    eventually(lambda: len(delivered()) >= len(IDS))
    eventually(lambda: owners() == [2])

    assert sorted(delivered()) == sorted(IDS)
    assert all(lease["version"] == 1 for lease in source.leases())
    assert sorted(lease["FeedRange"]["Range"]["min"] for lease in source.leases()) == ranges


RETRIED = """
@app.retry(strategy="fixed_delay", max_retry_count="-1", delay_interval="00:00:00")
def feed(documents: func.DocumentList) -> None:
    note(pid=os.getpid(), ids=[document["id"] for document in documents])
    time.sleep(0.05)
    if not pathlib.Path(f"works-{os.getpid()}").exists():
        raise ValueError("not yet")
"""


def test_the_loss_of_a_lease_does_not_stop_the_retries_of_a_batch(app, run, source, delivered, eventually):
    """Let all fail in the first host, and the second one take a lease: the old batch can succeed long after that."""
    app.write(FEED[: FEED.index("def feed")].replace("EXPIRATION", "3600000") + RETRIED)
    first = run()
    source.write(*IDS)
    eventually(lambda: len({note["ids"][0] for note in app.notes()}) == 2)

    second = run()
    app.root.joinpath(f"works-{second.process.pid}").touch()
    checkpoint = eventually(source.checkpointed)[0]
    moved = set(delivered(second))
    before = count(app, first, moved)
    eventually(lambda: count(app, first, moved) > before + 10)
    app.root.joinpath(f"works-{first.process.pid}").touch()
    eventually(lambda: "another host has taken the lease" in first.errors)

    kept = next(lease for lease in source.leases() if lease["id"] == checkpoint["id"])
    assert (kept["Owner"], kept["ContinuationToken"]) == (checkpoint["Owner"], checkpoint["ContinuationToken"])


def count(app, host, ids):
    """Count the invocations of a host that were given some of these documents."""
    return sum(bool(ids & set(note["ids"])) for note in app.notes() if note["pid"] == host.process.pid)


@leases_expire
def test_a_split_that_a_host_began_and_did_not_end_is_ended_by_the_next(run, source, owners, delivered, eventually):
    """Kill the host while the server holds the removal of the parent's lease."""
    source.write(*IDS[:20])  # before there is a host, so that each lease has one page, and its checkpoint is the last
    host = run()
    eventually(lambda: len(source.checkpointed()) == 2)
    with source.server.hold(method="DELETE", path="/colls/leases/docs/") as hold:
        source.server.controls.split("db", "things", "0")
        assert hold.entered.wait(PATIENCE_SECONDS)
        host.kill()
    assert len(source.leases()) == 4

    source.write(*IDS[20:])
    run()
    eventually(lambda: owners() == [3])
    eventually(lambda: set(delivered()) == set(IDS))

    assert len(source.leases()) == 3
    assert len(delivered()) == len(IDS)
