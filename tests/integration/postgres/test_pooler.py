"""Behind a pooler that gives every transaction another session, everything works as without one."""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from cdc.config.settings import Phase
from cdc.core.errors import FatalError
from cdc.cutover.store import Attempts
from cdc.operations.counts import Counts
from cdc.operations.migrations import find_missing, migrate, read_migrations
from cdc.operations.table_check import check_tables
from cdc.postgres.database import Database
from cdc.postgres.gate import record_first
from cdc.postgres.pool import Borrower, Use
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from mappers import APPLICATION_SQL, MAPPERS
from mappers.user_profiles import USER_PROFILES
from tests.builders import a_badge, a_change, a_profile, a_version
from tests.integration import poolers

MIGRATIONS = read_migrations(APPLICATION_SQL)


@pytest.fixture(scope="module", params=["own", "pgbouncer"])
def port(request, postgres_server, tmp_path_factory):
    """The port of a transaction-mode pooler before the server."""
    if request.param == "pgbouncer" and poolers.PGBOUNCER is None:
        pytest.skip("no pgbouncer on this machine")
    run = poolers.own_pooler if request.param == "own" else poolers.pgbouncer
    with run(postgres_server.port, tmp_path_factory.mktemp("pooler")) as port:
        yield port


@contextmanager
def pooled(dsn, port, **options):
    """Open a pool on a database through the pooler."""
    database = Database(make_conninfo(dsn, port=port), **{"session_state": False} | options)
    try:
        yield database
    finally:
        database.close()


@pytest.fixture
def pooled_database(app_dsn, port):
    """A pool that knows of the pooler, on a migrated database."""
    with pooled(app_dsn, port) as database:
        yield database


def a_profile_change(id_, ts=0, badges=2):
    """Build a version of a profile."""
    body = a_profile(id_, EarnedBadges=[a_badge(f"badge-{number}") for number in range(badges)])
    return a_change(id_, container="UserProfiles", version=a_version(ts), body=body)


def test_the_pooler_keeps_no_state_of_a_session(dsn, port):
    """Otherwise the tests below would prove nothing."""
    with psycopg.connect(make_conninfo(dsn, port=port), autocommit=True, prepare_threshold=None) as connection:
        connection.execute("set lock_timeout = '7s'")
        assert connection.execute("show lock_timeout").fetchone() == ("0",)
        connection.execute("create temp table stage (id text)")
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("select from stage")


def test_without_the_setting_the_sentence_names_it(dsn, port):
    """A statement that was prepared in another session is a matter of settings."""

    def ask_often(database):
        for _ in range(20):
            with database.connection() as connection:
                connection.execute("select %s", ["x"], prepare=True)

    with pooled(dsn, port, session_state=True) as database, pytest.raises(FatalError, match="POSTGRES_POOLER"):
        ask_often(database)


def test_changes_are_applied(pooled_database, observer):
    """Upserts, replays, children that vanish, deletes and letters: the whole sink, more often than psycopg prepares."""
    sink = PostgresSink(pooled_database)
    for ts in range(12):
        batch = [a_profile_change(f"p{number}", ts, badges=number % 3) for number in range(60)]
        poison = a_change("bad", container="UserProfiles", version=a_version(ts), body=a_profile("bad", Name=None))
        assert replicate(USER_PROFILES, [*batch, poison], sink).applied == 60
        assert replicate(USER_PROFILES, batch, sink).stale == 60
    gone = a_change("p0", container="UserProfiles", version=a_version(20), body=None)
    assert replicate(USER_PROFILES, [gone], sink).deleted == 1

    assert sorted(observer.ids("user_profiles")) == sorted(f"p{number}" for number in range(1, 60))
    assert len(observer.rows("user_badges")) == 60
    assert observer.letters().keys() == {"bad"}
    assert sum(count.documents for count in Counts(pooled_database).read_ledger().counts) == 61
    assert [count.documents for count in Counts(pooled_database).count_letters()] == [1]


def test_a_refused_document_is_found_among_others(pooled_database, observer):
    """Halving a batch rolls transactions back, and goes on in other sessions."""
    bad = a_change("bad", container="UserProfiles", version=a_version(0), body=a_profile("bad", Bio="\0"))

    outcome = replicate(
        USER_PROFILES, [*(a_profile_change(f"p{n}") for n in range(6)), bad], PostgresSink(pooled_database)
    )

    assert (outcome.applied, outcome.parked) == (6, 1)


def test_every_wait_is_bounded(pooled_database):
    """The bounds hold in each transaction, and only there."""
    for lend in (pooled_database.connection, pooled_database.transaction):
        with lend() as connection:
            bounds = connection.execute("select current_setting('lock_timeout'), current_setting('statement_timeout')")
            assert bounds.fetchone() == ("30s", "2min")


def test_nothing_is_left_in_a_session(dsn, postgres_server):
    """After the whole path a session is as a new one: no prepared statement, setting, lock or temporary table."""
    with pooled(dsn, postgres_server.port, pool_size=1) as database:
        migrate(database, MIGRATIONS)
        record_first(database, Phase.DUAL_WRITE_COSMOS_READ)
        sink = PostgresSink(database)
        for ts in range(8):
            replicate(USER_PROFILES, [a_profile_change("p", ts)], sink)
        with database._pool.lend(Borrower(Use.FEED), math.inf) as connection:
            left = connection.execute(
                "select (select count(*) from pg_prepared_statements),"
                " (select count(*) from pg_settings where source = 'session'),"
                " (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),"
                " (select count(*) from pg_class where relpersistence = 't')"
            ).fetchone()

    assert left == (0, 0, 0, 0)


def test_a_session_that_lasts_is_made_use_of(database):
    """Without a pooler the bounds are set once, and statements are prepared."""
    assert database.session_state
    with database.connection() as connection:
        for _ in range(7):
            connection.execute("select %s::int", [1])
        assert connection.execute("show lock_timeout").fetchone() == ("30s",)
        assert connection.execute("select count(*) > 0 from pg_prepared_statements").fetchone() == (True,)


def test_a_run_of_the_cut_over_is_seen_through_the_pooler(dsn, port):
    """And its end, too: no session keeps what it has shown."""
    with pooled(dsn, port) as database:
        attempts = Attempts(database)
        attempts.begin("run")
        assert not attempts.is_run_worked_on()

        with attempts.working_on_run():
            assert [attempts.is_run_worked_on() for _ in range(3)] == [True] * 3

        while attempts.is_run_worked_on():
            time.sleep(0.05)


def test_a_run_of_the_cut_over_keeps_no_row_from_vacuum(dsn, port, connection):
    """For as long as it lasts it holds a transaction, whatever isolation the database has set, but no snapshot."""
    name = connection.info.dbname
    connection.execute(f"alter database {name} set default_transaction_isolation to 'repeatable read'")
    with pooled(dsn, port) as database, Attempts(database).working_on_run():
        held = connection.execute(
            "select a.state, a.backend_xmin, a.backend_xid from pg_locks l join pg_stat_activity a using (pid) "
            "where l.classid = 'cdc.cutover'::regclass and l.objsubid = 2"
        ).fetchall()

    assert held == [("idle in transaction", None, None)]


def test_migrations_run_through_the_pooler(empty_dsn, port):
    """Two that run at once share the work: each migration is applied by one of them."""
    with pooled(empty_dsn, port) as one, pooled(empty_dsn, port) as two, ThreadPoolExecutor(2) as pool:
        assert find_missing(one, MIGRATIONS) == MIGRATIONS
        runs = [pool.submit(migrate, database, MIGRATIONS) for database in (one, two)]
        applied = [migration.name for run in runs for migration in run.result()]
        assert sorted(applied) == sorted(migration.name for migration in MIGRATIONS)
        assert find_missing(one, MIGRATIONS) == []
        assert [problem for mapper in MAPPERS for problem in check_tables(one, mapper)] == []
