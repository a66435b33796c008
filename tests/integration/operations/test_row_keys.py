"""The ledger's row keys get tables and hashes under live writes, and two releases see each other's claims."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc.config.settings import Phase
from cdc.core import row_keys
from cdc.operations import migration_steps
from cdc.operations.migrations import Series, migrate, read_migrations
from cdc.postgres.database import Database
from cdc.postgres.gate import record_first
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from mappers import APPLICATION_SQL, MAPPERS
from mappers.accounts import ACCOUNTS
from tests.builders import TS, a_change, a_version, an_account
from tests.conftest import create_database
from tests.integration.observer import Observer
from tests.integration.operations.release_before import apply_before, open_before

MIGRATIONS = read_migrations(APPLICATION_SQL)
(ROW_KEYS,) = (each for each in MIGRATIONS if each.series is Series.ENGINE and each.number == 24)
EARLIER = [each for each in MIGRATIONS if each.series is Series.APPLICATION or each.number < 24]
STEPS = migration_steps.read_steps(ROW_KEYS.name, ROW_KEYS.statements)
NAMES = [step.name for step in STEPS]
ROOTS = {mapper.container: str(mapper.tables[0]) for mapper in MAPPERS}
RUN = """
import sys
from cdc.operations import migration_steps
from cdc.operations.migrations import migrate, read_migrations
from cdc.postgres.database import Database
from mappers import APPLICATION_SQL, MAPPERS
migration_steps._BATCH = 50
roots = {mapper.container: str(mapper.tables[0]) for mapper in MAPPERS}
migrate(Database(sys.argv[1]), read_migrations(APPLICATION_SQL), roots)
"""
_FILL = """
insert into cdc.document (key, container, partition_key, id, ts, lsn, etag, row_key, state)
select sha256(convert_to('["Accounts","p","' || n || '"]', 'UTF8')), 'Accounts', '"p"', '"' || n || '"', %(ts)s, null,
    'e', '["' || n || '"]', 'applied'
from generate_series(1, %(documents)s) as s (n)
"""
_ACCOUNTS = "insert into accounts (id, email) select n::text, 'x' from generate_series(1, %(documents)s) as s (n)"


@pytest.fixture(scope="module")
def before(postgres_server):
    """The name of a template as the release before left it."""
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute("create database before_row_keys")
    database = Database(postgres_server.dsn("before_row_keys"))
    migrate(database, EARLIER)
    record_first(database, Phase.DUAL_WRITE_COSMOS_READ)
    database.close()
    return "before_row_keys"


@pytest.fixture
def old_dsn(postgres_server, before):
    """The address of a database of the release before."""
    yield from create_database(postgres_server, before)


@pytest.fixture
def admin(old_dsn):
    """A plain connection of the administrator to it."""
    with psycopg.connect(old_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def old_database(old_dsn):
    """A pool on it."""
    database = Database(old_dsn)
    yield database
    database.close()


def fill(dsn, documents):
    """Write accounts as the release before did."""
    with psycopg.connect(dsn) as connection:
        connection.execute(_FILL, {"documents": documents, "ts": TS})
        connection.execute(_ACCOUNTS, {"documents": documents})


def apply_steps(database, count):
    """Apply the first steps."""
    migration_steps.apply(database, STEPS[:count], ROOTS)


def an_upsert(id_, row=None, ts=1):
    """Build a version of an account that tells which document wrote the row."""
    return a_change(id_, partition_key="p", version=a_version(ts), body=an_account(row or id_, DisplayName=id_))


def find_wrong(dsn):
    """Return what is wrong: documents whose table or hash is not that of their row key, rows that another holds."""
    write = row_keys.by_key(ACCOUNTS.tables[0])
    with psycopg.connect(dsn) as connection:
        ledger = connection.execute(
            "select id, row_table, row_key, row_hash, state from cdc.document where container = 'Accounts'"
        ).fetchall()
        accounts = dict(connection.execute("select id, display_name from accounts").fetchall())
    wrong = []
    for id_, table, key, hash_, _ in ledger:
        named = None if key is None else write([key[2:-2]])
        if (named and (named.table, named.hash)) != (table and (table, hash_)) or (key is None) != (hash_ is None):
            wrong.append(("ledger", id_, table, key))
    held = {key[2:-2]: id_.strip('"') for id_, _, key, _, _ in ledger if key is not None}
    wrong += [("row", id_, name) for id_, name in accounts.items() if name not in (None, held.get(id_))]
    return wrong + [("missing", id_) for id_ in held.keys() ^ accounts.keys()]


def rule(dsn):
    """Return the unique rules of the ledger, and its invalid indexes."""
    with psycopg.connect(dsn) as connection:
        rules = connection.execute(
            "select conname, pg_get_constraintdef(oid) from pg_constraint"
            " where conrelid = 'cdc.document'::regclass and contype = 'u'"
        ).fetchall()
        invalid = connection.execute("select indexrelid::regclass::text from pg_index where not indisvalid").fetchall()
    return rules, invalid


DONE = ([("document_row_key_unique", "UNIQUE (row_hash) DEFERRABLE INITIALLY DEFERRED")], [])


@contextmanager
def live(work):
    """Let threads work until the block ends; raise what one of them raises."""
    stop = Event()
    with ThreadPoolExecutor(len(work)) as pool:
        futures = [pool.submit(each, stop) for each in work]
        try:
            yield
        finally:
            stop.set()
        for future in futures:
            future.result()


def test_a_large_ledger_is_rewritten_under_live_writes(old_dsn, old_database):
    """The release before writes all the while, this one from the moment it can: nothing is lost, no row has two."""
    fill(old_dsn, 20_000)
    rounds = []
    with open_before(old_dsn) as connection:
        apply_before(connection, [an_upsert("late", "20000")])

    def write_before(stop):
        with open_before(old_dsn) as connection:
            for n in range(1, 20_000):
                if stop.is_set():
                    return
                one, two = str(n * 37 % 20_000 + 1), f"new-{n}"
                apply_before(connection, [an_upsert(one, f"{one}-moved", 10 + n), an_upsert(two, one, 10 + n)])
                rounds.append((one, two))

    def write_after(stop):
        with psycopg.connect(old_dsn, autocommit=True) as admin:
            while not (rounds and "rule" in finished(admin)) and not stop.is_set():
                time.sleep(0.01)
        database = Database(old_dsn)
        sink = PostgresSink(database)
        while not stop.is_set():
            one, two = rounds[-1]
            replicate(ACCOUNTS, [an_upsert(two, two, 50_000), an_upsert(one, one, 50_000)], sink)
        database.close()

    with live([write_before, write_after]):
        migrate(old_database, MIGRATIONS, ROOTS)

    with psycopg.connect(old_dsn) as connection:
        letters = dict(connection.execute("select id, wanted_row from cdc.dead_letter").fetchall())
    assert letters['"late"'] == row_keys.by_key(ACCOUNTS.tables[0])(["20000"]).hash
    assert None not in letters.values()
    assert len(rounds) > 1
    assert find_wrong(old_dsn) == []
    assert rule(old_dsn) == DONE


def finished(connection):
    """Return the finished steps of the migration, and those that have begun, with a star."""
    if connection.execute("select to_regclass('cdc.migration_step')").fetchone() == (None,):
        return set()
    found = connection.execute("select step, finished from cdc.migration_step").fetchall()
    return {step if done else f"{step}*" for step, done in found}


@pytest.mark.parametrize("step", [*NAMES, "documents*"])
def test_a_killed_migration_goes_on(old_dsn, old_database, admin, step):
    """Whenever it is killed, what the writers need is there, and another run ends it."""
    fill(old_dsn, 1_000)
    runs = subprocess.Popen([sys.executable, "-c", RUN, old_dsn])
    while step not in finished(admin) and runs.poll() is None:
        time.sleep(0.001)
    runs.send_signal(signal.SIGKILL)
    runs.wait()
    with open_before(old_dsn) as connection:
        apply_before(connection, [an_upsert("1", "2"), an_upsert("2", "1")])
        apply_before(connection, [an_upsert("new", "3")])
        assert connection.execute("select id from cdc.dead_letter").fetchall() == [('"new"',)]

    migrate(old_database, MIGRATIONS, ROOTS)

    assert find_wrong(old_dsn) == []
    assert rule(old_dsn) == DONE
    assert {*NAMES} == finished(admin)


@pytest.mark.parametrize("ends", ["killed", "goes on"])
def test_an_interrupted_index_is_dropped_or_taken(old_dsn, old_database, admin, ends):
    """A killed run may leave an invalid index, or a server process that still builds it."""
    fill(old_dsn, 100)
    with psycopg.connect(old_dsn) as writer:
        apply_steps(old_database, NAMES.index("hash") + 1)
        writer.execute("update cdc.document set etag = 'f' where id = '\"1\"'")
        runs = subprocess.Popen([sys.executable, "-c", RUN, old_dsn])
        Observer(admin).wait_until_blocked()
        runs.send_signal(signal.SIGKILL)
        runs.wait()
        if ends == "killed":
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where query like 'create unique%'"
                " and datname = current_database()"
            )
            while not rule(old_dsn)[1]:
                time.sleep(0.01)
        assert rule(old_dsn)[1] == [("cdc.document_row_hash",)]
        with ThreadPoolExecutor(1) as pool:
            again = pool.submit(migrate, old_database, MIGRATIONS, ROOTS)
            Observer(admin).wait_until_blocked()
            writer.commit()
            again.result()

    assert rule(old_dsn) == DONE
    assert find_wrong(old_dsn) == []


def test_a_lock_that_does_not_come_keeps_nobody_waiting(old_dsn, old_database):
    """While somebody holds the ledger, the migration tries again and again, and writers write in between."""
    fill(old_dsn, 10)
    with psycopg.connect(old_dsn) as reader, open_before(old_dsn) as connection, ThreadPoolExecutor(1) as pool:
        reader.execute("lock table cdc.document in access share mode")
        run = pool.submit(migrate, old_database, MIGRATIONS, ROOTS)
        for ts in range(2, 30):
            connection.execute("set lock_timeout = '20s'")
            apply_before(connection, [an_upsert("1", ts=ts)])
            time.sleep(0.05)
        assert not run.done()
        reader.rollback()
        run.result()

    assert rule(old_dsn) == DONE


@pytest.fixture(scope="module", params=["rule", "end"])
def two_worlds(request, postgres_server, before):
    """Two databases of this release, one of them after this step of the migration."""
    with_both = create_database(postgres_server, before)
    alone = create_database(postgres_server, before)
    dsns = [next(with_both), next(alone)]
    databases = [Database(dsn) for dsn in dsns]
    migrate(databases[1], MIGRATIONS, ROOTS)
    if request.param == "end":
        migrate(databases[0], MIGRATIONS, ROOTS)
    else:
        apply_steps(databases[0], NAMES.index("rule") + 1)
    yield dsns, databases, request.param
    for database in databases:
        database.close()
    for made in (with_both, alone):
        next(made, None)


IDS = st.sampled_from(["a", "b", "c"])
TURNS = st.lists(
    st.tuples(
        st.booleans(), st.lists(st.tuples(IDS, st.none() | IDS), min_size=1, max_size=3, unique_by=lambda it: it[0])
    ),
    min_size=1,
    max_size=7,
)


@given(TURNS, st.sets(st.integers(0, 6)))
@settings(max_examples=25)
def test_two_releases_in_turns_end_as_one_alone(two_worlds, turns, forgotten):
    """Whoever writes, and whatever is still in the old form: rows, claims and letters are those of one release."""
    dsns, (both, alone), stage = two_worlds
    with psycopg.connect(dsns[0], autocommit=True) as mixed, psycopg.connect(dsns[1], autocommit=True) as single:
        for connection in (mixed, single):
            Observer(connection).empty()
        for number, (is_new, batch) in enumerate(turns):
            changes = [a_version_of(id_, row, number + 1) for id_, row in batch]
            if number in forgotten and stage == "rule":
                forget(mixed)
            if is_new:
                replicate(ACCOUNTS, changes, PostgresSink(both))
            else:
                apply_before(mixed, changes)
            replicate(ACCOUNTS, changes, PostgresSink(alone))

        ended, wanted = (
            connection.execute(
                "select d.id, d.state, d.row_key, l.wanted_row"
                " from cdc.document d left join cdc.dead_letter l using (key) order by 1"
            ).fetchall()
            for connection in (mixed, single)
        )
        rows = [
            connection.execute("select id, display_name from accounts order by 1").fetchall()
            for connection in (mixed, single)
        ]
        hashes = mixed.execute("select row_hash from cdc.document where row_hash is not null").fetchall()
    assert ended == wanted
    assert rows[0] == rows[1]
    assert len(hashes) == len(set(hashes))
    if stage == "end":
        assert find_wrong(dsns[0]) == []


def a_version_of(id_, row, ts):
    """Build a version that maps to this row, or to none."""
    return an_upsert(id_, row, ts) if row else a_change(id_, partition_key="p", version=a_version(ts), body=None)


def forget(connection):
    """Put all row keys back into the form of the release before."""
    with connection.transaction():
        connection.execute("set local session_replication_role = replica")
        connection.execute("update cdc.document set row_table = null, row_hash = null")


def test_claims_of_two_releases_see_each_other(old_dsn, old_database):
    """A row that one release has written is refused to the other, and a letter of one is woken by the other."""
    migrate(old_database, MIGRATIONS, ROOTS)
    sink = PostgresSink(old_database)
    with open_before(old_dsn) as connection:
        apply_before(connection, [an_upsert("one", "r")])
        replicate(ACCOUNTS, [an_upsert("two", "r")], sink)
        replicate(ACCOUNTS, [an_upsert("three", "s")], sink)
        apply_before(connection, [an_upsert("four", "s")])
        due = "select id from cdc.dead_letter where next_attempt_at <= now() order by 1"
        letters = connection.execute(
            "select id, wanted_key, wanted_row is null from cdc.dead_letter order by 1"
        ).fetchall()
        replicate(ACCOUNTS, [an_upsert("three", "t", 2)], sink)
        woken = connection.execute(due).fetchall()

    assert letters == [('"four"', '["s"]', False), ('"two"', '["r"]', False)]
    assert woken == [('"four"',)]


@pytest.mark.parametrize("values", [["a"], ['é🦊"\\\n\t\x01\x7f/'], ["", 1, None, True, 1.5], ["a,b", "]"]])
def test_both_sides_have_one_hash(connection, values):
    """What a trigger adds is what this release would have written."""
    key = row_keys.by_key('public."odd" table')(values)

    ((hash_, qualified),) = connection.execute(
        "select cdc.row_hash(%(table)s, %(key)s), cdc.qualify(%(table)s, %(key)s)",
        {"table": key.table, "key": key.values},
    )
    assert hash_ == key.hash
    assert row_keys.read(qualified, ACCOUNTS.roots) == key
