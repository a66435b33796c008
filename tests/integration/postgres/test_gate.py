"""Every writing transaction passes the gate first: no write slips past a change of the phase."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import SimpleNamespace

import psycopg
import pytest

from cdc.config.settings import Phase
from cdc.core.documents import Reading
from cdc.core.errors import FatalError, PausedError, PhaseError
from cdc.core.source_container import SourceContainer
from cdc.operations.pruning import prune_tombstones
from cdc.postgres import containers, gate
from cdc.repair.reread import repair_document
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from tests.builders import an_upsert

ONE, THREE = Phase.DUAL_WRITE_COSMOS_READ, Phase.POSTGRES_ONLY


def deliver(_, sink):
    """Apply a batch, in one piece or in several."""
    replicate(ACCOUNTS, [an_upsert(name, ts=5) for name in "abc"], sink)


def reread(database, _):
    """Write what the source answers for one document."""
    change = an_upsert("a", ts=5)
    body = change.body | {"_ts": change.version.ts, "_etag": change.version.etag}
    source = SimpleNamespace(read_document=lambda _: Reading(body, change.version.ts))
    repair_document(ACCOUNTS, change.identity, source, a_store(database))


def a_store(database):
    """The store of rereads."""
    return PostgresRereadStore(database, backoff_seconds=60, settle_seconds=120)


def retry_letters(database, _):
    """Take letters that are due."""
    a_store(database).claim(["Accounts"], 10)


def prune(database, _):
    """Forget old deletes."""
    prune_tombstones(database, "Accounts", datetime.now(UTC))


def keep_type(database, _):
    """Show a type of documents that no mapper takes, as a repair does before it writes."""
    change = an_upsert("a", ts=5)
    body = change.body | {"_ts": change.version.ts, "_etag": change.version.etag, "$type": "SalesOrder"}
    source = SimpleNamespace(read_document=lambda _: Reading(body, change.version.ts))
    repair_document(ACCOUNTS, change.identity, source, a_store(database))


def adopt(database, _):
    """Let another container take the place of the one seen first."""
    containers.adopt(database, SourceContainer("Accounts", "another", "rid", ("/id",)))


every_writer = pytest.mark.parametrize("write", [deliver, reread, retry_letters, prune, keep_type, adopt])


def assert_nothing_is_written(observer):
    """Neither documents, nor what is known of them."""
    for table in ("document", "container", "unmapped_type"):
        assert observer.rows(f"cdc.{table}") == []


@every_writer
def test_nothing_writes_in_phase_3(database, sink, observer, write, owner_database):
    """The recorded phase refuses every writer, in one sentence, whatever its settings say."""
    gate.record(owner_database, ONE, THREE)

    with pytest.raises(PhaseError, match=r"^Phase 3 is recorded.*MIGRATION_PHASE to 3"):
        write(database, sink)

    assert_nothing_is_written(observer)


@every_writer
def test_nothing_writes_without_a_phase(database, connection, sink, observer, write):
    """The sentence names the command that records one."""
    connection.execute("delete from cdc.phase")

    with pytest.raises(FatalError, match="python -m cdc setup"):
        write(database, sink)

    assert_nothing_is_written(observer)


@pytest.mark.parametrize("phase", [Phase.COSMOS_ONLY, Phase.DUAL_WRITE_POSTGRES_READ])
def test_other_phases_refuse_nothing(database, sink, observer, phase, owner_database):
    """Only phase 3 makes PostgreSQL the application's own."""
    gate.record(owner_database, ONE, phase)

    deliver(database, sink)

    assert len(observer.ledger()) == 3


def test_a_paused_container_is_refused_and_its_neighbours_are_not(database, connection, sink):
    """One read of the gate answers for the phase and for the pause."""
    pause = (
        "insert into cdc.pause (container, reason, source, positions) values (%s, 'a bad release', 'operator', '[]')"
    )
    connection.execute(pause, ["UserProfiles"])
    deliver(database, sink)

    connection.execute(pause, ["Accounts"])

    with pytest.raises(PausedError, match=r"^Accounts is paused.*: a bad release$"):
        deliver(database, sink)


def test_who_waited_for_the_switch_sees_the_new_phase(dsn, database, sink, observer, owner_database):
    """A statement that waits for a lock keeps its snapshot: the gate reads the phase in a later one."""
    plain = "select phase from cdc.phase, pg_advisory_xact_lock_shared(cdc.gate_key())"
    with ThreadPoolExecutor(2) as pool, psycopg.connect(dsn, autocommit=True) as other:
        with gate.closed(owner_database) as switch:
            switch.execute("update cdc.phase set phase = 3")
            stale = pool.submit(lambda: other.execute(plain).fetchone())
            refused = pool.submit(deliver, database, sink)
            observer.wait_until_blocked(2)

        assert stale.result() == (1,)  # what a plain statement would believe
        with pytest.raises(PhaseError):
            refused.result()
    assert observer.ledger() == {}


# An instance whose own setting is 1: it applies batches until it is refused.
INSTANCE = """
import sys
from itertools import count
from cdc.core.errors import PhaseError
from cdc.postgres.database import Database
from cdc.replication import planning
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from mappers.accounts import ACCOUNTS
from tests.builders import an_upsert

planning._LEAST = planning._MOST = 1  # document by document, in a pipeline
sink = PostgresSink(Database(sys.argv[1]))
for ts in count(1):
    try:
        replicate(ACCOUNTS, [an_upsert(name, ts=ts) for name in "abcdefgh"], sink)
    except PhaseError as error:
        print(f"{ts} {error}", flush=True)
        break
    print(ts, flush=True)
"""


def test_a_switch_waits_for_a_batch_and_refuses_the_next(dsn, app_dsn, database, connection, observer, owner_database):
    """Another process is held in the middle of a batch: it commits all of it, then nothing more is written."""
    switched = None
    with (
        subprocess.Popen([sys.executable, "-c", INSTANCE, app_dsn], stdout=subprocess.PIPE, text=True) as instance,
        ThreadPoolExecutor(1) as pool,
    ):
        assert instance.stdout.readline() == "1\n"
        with psycopg.connect(dsn) as holder:
            holder.execute("select from cdc.document where key = %s for update", [an_upsert("e").key])
            observer.wait_until_blocked(1)  # it has recorded some documents, and waits for this one
            switched = pool.submit(gate.record, owner_database, ONE, THREE)
            observer.wait_until_blocked(2)
            assert gate.read_phase(database).phase is ONE
        switched.result()
        standing = observer.ledger()
        *written, last = instance.stdout.read().splitlines()
        assert instance.wait() == 0

    refused, _, sentence = last.partition(" ")
    assert sentence.startswith("Phase 3 is recorded")
    assert [int(ts) for ts in written] == list(range(2, int(refused)))
    versions = connection.execute("select distinct ts from cdc.document").fetchall()
    assert len(versions) == 1  # the last batch is there whole, or the whole of none
    assert observer.ledger() == standing


def test_the_history_keeps_what_was_known(database, owner_database):
    """Who changed the phase, from what to what, how the checks stood, and why somebody overrode them."""
    gate.record(owner_database, ONE, Phase.DUAL_WRITE_POSTGRES_READ, [{"name": "lag", "passed": False}], "a rehearsal")

    second, first = gate.read_changes(database)

    assert (first.before, first.phase, first.checks) == (None, ONE, [])
    assert (second.before, second.phase, second.override) == (ONE, Phase.DUAL_WRITE_POSTGRES_READ, "a rehearsal")
    assert json.dumps(second.checks) == '[{"name": "lag", "passed": false}]'
    assert second.by == "migrated_owner"
    assert second.at == gate.read_phase(database).since
