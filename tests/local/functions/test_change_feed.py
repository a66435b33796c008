"""Check what the change feed delivers, and what survives a stop, a kill and a failure."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from azure.cosmos import CosmosClient, PartitionKey

from local.cosmos import CosmosServer
from local.patience import PATIENCE_SECONDS
from tests.local.functions.conftest import Source

TRIGGER = """
@app.cosmos_db_trigger(arg_name="documents", connection="COSMOS", database_name="db", container_name="things",
                       lease_container_name="leases", lease_container_prefix="test-", feed_poll_delay=50,
                       max_items_per_invocation=5, lease_acquire_interval=100, lease_renew_interval=200,
                       lease_expiration_interval=800{more})
"""
SOURCE = (
    TRIGGER
    + """
def feed(documents: func.DocumentList) -> None:
    note(ids=[document["id"] for document in documents])
"""
)
RETRIED = (
    TRIGGER
    + """{retry}
def feed(documents: str, context: func.Context) -> None:
    note(ids=[document["id"] for document in json.loads(documents)], count=context.retry_context.retry_count,
         limit=context.retry_context.max_retry_count)
    if not pathlib.Path("mended").exists():
        raise ValueError("not yet")
"""
)
RETRY_EVER = '@app.retry(strategy="fixed_delay", max_retry_count="-1", delay_interval="00:00:00")'
RETRY_TWICE = '@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")'
LOST = r"Lease \d encountered an unhandled user exception during processing\."
DRAIN = {"FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING": "true"}
IDS = [f"thing-{number}" for number in range(40)]


def declare(source, retry="", **more):
    """Write a change-feed function that starts at the beginning, unless told otherwise."""
    options = {"start_from_beginning": True, **more}
    text = "".join(f", {name}={value!r}" for name, value in options.items())
    return source.replace("{more}", text).replace("{retry}", retry)


def delivered(app):
    """Return all ids that the function was given, in order."""
    return [item for note in app.notes() for item in note["ids"]]


@pytest.fixture
def run(app, source, start):
    """Give a way to start a host whose connection is the Cosmos server."""
    return lambda *options, **more: start(app, *options, COSMOS=source.server.connection_string, **more)


def test_every_document_of_two_physical_partitions_is_delivered_once(app, run, source, eventually):
    """Write before and after the start."""
    app.write(declare(SOURCE))
    source.write(*IDS[:20])
    host = run().wait_ready()

    source.write(*IDS[20:])
    eventually(lambda: len(delivered(app)) >= len(IDS))

    assert sorted(delivered(app)) == sorted(IDS)
    assert all(len(note["ids"]) <= 5 for note in app.notes())
    assert host.stop() == 0
    assert host.errors == ""


def test_a_restarted_host_goes_on_from_its_leases(app, run, source, eventually):
    """Stop, write, start again: only what is new arrives."""
    app.write(declare(SOURCE))
    source.write(*IDS[:20])
    host = run(**DRAIN).wait_ready()  # without drain, a batch that succeeds while the host stops comes again
    eventually(lambda: len(delivered(app)) == 20)
    assert host.stop() == 0

    source.write(*IDS[20:])
    run().wait_ready()
    eventually(lambda: len(delivered(app)) >= len(IDS))

    assert sorted(delivered(app)) == sorted(IDS)


def test_leases_are_shaped_like_those_of_the_real_processor(app, run, source, eventually):
    """Read the lease container while the host runs and after it stopped."""
    app.write(declare(SOURCE))
    source.write(*IDS)
    host = run(**DRAIN).wait_ready()
    eventually(lambda: len(delivered(app)) == len(IDS))

    prefix = lease_prefix(source)
    ranges = [found["Range"] for found in source.container.read_feed_ranges()]
    owned = source.leases()
    assert sorted(lease["id"] for lease in owned) == [f"{prefix}..0", f"{prefix}..1"]
    assert sorted(lease["LeaseToken"] for lease in owned) == ["0", "1"]
    bounds = [{"min": found["min"], "max": found["max"]} for found in ranges]
    assert [lease["FeedRange"]["Range"] for lease in sorted(owned, key=lambda each: each["id"])] == bounds
    assert all(lease["version"] == 0 and lease["properties"] == {} and lease["timestamp"] for lease in owned)
    assert len({lease["Owner"] for lease in owned}) == 1
    assert owned[0]["Owner"]

    assert host.stop() == 0
    assert all(lease["Owner"] is None and lease["ContinuationToken"].strip('"').isdigit() for lease in source.leases())


def test_without_a_start_only_changes_after_the_start_are_delivered(app, run, source, eventually):
    """Write one document before the host is ready, and another one after."""
    app.write(declare(SOURCE, start_from_beginning=False))
    source.write(*IDS[:10])
    run().wait_ready()

    source.write(*IDS[10:])
    eventually(lambda: len(delivered(app)) >= 30)

    assert sorted(delivered(app)) == sorted(IDS[10:])


def test_a_start_time_is_kept_to_and_can_be_resumed(app, run, source, eventually):
    """Start long ago, stop, and start again: the SDK alone cannot resume such a continuation."""
    app.write(declare(SOURCE, start_from_beginning=False, start_from_time="2020-01-01T00:00:00Z"))
    source.write(*IDS[:20])
    host = run(**DRAIN).wait_ready()
    eventually(lambda: len(delivered(app)) == 20)
    assert host.stop() == 0

    source.write(*IDS[20:])
    run().wait_ready()
    eventually(lambda: len(delivered(app)) >= len(IDS))

    assert sorted(delivered(app)) == sorted(IDS)


def test_a_start_time_is_exclusive_and_in_whole_seconds(app, run, source, eventually):
    """Write in the second of the start and in the next one; the fraction of the start is cut off."""
    second = 1_800_000_000
    start = datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", ".900000Z")
    source.server.controls.clock.set(second)
    source.write(*IDS[:20])
    source.server.controls.clock.set(second + 1)
    source.write(*IDS[20:])
    app.write(declare(SOURCE, start_from_beginning=False, start_from_time=start))

    run().wait_ready()
    eventually(lambda: len(delivered(app)) >= 20)

    assert sorted(delivered(app)) == sorted(IDS[20:])


def test_a_host_that_waits_for_the_lock_of_another_one_goes_on_when_it_is_gone(app, run, source, eventually):
    """Hold the lock, as a host does that writes the first leases; the note is the last thing that is written."""
    app.write(declare(SOURCE))
    source.write("one")
    prefix = lease_prefix(source)
    source.lease_container.create_item({"id": f"{prefix}.lock", "ttl": 30})
    host = run("--lock-wait", "0.05")
    eventually(lambda: f"waiting for another host to write the leases: {prefix}.lock" in host.errors)
    assert source.leases() == []

    source.lease_container.delete_item(f"{prefix}.lock", f"{prefix}.lock")
    host.wait_ready()
    eventually(lambda: delivered(app) == ["one"])

    names = [each["id"] for each in source.lease_container.read_all_items()]
    assert sorted(names) == [f"{prefix}..0", f"{prefix}..1", f"{prefix}.info"]


@pytest.mark.parametrize("expires", [True, False], ids=["with a default time to live", "without"])
def test_the_lock_of_a_host_that_died_goes_only_where_the_container_lets_documents_expire(
    app, run, source, eventually, expires
):
    """Kill the host while the server holds its first lease, and let half a minute pass."""
    if expires:
        source.database.delete_container("leases")
        source.lease_container = source.database.create_container("leases", PartitionKey("/id"), default_ttl=-1)
    app.write(declare(SOURCE))
    source.write("one")
    with source.server.hold(operation="read_documents", path="/colls/leases/") as locked:
        first = run()
        assert locked.entered.wait(PATIENCE_SECONDS)
        first.kill()
    second = run("--lock-wait", "0.05")
    eventually(lambda: "waiting for another host to write the leases" in second.errors)

    source.server.controls.clock.advance(31)

    if expires:
        second.wait_ready()
        eventually(lambda: delivered(app) == ["one"])
    else:
        looks = source.server.controls.counters["read_document"].requests
        eventually(lambda: source.server.controls.counters["read_document"].requests > looks + 5)
        assert [each["id"] for each in source.lease_container.read_all_items()] == [f"{lease_prefix(source)}.lock"]


def lease_prefix(source):
    """Return what the names of all lease documents of the function begin with."""
    return f"test-127.0.0.1_{source.database.read()['_rid']}_{source.container.read()['_rid']}"


def test_documents_arrive_whole_and_as_compact_json(app, run, source, eventually):
    """Take the payload as text."""
    app.write(declare(TRIGGER + "def feed(documents: str): note(ids=[], text=documents)\n"))
    source.write("one", nested={"when": "2026-01-01T00:00:00.0000000Z", "text": "ä", "number": 1.5, "none": None})
    run().wait_ready()

    text = eventually(lambda: app.notes() and app.notes()[0]["text"])

    assert text.startswith(
        '[{"id":"one","nested":{"when":"2026-01-01T00:00:00.0000000Z","text":"ä","number":1.5,"none":null},'
    )
    assert all(f'"{name}":' in text for name in ("_rid", "_etag", "_ts", "_lsn"))


def test_a_host_killed_before_its_checkpoint_delivers_the_batch_again(app, run, source, eventually):
    """Kill the process while the server holds its checkpoint, and see that the checkpoint never arrives."""
    app.write(declare(SOURCE))
    host = run().wait_ready()
    with source.server.hold(method="PUT", path=r"/colls/leases/docs/") as hold:
        source.write(*IDS)
        assert hold.entered.wait(PATIENCE_SECONDS)
        before = eventually(lambda: delivered(app))
        host.kill()
        # The held requests carry the etags of the leases as they were.
        for lease in source.leases():
            source.lease_container.upsert_item(lease)
    assert source.checkpointed() == []

    run().wait_ready()
    eventually(lambda: set(delivered(app)[len(before) :]) >= set(IDS))

    assert set(before) <= set(IDS)
    assert sorted(delivered(app)[len(before) :]) == sorted(IDS)


def test_a_retry_policy_redelivers_the_same_batch_until_it_succeeds(app, run, source, eventually):
    """Fail until a file appears."""
    app.write(declare(RETRIED, RETRY_EVER))
    source.write("one")
    host = run().wait_ready()
    eventually(lambda: len(app.notes()) > 3)
    assert source.checkpointed() == []

    app.root.joinpath("mended").touch()
    eventually(source.checkpointed)

    assert [note["count"] for note in app.notes()] == list(range(len(app.notes())))
    assert all((note["ids"], note["limit"]) == (["one"], -1) for note in app.notes())
    assert host.stop() == 0
    assert not re.search(LOST, host.errors)


@pytest.mark.parametrize(("retry", "attempts"), [("", 1), (RETRY_TWICE, 3)])
def test_a_batch_whose_retries_are_spent_is_checkpointed_and_lost(app, run, source, eventually, retry, attempts):
    """Fail for good, mend the function, and see that the batch does not come again."""
    app.write(declare(RETRIED, retry))
    source.write("one")
    host = run().wait_ready()
    eventually(source.checkpointed)
    app.root.joinpath("mended").touch()
    assert host.stop() == 0
    assert len(re.findall(f"warning feed: {LOST}", host.errors)) == 1
    assert len(app.notes()) == attempts

    run().wait_ready()
    source.write("two")
    eventually(lambda: "two" in delivered(app))

    assert delivered(app) == ["one"] * attempts + ["two"]


@pytest.mark.parametrize(("retry", "last"), [(RETRY_TWICE, "2 of 2"), (RETRY_EVER, "2")])
def test_verbose_says_when_a_failed_batch_is_tried_again(app, run, source, eventually, retry, last):
    """Fail for good, and read of the first two retries."""
    app.write(declare(RETRIED, retry))
    source.write("one")
    host = run("--verbose").wait_ready()

    eventually(lambda: f"info feed: trying again in 0.0 s, retry {last}\n" in host.errors)
    assert f"info feed: trying again in 0.0 s, retry {last.replace('2', '1', 1)}\n" in host.errors


def test_a_batch_in_retry_is_not_checkpointed_when_the_host_stops(app, run, source, eventually):
    """Stop while the function still fails, and find the batch again after the restart."""
    app.write(declare(RETRIED, RETRY_EVER.replace("00:00:00", "00:10:00")))
    source.write("one")
    host = run().wait_ready()
    eventually(app.notes)

    assert host.stop() == 0
    assert source.checkpointed() == []

    app.root.joinpath("mended").touch()
    run().wait_ready()
    eventually(source.checkpointed)
    assert delivered(app) == ["one", "one"]


WAITING = (
    TRIGGER
    + """{retry}
def feed(documents: func.DocumentList) -> None:
    note(ids=[document["id"] for document in documents])
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
    if pathlib.Path("fail").exists():
        raise ValueError("not at the end")
"""
)


@pytest.fixture
def stop_in_invocation(app, run, source, eventually):
    """Give a way to stop a host while its function runs, which ends or fails after that."""

    def stop(*, fails=False, **more):
        app.write(declare(WAITING))
        source.write("one")
        host = run(**more).wait_ready()
        eventually(app.notes)
        host.process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            host.wait(0.5)
        if fails:
            app.root.joinpath("fail").touch()
        app.root.joinpath("go").touch()
        assert host.wait() == 0
        assert all(lease["Owner"] is None for lease in source.leases())
        return host

    return stop


@pytest.mark.parametrize("fails", [False, True], ids=["succeeds", "fails"])
def test_a_batch_that_ends_after_a_stop_without_drain_comes_again(
    app, run, source, stop_in_invocation, eventually, fails
):
    """Nothing is checkpointed once the stop has begun, whatever the function does."""
    stop_in_invocation(fails=fails)
    assert source.checkpointed() == []

    app.root.joinpath("fail").unlink(missing_ok=True)
    run().wait_ready()
    eventually(source.checkpointed)
    assert delivered(app) == ["one", "one"]


@pytest.mark.parametrize("fails", [False, True], ids=["succeeds", "fails"])
def test_a_batch_that_ends_in_a_stop_with_drain_is_checkpointed_and_lost_if_it_failed(
    source, stop_in_invocation, fails
):
    """Without a retry policy, a failure during the drain is a batch lost."""
    host = stop_in_invocation(fails=fails, **DRAIN)

    assert len(source.checkpointed()) == 1
    assert bool(re.search(LOST, host.errors)) is fails


def test_endless_retries_go_on_in_a_stop_with_drain_until_the_host_is_killed(app, run, source, eventually):
    """The lease stays owned: it is free when it has expired."""
    app.write(declare(RETRIED, RETRY_EVER))
    source.write("one")
    host = run(**DRAIN).wait_ready()
    eventually(app.notes)

    host.process.terminate()
    eventually(lambda: sum(lease["Owner"] is not None for lease in source.leases()) == 1)  # the idle one is released
    ended = len(app.notes())
    eventually(lambda: len(app.notes()) > ended + 5)
    host.kill()

    assert source.checkpointed() == []
    assert sum(lease["Owner"] is not None for lease in source.leases()) == 1
    app.root.joinpath("mended").touch()
    run().wait_ready()
    eventually(source.checkpointed)


def test_a_second_signal_ends_the_host_at_once(app, run, source, eventually):
    """Interrupt twice while the function never returns."""
    app.write(declare(TRIGGER + 'def feed(documents): \n    note(ids=["begun"])\n    time.sleep(60)\n'))
    source.write("one")
    host = run().wait_ready()
    eventually(app.notes)
    host.process.send_signal(signal.SIGINT)

    with pytest.raises(subprocess.TimeoutExpired):
        host.wait(0.5)
    host.process.send_signal(signal.SIGINT)

    assert host.wait() == 128 + signal.SIGINT
    assert source.checkpointed() == []


def test_a_missing_lease_container_ends_the_host_unless_it_may_be_created(app, run, source, eventually):
    """Delete the lease container."""
    source.database.delete_container("leases")
    host = app.write(declare(SOURCE)) and run()

    assert host.wait() == 1
    assert host.errors == (
        "functions: function feed: the container leases of the database db does not exist: "
        "create it with the partition key /id, or set create_lease_container_if_not_exists\n"
    )

    app.write(declare(SOURCE, create_lease_container_if_not_exists=True))
    source.write("one")
    run().wait_ready()
    eventually(lambda: delivered(app) == ["one"])


@pytest.mark.parametrize(
    ("written", "meant", "missing"),
    [
        ('"thing"', '"things"', "the container thing of the database db"),
        ('"bd"', '"db"', "the database bd"),
        ('"leases", lease_database_name="bd"', '"leases"', "the database bd"),
    ],
)
def test_a_database_or_container_that_does_not_exist_ends_the_host(app, run, written, meant, missing):
    """Misspell a name, also where the lease container may be created."""
    app.write(declare(SOURCE, create_lease_container_if_not_exists=True).replace(meant, written))

    host = run()

    assert host.wait() == 1
    assert host.errors == f"functions: function feed: {missing} does not exist\n"


def test_a_container_that_is_made_again_ends_the_host_which_then_follows_the_new_one(app, run, source, eventually):
    """Say what happened and what to do; the leases of the new one are its own, so that nothing of it is left out."""
    app.write(declare(SOURCE))
    source.write("before")
    host = run().wait_ready()
    eventually(lambda: delivered(app) == ["before"])
    eventually(source.checkpointed)

    source.database.delete_container("things")
    source.container = source.database.create_container("things", PartitionKey("/id"))
    source.write("after")

    assert host.wait() == 1
    assert "functions: the container things was deleted and made again: start the host again" in host.errors
    assert "Traceback" not in host.errors
    known = len(delivered(app))
    run().wait_ready()
    eventually(lambda: delivered(app)[known:] == ["after"])


def test_a_lease_container_with_another_partition_key_is_refused(app, run, source):
    """Create it with the partition key /other."""
    source.database.delete_container("leases")
    source.database.create_container("leases", PartitionKey("/other"))
    app.write(declare(SOURCE))

    host = run()

    assert host.wait() == 1
    assert "the partition key of the lease container leases must be /id, it is /other" in host.errors


LATEST, ALL = {}, {"start_from_beginning": False, "change_feed_mode": "AllVersionsAndDeletes"}


@pytest.mark.parametrize(("before", "after"), [(LATEST, ALL), (ALL, LATEST)], ids=["latest to all", "all to latest"])
def test_leases_of_another_change_feed_mode_are_refused(app, run, source, versioned, before, after):
    """Change the mode and keep the lease prefix."""
    app.write(declare(SOURCE, **before))
    assert run().wait_ready().stop() == 0
    app.write(declare(SOURCE, **after))

    host = run()

    assert host.wait() == 1
    assert "function feed: its leases were made for another changeFeedMode; use another lease prefix" in host.errors


@pytest.fixture
def versioned(source):
    """Make the container anew, so that it keeps all versions."""
    source.database.delete_container("things")
    policy = {"retentionDuration": 10}
    source.container = source.database.create_container("things", PartitionKey("/id"), change_feed_policy=policy)


def test_a_container_that_does_not_keep_all_versions_ends_the_host_with_one_text(app, run):
    """Follow all versions of a container without a changeFeedPolicy."""
    app.write(declare(SOURCE, **ALL))

    host = run()

    assert host.wait() == 1
    assert host.errors == (
        "functions: function feed: the container things has no change feed of AllVersionsAndDeletes: enable all "
        "versions and deletes for the account, or give the container a changeFeedPolicy with a retentionDuration\n"
    )


def test_all_versions_and_deletes_are_delivered_from_now_on(app, run, source, versioned, eventually):
    """Write before the start, change and delete after it, go on after a restart."""
    function = "def feed(documents: str): note(changes=json.loads(documents))\n"
    app.write(declare(TRIGGER + function, **ALL))
    source.write("early")
    host = run(**DRAIN).wait_ready()

    source.write("one", number=1)
    source.write("one", number=2)
    source.container.delete_item("one", "one")
    changes = eventually(lambda: (found := [each for note in app.notes() for each in note["changes"]])[2:] and found)
    eventually(source.checkpointed)
    assert host.stop() == 0

    assert [change["metadata"]["operationType"] for change in changes] == ["create", "replace", "delete"]
    assert [change["current"].get("number") for change in changes] == [1, 2, None]
    assert {lease["Mode"] for lease in source.leases()} == {"Full-Fidelity Feed"}

    source.write("one", number=3)
    run().wait_ready()
    eventually(lambda: app.notes()[-1]["changes"][0]["current"].get("number") == 3)


def test_documents_of_one_transaction_come_together_however_many_may(app, run, source, eventually):
    """Write eight in one batch, where five may come at a time."""
    source.database.delete_container("things")
    source.container = source.database.create_container("things", PartitionKey("/pk"))
    app.write(declare(SOURCE))
    source.container.execute_item_batch([("create", ({"id": item, "pk": "x"},)) for item in IDS[:8]], "x")

    run().wait_ready()
    eventually(app.notes)

    assert [note["ids"] for note in app.notes()] == [IDS[:8]]


def test_a_thread_of_the_app_that_fails_is_logged_and_ends_nothing(app, run, source, eventually):
    """Let one thread raise and another one exit, and deliver on."""
    threads = "    import threading, sys\n    threading.Thread(target=sys.exit).start()\n"
    fail = "    threading.Thread(target=int, args=('nope',)).start()\n"
    app.write(declare(SOURCE + threads + fail))
    source.write("one")
    host = run().wait_ready()
    eventually(lambda: "error host: a thread of the app failed: ValueError" in host.errors)

    source.write("two")
    eventually(lambda: delivered(app) == ["one", "two"])

    assert host.stop() == 0


def test_an_account_that_goes_away_is_waited_for_and_logged_once(app, source, proxy, start, eventually):
    """Cut every connection between host and server, write meanwhile, and let them through again."""
    app.write(declare(SOURCE))
    account = f"AccountEndpoint=http://127.0.0.1:{proxy.port}/;AccountKey={source.server.key};"
    host = start(app, COSMOS=account).wait_ready()
    source.write(*IDS[:20])
    eventually(lambda: len(delivered(app)) == 20)

    proxy.cut()
    eventually(lambda: "warning feed: Cosmos is not available" in host.errors)
    eventually(lambda: all(f"Lease {lease} experiencing transient connectivity" in host.errors for lease in "01"))
    source.write(*IDS[20:])
    proxy.is_cut = False
    eventually(lambda: set(delivered(app)) == set(IDS))

    # When the connections were cut, a batch of each of the two ranges may have been delivered and not yet checkpointed.
    assert len(delivered(app)) <= len(IDS) + 2 * 5
    assert host.errors.count("Cosmos is not available") == 1
    assert host.stop() == 0


def test_an_account_that_is_away_at_the_start_is_waited_for(app, source, proxy, start, eventually):
    """Start the host with every connection cut."""
    app.write(declare(SOURCE))
    source.write(*IDS)
    proxy.cut()
    account = f"AccountEndpoint=http://127.0.0.1:{proxy.port}/;AccountKey={source.server.key};"
    host = start(app, COSMOS=account).wait_ready()
    assert host.errors.count("warning feed: Cosmos is not available") == 1

    proxy.is_cut = False
    eventually(lambda: len(delivered(app)) >= len(IDS))

    assert sorted(delivered(app)) == sorted(IDS)


def test_an_address_at_which_nobody_listens_is_named(app, start, eventually):
    """Hold a port without listening: the host could take one that was just free for itself."""
    app.write(declare(SOURCE))
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]

        host = start(app, COSMOS=f"AccountEndpoint=http://127.0.0.1:{port}/;AccountKey=a2V5;")

        eventually(lambda: "Cosmos is not available, trying again: ServiceRequestError" in host.errors)
    assert f"port={port}" in host.errors


def test_wrong_credentials_end_the_host(app, source, start):
    """Give a key that is not the server's."""
    app.write(declare(SOURCE))

    host = start(app, COSMOS=f"AccountEndpoint={source.server.endpoint};AccountKey=d3Jvbmc=;")

    assert host.wait() == 1
    assert host.errors == "functions: function feed: Cosmos refuses the key or token of the connection COSMOS\n"


def test_a_host_with_parent_ends_with_its_parent(app, source):
    """Kill the process that started the host, and wait for the host to close its output."""
    app.write(declare(SOURCE))
    code = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(600)"
    command = [sys.executable, "-m", "local.functions", "--with-parent", "--root", str(app.root), "--port", "0"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *command],
        env={**os.environ, "COSMOS": source.server.connection_string},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout.readline().startswith("functions: http")

        parent.kill()

        assert parent.stdout.read() == ""


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_an_account_on_this_machine_may_have_https_and_the_log_stays_quiet(app, start, eventually):
    """Read from a server with a certificate of its own, as the official emulator has."""
    app.write(declare(SOURCE))
    with (
        CosmosServer(tls=True) as server,
        CosmosClient.from_connection_string(server.connection_string) as client,
    ):
        source = Source(server, client)
        source.write("one")
        host = start(app, COSMOS=server.connection_string).wait_ready()
        eventually(lambda: delivered(app) == ["one"])
        assert host.stop() == 0

    assert host.errors == ""


def test_dates_that_the_real_host_would_rewrite_are_warned_about(app, run, source):
    """Leave dateParseHandling out of host.json."""
    app.write(declare(SOURCE), host_json={"version": "2.0"})

    host = run().wait_ready()

    assert host.stop() == 0
    assert (
        "warning host: host.json does not set extensions.cosmosDB.serializerSettings.dateParseHandling" in host.errors
    )


def test_verbose_logs_invocations_and_the_information_of_the_app(app, run, source, eventually):
    """Log from the function."""
    app.write(declare(TRIGGER + 'def feed(documents):\n    import logging; logging.info("hello")\n'))
    source.write("one")
    host = run("--verbose").wait_ready()

    eventually(lambda: "info feed: succeeded in" in host.errors)

    assert "info feed: hello\n" in host.errors
    assert host.stop() == 0


def test_the_log_can_be_json(app, run, source, eventually):
    """Raise in the function."""
    app.write(declare(TRIGGER + 'def feed(documents):\n    raise ValueError("nope")\n'))
    source.write("one")
    host = run("--json-log").wait_ready()

    eventually(lambda: "encountered an unhandled user exception" in host.errors)

    failed, lost = map(json.loads, host.errors.splitlines())
    assert failed.keys() == {"time", "level", "source", "message", "error"}
    assert (failed["level"], failed["source"]) == ("error", "feed")
    assert failed["error"].startswith("ValueError: nope (function_app.py:")
    assert lost["level"] == "warning"
    assert re.fullmatch(LOST, lost["message"])
