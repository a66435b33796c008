"""What a database, a role, the environment or a connection string sets changes no byte, no text and no wait."""

import signal
import subprocess
import sys
import time
import uuid
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from itertools import count

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier, Literal

from cdc.core.errors import FatalError, TransientError
from cdc.core.writes import map_change
from cdc.postgres import database as databases
from cdc.postgres.database import Database
from cdc.postgres.pool import Use
from cdc.reconcile.tables_side import PostgresTablesSide
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from local.freezing import frozen
from local.postgres import Postgres
from mappers.accounts import ACCOUNTS
from mappers.game_sessions import GAME_SESSIONS
from mappers.user_profiles import USER_PROFILES
from tests.builders import a_badge, a_change, a_profile, a_session, a_version, an_upsert
from tests.integration import poolers

# Values that others may have set, and what the app works with.
HOSTILE = {
    "client_encoding": ("LATIN1", "UTF8"),
    "standard_conforming_strings": ("off", "on"),
    "array_nulls": ("off", "on"),
    "bytea_output": ("escape", "hex"),
    "DateStyle": ("SQL, DMY", "ISO, MDY"),
    "IntervalStyle": ("sql_standard", "postgres"),
    "TimeZone": ("Asia/Kathmandu", "UTC"),
    "extra_float_digits": ("-15", "1"),
    "quote_all_identifiers": ("on", "off"),
    "transform_null_equals": ("on", "off"),
    "xmloption": ("document", "content"),
    "default_transaction_isolation": ("serializable", "read committed"),
    "row_security": ("on", "off"),
    "synchronous_commit": ("off", "on"),
    "lock_timeout": ("0", "30s"),
    "statement_timeout": ("0", "2min"),
    "idle_in_transaction_session_timeout": ("0", "20s"),
}


@pytest.fixture(scope="module", params=["direct", "pooler"])
def way(request, postgres_server, tmp_path_factory):
    """The ways to the server: the port, and whether a session keeps its state."""
    if request.param == "direct":
        yield postgres_server.port, True
        return
    with poolers.own_pooler(postgres_server.port, tmp_path_factory.mktemp("pooler")) as port:
        yield port, False


@contextmanager
def opened(dsn, way, **options):
    """Open a pool in one of the ways."""
    port, session_state = way
    with closing(Database(make_conninfo(dsn, port=port), session_state=session_state, **options)) as database:
        yield database


def set_for_database(connection, name, value):
    """Set something for everybody who connects later."""
    query = SQL("alter database {} set {} = {}")
    connection.execute(query.format(Identifier(connection.info.dbname), SQL(name), Literal(value)))


def ask(database, query, *parameters):
    """Return the first row of an answer."""
    with database.connection() as connection:
        return connection.execute(query, parameters).fetchone()


@pytest.fixture
def role(connection, dsn):
    """A role with the rights of an application, and its address."""
    name = f"role_{uuid.uuid4().hex}"
    connection.execute(SQL("create role {} login").format(Identifier(name)))
    connection.execute(SQL("grant all on schema cdc, public to {}").format(Identifier(name)))
    connection.execute(SQL("grant all on all tables in schema cdc, public to {}").format(Identifier(name)))
    yield make_conninfo(dsn, user=name)
    connection.execute("select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = %s", [name])
    connection.execute(SQL("drop owned by {}").format(Identifier(name)))
    connection.execute(SQL("drop role {}").format(Identifier(name)))


def name_of(role):
    """Return the name of a role as SQL."""
    return Identifier(conninfo_to_dict(role)["user"])


def test_every_setting_is_set(dsn, connection, way):
    """Whatever the database says, in each transaction, also behind a pooler."""
    for name, (hostile, _) in HOSTILE.items():
        set_for_database(connection, name, hostile)
    with psycopg.connect(dsn) as other:  # otherwise the test would prove nothing
        assert {name: other.execute(f"show {name}").fetchone()[0] for name in HOSTILE} == {
            name: hostile for name, (hostile, _) in HOSTILE.items()
        }

    with opened(dsn, way) as database:
        for lend in (database.connection, database.transaction):
            with lend() as session:
                found = {name: session.execute(f"show {name}").fetchone()[0] for name in HOSTILE}
            assert found == {name: ours for name, (_, ours) in HOSTILE.items()}


ENVIRONMENT = {
    "PGCLIENTENCODING": "LATIN1",
    "PGTZ": "Asia/Kathmandu",
    "PGDATESTYLE": "SQL, DMY",
    "PGOPTIONS": "-c IntervalStyle=sql_standard -c extra_float_digits=-15 -c bytea_output=escape",
}
CHANGES = (
    (ACCOUNTS, an_upsert("Zoë", DisplayName="Zoë", Settings={"Theme": "Zoë"})),
    (
        GAME_SESSIONS,
        a_change(
            "s",
            container="GameSessions",
            version=a_version(),
            body=a_session("s", ElapsedTime="-1.00:00:05.5", CurrentSceneId="Zoë\\ 'é' \"ß\""),
        ),
    ),
    (
        USER_PROFILES,
        a_change(
            "p",
            container="UserProfiles",
            version=a_version(),
            body=a_profile("p", EarnedBadges=[a_badge("b", Threshold=0.1 + 0.2, TriggerValue=1 / 3)]),
        ),
    ),
)


@pytest.mark.parametrize("source", ["database", "role", "environment", "connection string"])
def test_values_are_kept(dsn, connection, role, way, source, monkeypatch):
    """Wherever the settings come from: texts, JSON, keys, time spans and numbers; reconcile sees no difference."""
    owner = {"database": conninfo_to_dict(dsn)["dbname"], "role": conninfo_to_dict(role)["user"]}.get(source)
    for name, (hostile, _) in HOSTILE.items() if owner else ():
        query = SQL("alter {} {} set {} = {}").format(SQL(source), Identifier(owner), SQL(name), Literal(hostile))
        connection.execute(query)
    if source == "environment":
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)
    if source == "connection string":
        role = make_conninfo(role, client_encoding="LATIN1", options=ENVIRONMENT["PGOPTIONS"])

    with opened(role, way) as database:
        for mapper, change in CHANGES:
            assert replicate(mapper, [change], PostgresSink(database)).applied == 1
            side = PostgresTablesSide(database, mapper)
            assert side.find_different([map_change(mapper, change)]) == (1, [])
            assert (side.find_lost(9), side.find_unclaimed(9)) == ([], [])

    # This session was open before anything was set.
    assert connection.execute("select id, display_name, settings ->> 'Theme' from accounts").fetchone() == ("Zoë",) * 3
    assert connection.execute("select row_key, id from cdc.document where container = 'Accounts'").fetchone() == (
        '["Zoë"]',
        '"Zo\\u00eb"',
    )
    scene, seconds = connection.execute(
        "select current_scene_id, extract(epoch from elapsed_time)::double precision from game_sessions"
    ).fetchone()
    assert (scene, seconds) == ("Zoë\\ 'é' \"ß\"", -86405.5)
    assert connection.execute("select threshold, trigger_value from user_badges").fetchone() == (0.1 + 0.2, 1 / 3)


def test_nulls_in_lists_stay_nulls(dsn, connection, way):
    """With array_nulls off, the word NULL in a list is a text."""
    set_for_database(connection, "array_nulls", "off")

    with opened(dsn, way) as database:
        assert ask(database, "select %s::text[]", ["a", None]) == (["a", None],)


def test_rows_that_a_policy_hides_are_an_error(dsn, connection, role, way):
    """Otherwise a row that is there would be written again, and refused, or reported as missing."""
    connection.execute("alter table accounts enable row level security")
    connection.execute("create policy nothing on accounts using (false)")

    with opened(role, way) as database, pytest.raises(FatalError, match="row-level security"):
        ask(database, "select count(*) from public.accounts")


def test_a_commit_that_the_server_may_forget_is_not_asked_for(dsn, connection, way):
    """Weaker kinds are made durable; a stronger one is kept."""
    found = {}
    for value in ("off", "local", "remote_write", "remote_apply"):
        set_for_database(connection, "synchronous_commit", value)
        with opened(dsn, way) as database:
            (found[value],) = ask(database, "show synchronous_commit")

    assert found == {"off": "on", "local": "on", "remote_write": "remote_write", "remote_apply": "remote_apply"}


@pytest.fixture
def latin_dsn(postgres_server):
    """The address of a database that cannot hold every text."""
    name = f"latin_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as admin:
        admin.execute(
            SQL("create database {} template template0 encoding 'LATIN1' locale_provider libc locale 'C'").format(
                Identifier(name)
            )
        )
        yield postgres_server.dsn(name)
        admin.execute(SQL("drop database {} with (force)").format(Identifier(name)))


def assert_refused(dsn, way, words):
    """Assert that neither `check` nor any use of the database is satisfied."""
    with opened(dsn, way) as database:
        with pytest.raises(FatalError, match=words):
            database.check()
        for lend in (database.connection, database.transaction):
            with pytest.raises(FatalError, match=words), lend():
                pass


def test_a_database_without_every_character_is_refused(latin_dsn, way):
    """Documents would be parked one by one for a fault of the database."""
    assert_refused(latin_dsn, way, "encoding LATIN1.*'UTF8'")


def test_sessions_without_triggers_are_refused(dsn, connection, way):
    """In a session like that of a replica no constraint would hold either, also not our own."""
    set_for_database(connection, "session_replication_role", "replica")

    assert_refused(dsn, way, "session_replication_role is replica.*reset it")


def test_names_that_stand_before_those_of_postgres_are_refused(dsn, connection, way):
    """A function there would take the place of PostgreSQL's own."""
    connection.execute("create schema odd")
    connection.execute(
        SQL("alter database {} set search_path = odd, pg_catalog").format(Identifier(connection.info.dbname))
    )

    assert_refused(dsn, way, "search_path.*before pg_catalog")


def test_another_search_path_is_kept(dsn, connection, way):
    """The triggers of the application's tables may need it."""
    connection.execute("create schema odd")
    connection.execute(
        SQL("alter database {} set search_path = odd, public").format(Identifier(connection.info.dbname))
    )

    with opened(dsn, way) as database:
        database.check()
        assert ask(database, "show search_path") == ("odd, public",)


def test_a_database_that_takes_no_writes_is_told(dsn, connection, way):
    """A replica, or storage that is nearly full. Reading goes on."""
    set_for_database(connection, "default_transaction_read_only", "on")

    with opened(dsn, way) as database:
        with pytest.raises(FatalError, match="default_transaction_read_only is on"):
            database.check()
        assert ask(database, "select 1") == (1,)
        with pytest.raises(TransientError, match="25006"):
            replicate(ACCOUNTS, [an_upsert()], PostgresSink(database))


def test_no_free_connection_is_told_as_such(connection, role, way):
    """It is no matter of user or password."""
    connection.execute(SQL("alter role {} connection limit 0").format(name_of(role)))

    with opened(role, way) as database, pytest.raises(TransientError, match="no free connection slot") as refusal:
        database.check()
    assert "password" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FATAL:  sorry, too many clients already", "no free connection slot"),
        ('FATAL:  too many connections for role "app"', "no free connection slot"),
        ("FATAL:  remaining connection slots are reserved for ...", "no free connection slot"),
        ("FATAL:  no more connections allowed (max_client_conn)", "no free connection slot"),
        ("FATAL:  the database system is starting up", "starting or stopping"),
        ("FATAL:  the database system is shutting down", "starting or stopping"),
        ("FATAL:  the database system is not yet accepting connections", "starting or stopping"),
        ("FATAL:  the database system is in recovery mode", "starting or stopping"),
        ('FATAL:  password authentication failed for user "app"', "check user, password or identity"),
        ('FATAL:  database "app" does not exist', "check user, password or identity"),
        ('FATAL:  database "app" is not currently accepting connections', "check user, password or identity"),
        ("connection to server at 10.0.0.9 failed: Connection refused", "cannot be reached"),
    ],
)
def test_a_refused_connection_has_its_reason(text, words):
    """libpq gives no SQLSTATE for it, only a text."""
    translated = databases.translate(psycopg.OperationalError(text))

    assert isinstance(translated, TransientError)
    assert words in str(translated)
    assert "app" not in str(translated).replace("application", "")


def test_the_log_of_a_terse_server_quotes_no_row(connection, database, postgres_server):
    """Each kind of refusal quotes the row in its details, at each retry."""
    connection.execute("create unique index one_email on accounts (email)")
    connection.execute("alter table accounts add check (role <> 'Villain'), alter display_name set not null")
    connection.execute("alter table accounts add foreign key (external_user_id) references accounts")
    wrong = ({"Role": "Villain"}, {"DisplayName": None}, {"ExternalUserId": "zanele-9"}, {"Email": "zanele@0"})
    changes = [
        an_upsert(f"zanele-{number}", **{"ExternalUserId": None, "Email": f"zanele@{number}"} | each)
        for number, each in enumerate(({}, *wrong))
    ]

    outcome = replicate(ACCOUNTS, changes, PostgresSink(database))

    assert (outcome.applied, outcome.parked) == (1, 4)

    log = (postgres_server.data / "server.log").read_text()
    for refusal in ("violates check constraint", "not-null", "foreign key", 'unique constraint "one_email"'):
        assert refusal in log
    assert "zanele" not in log


def test_sessions_that_ended_are_replaced_at_once(dsn, connection):
    """All of them, with one caller."""
    with closing(Database(dsn, pool_size=20)) as database:
        with ExitStack() as lent:
            for _ in range(20):
                lent.enter_context(database.connection())
        end_sessions(connection)

        assert ask(database.share(Use.FEED, seconds=5), "select 1") == (1,)


def end_sessions(connection):
    """End every session of the test's database but this one."""
    connection.execute(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )


def test_sessions_that_the_server_ends_when_idle_are_replaced(dsn, connection):
    """Again and again, as long as somebody comes after longer pauses."""
    set_for_database(connection, "idle_session_timeout", "20ms")
    others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"

    with closing(Database(dsn, pool_size=4)) as database:
        for _ in range(5):
            assert ask(database, "select 1") == (1,)
            while connection.execute(others).fetchone() != (0,):
                time.sleep(0.01)


def test_the_pool_is_back_with_the_server():
    """Callers that come while the server is away are served when it is back; nobody asks it twice."""
    with Postgres() as server, closing(Database(server.dsn(), pool_size=9)) as database, ThreadPoolExecutor(9) as pool:
        assert ask(database, "select 1") == (1,)
        server.stop(keep_data=True)
        callers = [pool.submit(ask, database.share(Use.FEED), "select 1") for _ in range(3)]
        with pytest.raises(TransientError, match="PostgreSQL"):
            database.check()
        server.start()

        assert [caller.result() for caller in callers] == [(1,)] * 3


_HOLDER = """
import sys
from dataclasses import replace
from cdc.postgres import session
from cdc.postgres.database import Database
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from mappers.accounts import ACCOUNTS
from tests.builders import an_upsert
session._IDLE_SECONDS = 0.5
def stand_still():
    print("locked", flush=True)
    sys.stdin.read()
def map_until(documents):
    mapped = []
    def rows(document):
        mapped.append(document)
        if len(mapped) == documents:
            stand_still()
        return ACCOUNTS.rows(document)
    return replace(ACCOUNTS, rows=rows)
database = Database(sys.argv[1], session_state=sys.argv[2] == "True")
if sys.argv[3] == "statement":
    with database.transaction() as connection:
        connection.execute("lock table public.accounts")
        stand_still()
replicate(map_until(int(sys.argv[3])), [an_upsert(f"a{number}") for number in range(200)], PostgresSink(database))
"""


@pytest.mark.parametrize("place", ["statement", "67", "200"])
def test_a_stopped_host_loses_its_locks(dsn, database, way, place):
    """The process is stopped inside a transaction, also while it maps a part of a batch, and does not die."""
    port, session_state = way
    command = [sys.executable, "-c", _HOLDER, make_conninfo(dsn, port=port), str(session_state), place]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "locked\n"
            holder.send_signal(signal.SIGSTOP)
            written = [an_upsert(f"a{number}") for number in range(200)]
            assert replicate(ACCOUNTS, written, PostgresSink(database)).applied == 200
        finally:
            holder.kill()


def test_a_frozen_server_is_waited_for_as_long_as_the_caller_has_time(dsn, connection):
    """Not longer; and what comes late is taken for no other answer."""
    with closing(Database(dsn)) as database:
        short = database.share(Use.OPERATORS, seconds=1)
        with frozen(ask(short, "select pg_backend_pid()")[0]):
            assert ask(short, "select 1") == (1,)
        with pytest.raises(TransientError, match="does not answer in time"), short.connection() as session:
            ask_frozen(session)
        assert ask(short, "select 3") == (3,)


def ask_frozen(session):
    """Ask a server process that is stopped."""
    with frozen(session.info.backend_pid):
        session.execute("select 2")


def test_a_caller_with_little_time_waits_for_no_lock(dsn, connection, way):
    """A lock, a long statement, many statements, and a pool without a free connection."""
    connection.execute("begin")
    connection.execute("lock table public.accounts")
    with opened(dsn, way, pool_size=3) as database:
        short = database.share(Use.OPERATORS, seconds=0.5)
        for query in ("select from public.accounts", "select pg_sleep(100)"):
            with pytest.raises(TransientError, match="PostgreSQL"):
                ask(short, query)
        with pytest.raises(TransientError, match="PostgreSQL"), short.connection() as session:
            deque(session.execute("select pg_sleep(0.01)") for _ in count())
        with database.share(Use.OPERATORS).connection(), pytest.raises(TransientError, match="busy"):
            ask(short, "select 1")
        assert ask(database, "show statement_timeout") == ("2min",)
    connection.execute("rollback")
