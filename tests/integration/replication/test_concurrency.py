"""Several writers at once: whoever comes second finds what the first one left."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import product
from threading import Barrier, Event

import psycopg
import pytest

from cdc.core.documents import Held, State, Version
from cdc.core.errors import TransientError
from cdc.core.ordering import Verdict, judge
from cdc.core.writes import Outcome, map_change
from cdc.postgres.database import Database
from cdc.replication.batch import replicate
from cdc.replication.planning import Piece
from cdc.replication.sink import PostgresSink
from local.patience import PATIENCE_SECONDS
from mappers.accounts import ACCOUNTS
from tests.builders import TS, a_change, a_version, an_account, an_upsert


class Overtaken(PostgresSink):
    """A sink that another writer overtakes between the unlocked read and the ledger's upsert."""

    def __init__(self, database, *meanwhile):
        super().__init__(database)
        self._meanwhile = list(meanwhile)

    def apply(self, mapper, pieces, also=None):
        """Let the other writer commit when the ledger has been read."""
        return super().apply(mapper, [replace(piece, plan=partial(self._plan, piece)) for piece in pieces], also)

    def _plan(self, piece, held):
        for change in [each for each in self._meanwhile if each.key in piece.keys]:
            self._meanwhile.remove(change)
            replicate(ACCOUNTS, [change], PostgresSink(self._database))
        return piece.plan(held)


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


def a_piece(writes):
    """Documents that are written whatever the ledger was seen to hold."""
    planned = list(writes)
    return Piece([write.change.key for write in planned], len(planned), lambda _: planned)


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
    sink.apply(ACCOUNTS, [a_piece(map_change(ACCOUNTS, held) for held, _ in pairs)])
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

    sink.apply(ACCOUNTS, [a_piece(map_change(ACCOUNTS, incoming) for _, incoming in pairs)])

    ledger, letters = observer.ledger(), observer.letters()
    for held, incoming in pairs:
        id_ = held.identity.id.strip('"')
        wins = verdicts[id_] is Verdict.NEWER
        assert Version(*ledger[id_][:3]) == (incoming.version if wins else held.version)
        assert (id_ in letters) == (verdicts[id_] is Verdict.UNDECIDED)


def test_the_same_version_applied_meanwhile_is_stale(database, observer):
    """Feed and backfill may deliver one version at the same moment; what was noticed in it counts once."""
    sink = Overtaken(database, an_upsert(ts=2, lsn=7, Colour="red"))

    outcome = replicate(ACCOUNTS, [an_upsert(ts=2, lsn=7, Colour="red")], sink)

    assert outcome == Outcome(stale=1)
    assert observer.letters() == {}
    assert observer.rows("cdc.observation", "path, documents") == [{"path": "$.Colour", "documents": 1}]


def test_concurrent_writers_do_not_deadlock_and_converge(app_dsn, observer):
    """Writers with the same documents in opposite orders all succeed at once, and the newest versions stand."""
    writers, rounds, documents = 4, 8, 25
    start = Barrier(writers)

    def deliver(writer):
        database = Database(app_dsn)
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


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("leaver", ["a", "b"])
@pytest.mark.parametrize("row", ["elsewhere", None], ids=["moves", "is deleted"])
def test_a_row_that_changes_hands_between_writers_has_all_its_children(database, observer, leaver, row):
    """What the writer before is about to delete is no child that is there, although it can still be seen."""
    taker = "b" if leaver == "a" else "a"
    sink = PostgresSink(database)
    replicate(ACCOUNTS, [an_upsert(leaver, row="k")], sink)
    deleted, goes_on = Event(), Event()

    def hold(_connection, _outcome):
        deleted.set()
        goes_on.wait(PATIENCE_SECONDS)

    leaves = an_upsert(leaver, ts=1, row=row) if row else a_change(leaver, version=a_version(1), body=None)
    children = ["scenario-1", "scenario-2"]
    takes = an_upsert(taker, ts=1, row="k", CompletedScenarioIds=children)
    with ThreadPoolExecutor(2) as pool:
        before = pool.submit(replicate, ACCOUNTS, [leaves], sink, hold)
        deleted.wait(PATIENCE_SECONDS)
        after = pool.submit(replicate, ACCOUNTS, [takes], sink)
        try:
            observer.wait_until_blocked()
        finally:
            goes_on.set()
        outcome = before.result() + after.result()

    assert outcome == (Outcome(applied=2) if row else Outcome(applied=1, deleted=1))
    assert "k" in observer.ids()
    held = observer.rows("completed_scenarios", "account_id, scenario_id")
    assert sorted(each["scenario_id"] for each in held if each["account_id"] == "k") == children
