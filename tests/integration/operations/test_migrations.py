"""Migrations are applied once, in order, and never half."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from operator import attrgetter
from threading import Barrier

import psycopg
import pytest

from cdc.core.errors import FatalError
from cdc.operations.migrations import Migration, Series, find_missing, migrate, read_migrations
from cdc.operations.table_check import check_tables
from cdc.postgres.database import Database
from mappers import APPLICATION_SQL
from mappers.accounts import ACCOUNTS

MIGRATIONS = read_migrations(APPLICATION_SQL)
NAMES = [migration.name for migration in MIGRATIONS]
# The files that were one series until both were set apart: the engine's up to 0023, the application's up to 0016.
LAST = {Series.ENGINE: 23, Series.APPLICATION: 16}
SINGLE = sorted(
    (replace(each, series=Series.ENGINE) for each in MIGRATIONS if each.number <= LAST[each.series]),
    key=attrgetter("number"),
)
SINGLE_DIGEST = "564d50e022a5e17fc30e20c987ce0658e339807ead7c46f9b5656b7042e05ba0"


@pytest.fixture
def empty(empty_dsn):
    """A pool on an empty database of the test's own."""
    database = Database(empty_dsn)
    yield database
    database.close()


def applied(dsn):
    """Return the names of the migrations that a database holds, the engine's before the application's."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "select name from (select 1 as series, * from cdc.migration union all"
            " select 2, * from cdc.application_migration) as a order by series, number"
        ).fetchall()
    names = [name for (name,) in rows]
    return [name for number, name in enumerate(names) if name not in names[number + 1 :]]


def exists(dsn, table):
    """Tell whether a table is there."""
    with psycopg.connect(dsn) as connection:
        return connection.execute("select to_regclass(%s) is not null", [table]).fetchone() == (True,)


def test_an_empty_database_gets_every_migration(empty, empty_dsn):
    """From nothing, all are applied in order, and none is missing afterwards."""
    assert [migration.name for migration in find_missing(empty, MIGRATIONS)] == NAMES

    assert [migration.name for migration in migrate(empty, MIGRATIONS)] == NAMES

    assert applied(empty_dsn) == NAMES
    assert find_missing(empty, MIGRATIONS) == []


def test_a_second_run_applies_nothing(empty):
    """A migrated database stays as it is."""
    migrate(empty, MIGRATIONS)

    assert migrate(empty, MIGRATIONS) == []


def test_a_new_migration_is_applied_alone(empty, empty_dsn):
    """Only what is missing is applied."""
    migrate(empty, MIGRATIONS[:-2])

    assert [migration.name for migration in migrate(empty, MIGRATIONS)] == NAMES[-2:]
    assert applied(empty_dsn) == NAMES


def test_two_that_run_at_once_take_turns(empty_dsn):
    """Two instances that start together both succeed, and each migration is applied by one of them, in order."""
    start = Barrier(2)

    def run():
        database = Database(empty_dsn)
        start.wait()
        try:
            return migrate(database, MIGRATIONS)
        finally:
            database.close()

    with ThreadPoolExecutor(2) as pool:
        results = [future.result() for future in [pool.submit(run), pool.submit(run)]]

    assert sorted(migration.name for result in results for migration in result) == sorted(NAMES)
    with psycopg.connect(empty_dsn) as connection:
        order = connection.execute(
            "select name from (select * from cdc.migration union select * from cdc.application_migration) as a"
            " order by applied_at"
        ).fetchall()
    assert [name for (name,) in order] == NAMES


def test_an_edited_migration_is_refused(empty):
    """A file that differs from what was applied stops everything with one sentence that names it."""
    migrate(empty, MIGRATIONS)
    edited = replace(MIGRATIONS[1], statements=f"{MIGRATIONS[1].statements}\n-- edited")
    new = Migration(99, "0099_new", "create table public.new (id text)")

    for run in (migrate, find_missing):
        with pytest.raises(FatalError) as caught:
            run(empty, [MIGRATIONS[0], edited, *MIGRATIONS[2:], new])
        assert NAMES[1] in str(caught.value)
        assert "\n" not in str(caught.value)
    assert [migration.name for migration in find_missing(empty, [*MIGRATIONS, new])] == ["0099_new"]


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param("create table public.half (id text); create table nowhere.other (id text)", id="in the middle"),
        pytest.param("create table public.half (id text); drop table cdc.migration", id="when it is recorded"),
    ],
)
def test_a_failed_migration_leaves_nothing_of_itself(empty, empty_dsn, statements):
    """A migration that fails, even at its very end, is rolled back whole; those before it stay."""
    broken = Migration(99, "0099_broken", statements)

    with pytest.raises(FatalError):
        migrate(empty, [*MIGRATIONS, broken])

    assert applied(empty_dsn) == NAMES
    assert not exists(empty_dsn, "public.half")
    assert migrate(empty, MIGRATIONS) == []


def test_a_failed_migration_frees_the_lock(empty, empty_dsn):
    """Whoever mends the migration can run it at once."""
    with pytest.raises(FatalError):
        migrate(empty, [Migration(1, "0001_broken", "select from nowhere")])

    database = Database(empty_dsn)
    assert migrate(database, MIGRATIONS) == MIGRATIONS
    database.close()


def test_tables_of_the_application_are_adopted(empty, empty_dsn):
    """A table that the application made keeps its columns and its rows."""
    with psycopg.connect(empty_dsn) as connection:
        connection.execute(
            "create table accounts (id varchar(36) primary key, external_user_id text, created_at timestamptz)"
        )
        connection.execute("insert into accounts (id) values ('kept')")

    migrate(empty, MIGRATIONS)

    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute("select id from accounts").fetchall() == [("kept",)]


def test_dropping_our_schema_leaves_the_tables_of_the_application(empty, empty_dsn):
    """All of our own state is in one schema: without it the application's tables are whole."""
    migrate(empty, MIGRATIONS)

    with psycopg.connect(empty_dsn) as connection:
        connection.execute("drop schema cdc cascade")
        ours = connection.execute(
            "select table_name, column_name from information_schema.columns"
            " where table_schema = 'public' and column_name ~ '^_|cdc|lsn|etag'"
        )
        assert ours.fetchall() == []
    assert exists(empty_dsn, "public.accounts")


def test_a_table_of_the_application_is_adopted_and_not_altered(empty_dsn):
    """Neither a column nor an index is added to a table that is there already; `check` says what it lacks."""
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute("create table accounts (id varchar(36) primary key, email varchar(256) not null)")
    database = Database(empty_dsn)

    migrate(database, read_migrations(APPLICATION_SQL))

    problems = check_tables(database, ACCOUNTS)
    database.close()
    with psycopg.connect(empty_dsn) as connection:
        indexes = connection.execute("select indexname from pg_indexes where tablename = 'accounts'").fetchall()
    assert indexes == [("accounts_pkey",)]
    assert len(problems) == 9
    assert all("has no column" in problem for problem in problems)


def histories(dsn):
    """Return number, name and checksum of every row of the engine's history, and of the application's."""
    with psycopg.connect(dsn) as connection:
        return [
            connection.execute(f"select number, name, checksum from cdc.{table} order by number").fetchall()
            for table in ("migration", "application_migration")
        ]


def rows_of(migrations):
    """Return what a history holds of migrations."""
    return [(each.number, each.name, each.checksum) for each in migrations]


APPLICATION = [each for each in MIGRATIONS if each.series is Series.APPLICATION]


def test_the_files_of_the_single_series_are_what_they_were():
    """A database of an earlier release knows their checksums."""
    lines = "".join(f"{number} {name} {checksum}\n" for number, name, checksum in rows_of(SINGLE))

    assert hashlib.sha256(lines.encode()).hexdigest() == SINGLE_DIGEST


def test_what_the_single_series_applied_is_recognised(empty, empty_dsn):
    """Nothing is missing before the application has a history; `migrate` gives it one, with the times."""
    migrate(empty, SINGLE)
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute("drop table cdc.application_migration")
        connection.execute("update cdc.migration set applied_at = '2026-01-02'")

    known = [each for each in MIGRATIONS if each.number <= LAST[each.series]]
    assert find_missing(empty, known) == []
    assert not {each.name for each in migrate(empty, MIGRATIONS)} & {each.name for each in known}

    assert histories(empty_dsn)[1] == rows_of(APPLICATION)
    with psycopg.connect(empty_dsn) as connection:
        times = "select count(*) from cdc.application_migration where applied_at = '2026-01-02'"
        adopted = [each for each in known if each.series is Series.APPLICATION]
        assert connection.execute(times).fetchone() == (len(adopted),)


def test_a_single_series_that_stopped_half_way_goes_on(empty, empty_dsn):
    """An early release applied some of both: only the rest is missing."""
    migrate(empty, SINGLE[:3])

    missing = {each.name for each in find_missing(empty, MIGRATIONS)}

    assert missing == set(NAMES) - {each.name for each in SINGLE[:3]}
    assert {each.name for each in migrate(empty, MIGRATIONS)} == missing


def test_a_release_with_a_single_series_finds_all_of_it(empty, empty_dsn):
    """It demands every number up to its own last one, with the checksum of its file, and applies nothing again."""
    migrate(empty, MIGRATIONS)

    assert find_missing(empty, SINGLE) == []
    assert migrate(empty, SINGLE) == []
    assert histories(empty_dsn)[0][: len(SINGLE)] == rows_of(SINGLE)


def test_an_edited_file_of_the_single_series_is_refused(empty):
    """Its name is known, so it is not taken for a new one."""
    migrate(empty, SINGLE)
    edited = replace(APPLICATION[0], statements=f"{APPLICATION[0].statements}\n-- edited")

    for run in (find_missing, migrate):
        with pytest.raises(FatalError, match=APPLICATION[0].name):
            run(empty, [edited])


def test_both_series_may_have_one_number(empty, empty_dsn):
    """Another application begins at its own 0001, and its next numbers may be the engine's next ones, too."""
    engine = [each for each in MIGRATIONS if each.series is Series.ENGINE]
    own = [
        Migration(number, f"{number:04}_orders", f"create table public.orders_{number} (id text)", Series.APPLICATION)
        for number in (1, 2, engine[-1].number, engine[-1].number + 1)
    ]
    assert migrate(empty, [*engine, *own]) == [*engine, *own]
    later = Migration(own[-1].number, f"{own[-1].number:04}_later", "create table cdc.later (id text)")

    assert migrate(empty, [*engine, later, *own]) == [later]

    assert histories(empty_dsn)[1] == rows_of(own)
    assert find_missing(empty, [*engine, later, *own]) == []
    assert exists(empty_dsn, "public.orders_2")
    assert not exists(empty_dsn, "public.accounts")
