"""Several writers at once: whoever comes second finds what the first one left."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from threading import Barrier
from types import SimpleNamespace

import psycopg
import pytest

from cdc.errors import TransientError
from cdc.model import Held, Outcome, State, Version
from cdc.notes import Reading
from cdc.postgres import Database
from cdc.repair import repair_document
from cdc.repairs import PostgresRepairs
from cdc.replicate import map_change, replicate
from cdc.sink import PostgresSink
from cdc.version import Verdict, judge
from mappers.accounts import ACCOUNTS
from tests.builders import TS, a_change, a_version, an_account


def an_upsert(id_="a", ts=0, lsn=None, row=None, **overrides):
    """Build a version of an account whose row may have another id than the document."""
    return a_change(id_, version=a_version(ts, lsn), body=an_account(row or id_, **overrides))


class Overtaken(PostgresSink):
    """A sink that another writer overtakes between the unlocked read and the transaction."""

    def __init__(self, database, *meanwhile):
        super().__init__(database)
        self._meanwhile = list(meanwhile)

    def read_held(self, keys):
        """Read, then let the other writer commit."""
        held = super().read_held(keys)
        while self._meanwhile:
            replicate(ACCOUNTS, [self._meanwhile.pop(0)], PostgresSink(self._database))
        return held


def test_a_row_key_written_meanwhile_is_abandoned(database, observer):
    """The ledger row appears after the unlocked read: the rows under its key go all the same."""
    sink = Overtaken(database, an_upsert(ts=1, row="old"))

    outcome = replicate(ACCOUNTS, [an_upsert(ts=2, row="new")], sink)

    assert outcome == Outcome(applied=1)
    assert observer.ids() == ["new"]
    assert [row["account_id"] for row in observer.rows("completed_scenarios")] == ["new"]


def test_a_delete_removes_rows_written_meanwhile(database, observer):
    """A delete does not carry the row key: it finds the one that the other writer has just written."""
    sink = Overtaken(database, an_upsert(ts=1, row="old"))

    replicate(ACCOUNTS, [a_change(version=a_version(2), body=None)], sink)

    assert observer.ids() == []
    assert observer.states() == {"a": "deleted"}


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("order", [1, -1])
def test_a_newer_version_written_meanwhile_wins(database, observer, order):
    """The guard of the ledger, not the unlocked read, decides; the loser's neighbours go in, before it and after it."""
    loser, neighbour = sorted("ab", key=lambda id_: an_upsert(id_).key)[::order]
    sink = Overtaken(database, an_upsert(loser, ts=3, DisplayName="newer"))

    outcome = replicate(ACCOUNTS, [an_upsert(loser, ts=2), an_upsert(neighbour)], sink)

    assert outcome == Outcome(applied=1, stale=1)
    names = {row["id"]: row["display_name"] for row in observer.rows("accounts")}
    assert names == {loser: "newer", neighbour: "Thandi M"}


def test_a_delete_committed_meanwhile_is_not_undone(database, observer):
    """An upsert that was read before the delete does not revive the document."""
    sink = Overtaken(database, an_upsert(ts=0), a_change(version=a_version(3), body=None))

    outcome = replicate(ACCOUNTS, [an_upsert(ts=2)], sink)

    assert outcome == Outcome(stale=1)
    assert observer.ids() == []


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("email", ["thandi@example.com", None], ids=["mapped", "unmappable"])
def test_a_version_that_became_undecided_meanwhile_is_read_again(database, observer, email):
    """What lost against a version that it cannot be ordered with is not dropped, whatever comes after it."""
    loser, neighbour = sorted("ab", key=lambda id_: an_upsert(id_).key)
    sink = Overtaken(database, an_upsert(loser, ts=2, lsn=7, DisplayName="first"))

    outcome = replicate(ACCOUNTS, [an_upsert(loser, ts=2, lsn=None, Email=email), an_upsert(neighbour)], sink)

    assert outcome == Outcome(applied=1, undecided=1)
    assert {row["id"]: row["display_name"] for row in observer.rows("accounts")}[loser] == "first"
    assert observer.letters() == {loser: ("undecided", "_ts", TS + 2)}


VERSIONS = [Version(TS + ts, lsn, etag) for ts in (0, 9, 30) for lsn in (None, 0, 1) for etag in ("x", "y")]


@pytest.mark.parametrize("held_kind", ["live", "deleted", "absent"])
@pytest.mark.parametrize("incoming_kind", ["live", "deleted"])
def test_the_guard_of_the_ledger_agrees_with_the_judgement(sink, observer, held_kind, incoming_kind):
    """Every pair of versions is judged alike by the SQL guard, which sees what was committed last, and by judge."""
    pairs = [
        (
            a_change(str(number), version=held, body=bodies[held_kind], absence=held_kind == "absent"),
            a_change(str(number), version=incoming, body=bodies[incoming_kind]),
        )
        for number, (held, incoming) in enumerate(product(VERSIONS, VERSIONS))
        for bodies in [{"live": an_account(str(number)), "deleted": None, "absent": None}]
    ]
    sink.apply(ACCOUNTS, [[map_change(ACCOUNTS, held) for held, _ in pairs]])
    verdicts = {
        held.identity.id.strip('"'): judge(
            incoming,
            Held(
                held.version,
                State.APPLIED if held_kind == "live" else State.DELETED,
                held.absence,
            ),
        )
        for held, incoming in pairs
    }

    sink.apply(ACCOUNTS, [[map_change(ACCOUNTS, incoming) for _, incoming in pairs]])

    ledger, letters = observer.ledger(), observer.letters()
    for held, incoming in pairs:
        id_ = held.identity.id.strip('"')
        wins = verdicts[id_] is Verdict.NEWER
        assert Version(*ledger[id_][:3]) == (incoming.version if wins else held.version)
        assert (id_ in letters) == (verdicts[id_] is Verdict.UNDECIDED)


def test_the_same_version_applied_meanwhile_is_stale(database, observer):
    """Feed and backfill may deliver one version at the same moment."""
    sink = Overtaken(database, an_upsert(ts=2, lsn=7))

    outcome = replicate(ACCOUNTS, [an_upsert(ts=2, lsn=7)], sink)

    assert outcome == Outcome(stale=1)
    assert observer.letters() == {}


def test_concurrent_writers_do_not_deadlock_and_converge(dsn, observer):
    """Writers with the same documents in opposite orders all succeed at once, and the newest versions stand."""
    writers, rounds, documents = 4, 8, 25
    start = Barrier(writers)

    def deliver(writer):
        database = Database(dsn)
        sink = PostgresSink(database)
        start.wait()
        for turn in range(rounds):
            ts = (turn * writers + writer) % (writers * rounds)
            batch = [
                an_upsert(f"d{number}", ts, **({"Email": None} if (ts + number) % 5 == 0 else {"DisplayName": str(ts)}))
                for number in range(documents)
            ]
            replicate(ACCOUNTS, batch if writer % 2 else batch[::-1], sink)
        database.close()

    with ThreadPoolExecutor(writers) as pool:
        for done in [pool.submit(deliver, writer) for writer in range(writers)]:
            done.result()

    newest = writers * rounds - 1
    parked = {f"d{number}" for number in range(documents) if (newest + number) % 5 == 0}
    assert {held[0] for held in observer.ledger().values()} == {TS + newest}
    assert set(observer.letters()) == parked
    applied = {row["id"]: row["display_name"] for row in observer.rows("accounts") if row["id"] not in parked}
    assert applied == {f"d{number}": str(newest) for number in range(documents) if f"d{number}" not in parked}


def test_a_lost_connection_loses_nothing(sink, observer, dsn):
    """A connection that breaks in the middle commits nothing, blames nobody, and the retry applies the batch."""
    replicate(ACCOUNTS, [an_upsert("a")], sink)
    batch = [an_upsert("a", 1, DisplayName="new"), an_upsert("b"), an_upsert("c", Email=None)]
    ledger = observer.ledger()

    with psycopg.connect(dsn) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("select 1 from accounts for update")
        outcome = pool.submit(replicate, ACCOUNTS, batch, sink)
        observer.wait_until_blocked()
        observer.connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock'"
        )
        with pytest.raises(TransientError):
            outcome.result()
        holder.rollback()

    assert observer.ledger() == ledger
    assert observer.letters() == {}
    assert replicate(ACCOUNTS, batch, sink).applied == 2
    assert observer.ids() == ["a", "b"]


def test_a_connection_that_is_lost_while_a_batch_is_mapped_loses_nothing(database, observer):
    """What is under way in the pipeline comes to nothing, no document is blamed, and the retry applies the batch."""
    sink, batch = PostgresSink(database), [an_upsert(f"d{number}") for number in range(60)]
    last = max(batch, key=lambda change: change.key).body["id"]
    others = "pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"

    def disconnect(account):
        if account.id == last:
            observer.connection.execute(f"select pg_terminate_backend(pid) from {others}")
            while observer.connection.execute(f"select from {others}").rowcount:
                pass
        return ACCOUNTS.rows(account)

    with pytest.raises(TransientError):
        replicate(replace(ACCOUNTS, rows=disconnect), batch, sink)

    assert observer.ledger() == {}
    assert replicate(ACCOUNTS, batch, sink) == Outcome(applied=60)


def test_the_ledger_is_locked_in_key_order(dsn, sink, observer):
    """A transaction that waits for one document holds no document with a greater key, however its batch was ordered."""
    low, high = sorted((an_upsert("a"), an_upsert("b")), key=lambda change: change.key)
    replicate(ACCOUNTS, [low, high], sink)
    low_id, high_id = (change.identity.id.strip('"') for change in (low, high))
    lock = "select 1 from cdc.document where key = %s for update"

    with psycopg.connect(dsn) as first, psycopg.connect(dsn) as second, ThreadPoolExecutor(1) as pool:
        first.execute(lock, [low.key])
        outcome = pool.submit(replicate, ACCOUNTS, [an_upsert(high_id, ts=1), an_upsert(low_id, ts=1)], sink)
        observer.wait_until_blocked()
        try:
            second.execute(f"{lock} nowait", [high.key])
        finally:
            second.rollback()
            first.rollback()

        assert outcome.result().applied == 2


@pytest.mark.parametrize("email", ["thandi@example.com", None], ids=["cleared", "parked"])
def test_letters_are_locked_in_key_order(dsn, sink, observer, email):
    """A transaction that waits for one document's letter holds no letter with a greater key: no circle can close."""
    low, high = sorted((an_upsert("a", Email=None), an_upsert("b", Email=None)), key=lambda change: change.key)
    replicate(ACCOUNTS, [low, high], sink)
    low_id, high_id = (change.identity.id.strip('"') for change in (low, high))
    lock = "select 1 from cdc.dead_letter where key = %s for update"

    with psycopg.connect(dsn) as first, psycopg.connect(dsn) as second, ThreadPoolExecutor(1) as pool:
        first.execute(lock, [low.key])
        batch = [an_upsert(low_id, ts=0, lsn=7), an_upsert(high_id, ts=1, Email=email)]
        outcome = pool.submit(replicate, ACCOUNTS, batch, sink)
        observer.wait_until_blocked()
        try:
            second.execute(f"{lock} nowait", [high.key])
        finally:
            second.rollback()
            first.rollback()

        assert outcome.result().undecided == 1


def read_again(change, dsn):
    """Repair a document whose source answers with this change."""
    database = Database(dsn)
    repairs = PostgresRepairs(database, backoff_seconds=60, settle_seconds=120)
    version = {"_ts": change.version.ts, "_etag": change.version.etag}
    source = SimpleNamespace(read_document=lambda _: Reading(change.body | version, change.version.ts))
    repair_document(ACCOUNTS, change.identity, source, repairs)
    database.close()


@pytest.mark.parametrize("write", ["deliver", "repair"])
def test_letters_that_are_woken_are_locked_in_the_same_order(dsn, sink, observer, write):
    """A transaction that clears one letter and wakes another holds none while it waits for the lesser one."""
    low, high = sorted((an_upsert("a", row="r"), an_upsert("b", row="r")), key=lambda change: change.key)
    high_id = high.identity.id.strip('"')
    for change in (high, low, an_upsert(high_id, ts=1, Email=None)):
        replicate(ACCOUNTS, [change], sink)
    assert len(observer.letters()) == 2
    moved = an_upsert(high_id, ts=2, row="elsewhere")
    lock = "select 1 from cdc.dead_letter where key = %s for update"

    with psycopg.connect(dsn) as first, psycopg.connect(dsn) as second, ThreadPoolExecutor(1) as pool:
        first.execute(lock, [low.key])
        done = pool.submit(*((replicate, ACCOUNTS, [moved], sink) if write == "deliver" else (read_again, moved, dsn)))
        observer.wait_until_blocked()
        try:
            second.execute(f"{lock} nowait", [high.key])
        finally:
            second.rollback()
            first.rollback()
        done.result()

    assert observer.rows("cdc.dead_letter", "id, next_attempt_at <= now() as due") == [
        {"id": low.identity.id, "due": True}
    ]
