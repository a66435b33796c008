"""sql/roles.sql gives each role what it needs, and nothing else."""

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from cdc.config.settings import Phase
from cdc.core.errors import FatalError
from cdc.operations.counts import Counts
from cdc.operations.migrations import Migration, find_missing, migrate, read_migrations
from cdc.operations.samples import Sample
from cdc.operations.table_check import check_tables
from cdc.postgres import gate
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from mappers import APPLICATION_SQL, MAPPERS
from mappers.user_profiles import USER_PROFILES
from tests.builders import a_badge, a_change, a_profile, a_version
from tests.integration.sql.conftest import ROLES, Logins, logins_of

MIGRATIONS = read_migrations(APPLICATION_SQL)
NEW = Migration(
    99, "0099_new", "create table public.later (id text primary key); create table cdc.later (id text primary key)"
)


def a_profile_change(id_="p", ts=0, badges=1, **overrides):
    """Build a version of a profile."""
    body = a_profile(id_, EarnedBadges=[a_badge(f"badge-{number}") for number in range(badges)], **overrides)
    return a_change(id_, container="UserProfiles", version=a_version(ts), body=body)


def write_everything(database):
    """Let the sink do all that it can: insert, update, delete, park, clear, keep a type's name, read and count."""
    sink = PostgresSink(database)
    replicate(USER_PROFILES, [a_profile_change("p", 0, 3), a_profile_change("q", 0), a_profile_change("bad", 0)], sink)
    batch = [a_profile_change("p", 1, 1, Name="Naledi"), a_profile_change("bad", 1, Name=None)]
    gone = a_change("q", container="UserProfiles", version=a_version(1), body=None)
    replicate(USER_PROFILES, [*batch, gone], sink)
    undecided = a_change("p", container="UserProfiles", version=a_version(1, etag="other"), body=a_profile("p"))
    replicate(USER_PROFILES, [undecided], sink)
    assert [count.documents for count in Counts(database).count_letters()] == [1, 1]
    replicate(USER_PROFILES, [a_profile_change("p", 5), a_profile_change("bad", 5)], sink)
    assert Counts(database).count_letters() == []
    replicate(USER_PROFILES, [a_profile_change("order", **{"$type": "SalesOrder"})], sink)
    Counts(database).keep_ledger()
    ledger = Counts(database).read_ledger()
    assert [(count.state, count.unmapped_type, count.documents) for count in ledger.counts] == [
        ("applied", None, 2),
        ("deleted", None, 1),
        ("unmapped", "SalesOrder", 1),
    ]


def test_the_writer_can_do_what_the_app_does(logins, open_as):
    """The whole path of a change and every check of readiness run as the writer."""
    database = open_as(logins, "writer")

    database.check()
    assert find_missing(database, MIGRATIONS) == []
    assert [problem for mapper in MAPPERS for problem in check_tables(database, mapper)] == []
    write_everything(database)


def test_every_mapped_table_is_granted(logins, dsn):
    """A mapper whose tables the script does not list would be refused on a table that the application made."""
    tables = [str(table) for mapper in MAPPERS for table in mapper.tables]
    with psycopg.connect(dsn) as connection:
        for privilege, kind in [(p, "writer") for p in ("select", "insert", "update", "delete")] + [
            ("select", "reader")
        ]:
            allowed = {
                table: connection.execute(
                    "select has_table_privilege(%s, %s, %s)", [logins.names[kind], table, privilege]
                ).fetchone()[0]
                for table in tables
            }
            assert allowed == dict.fromkeys(tables, True)


@pytest.mark.parametrize(
    "statement",
    [
        "create table public.mine (id text)",
        "create table cdc.mine (id text)",
        "create schema mine",
        "create function public.mine() returns int language sql return 1",
        "create index on public.accounts (email)",
        "alter table public.accounts add column mine text",
        "alter table cdc.document drop column etag",
        "alter table cdc.document disable trigger all",
        "drop table public.accounts",
        "drop table cdc.document",
        "drop schema cdc cascade",
        "truncate public.accounts",
        "truncate cdc.document",
        "insert into cdc.migration (number, name, checksum) values (99, 'x', 'x')",
        "update cdc.migration set checksum = 'x'",
        "delete from cdc.migration",
        "select from public.payments",
        "set role {owner}",
    ],
)
def test_the_writer_can_do_nothing_else(logins, connection, statement):
    """It neither creates, alters nor drops, nor touches what is not mapped."""
    connection.execute("create table public.payments (id text)")

    with psycopg.connect(logins.as_("writer")) as writer, pytest.raises(errors.InsufficientPrivilege):
        writer.execute(statement.format(owner=f"{logins.name}_cdc_owner"))


def test_the_writer_cannot_migrate(logins, open_as):
    """The app's own login applies no migration: the sentence says where rights come from."""
    with pytest.raises(FatalError, match="42501"):
        migrate(open_as(logins, "writer"), [*MIGRATIONS, NEW])


def test_the_writer_cannot_change_the_phase(logins, open_as, database):
    """The app's own login reads the phase that holds for it, and neither changes it nor its history."""
    writer = open_as(logins, "writer")

    with pytest.raises(FatalError, match="permission denied for table phase"):
        gate.record(writer, Phase.DUAL_WRITE_COSMOS_READ, Phase.COSMOS_ONLY)
    for change in (
        "insert into cdc.phase values (default, 1)", "update cdc.phase set phase = 0", "delete from cdc.phase",
        "truncate cdc.phase", "drop table cdc.phase", "select from cdc.phase for share",
        "update cdc.phase_change set by = 'x'", "delete from cdc.phase_change",
        "create or replace function cdc.enter_gate(text) returns void language sql as ''",
    ):  # fmt: skip
        with psycopg.connect(logins.as_("writer")) as connection, pytest.raises(errors.InsufficientPrivilege):
            connection.execute(change)
    assert gate.read_phase(writer) == gate.read_phase(database)

    gate.record(open_as(logins, "owner"), Phase.DUAL_WRITE_COSMOS_READ, Phase.COSMOS_ONLY)
    assert gate.read_phase(database).phase is Phase.COSMOS_ONLY


READABLE = {
    "document": {"container", "ts", "lsn", "state", "applied_at", "unmapped_type"},
    "dead_letter": {
        "number", "container", "ts", "lsn", "kind", "message", "state", "attempts", "next_attempt_at", "parked_at",
    },
    "migration": {"number", "name", "checksum", "applied_at"},
    "application_migration": {"number", "name", "checksum", "applied_at"},
    "migration_step": set(),
    "observation": {"container", "kind", "path", "documents", "first_seen_at", "last_seen_at"},
    "container": {
        "container", "account", "rid", "partition_key_paths", "adopted_at", "feed_mode", "mode_changed_at", "gaps",
        "nameless_delete_at", "lease_problem", "lease_problem_since", "leases_seen_at",
        "skipped_at", "skip_problem", "leases_written_at", "leases_start",
    },
    "suspect": set(),
    "backfill": set(),
    "backfill_container": set(),
    "backfill_range": set(),
    "backfill_finding": set(),
    "reconciliation": set(),
    "drift": set(),
    "rotation": set(),
    "maintenance": set(),
    "measurement": {"name", "container", "passed", "actual", "measured_at"},
    "sample": set(Sample.model_fields),
    "ledger_count": {"one", "counts", "counted_at"},
    "applied": {"container", "writer", "changes", "last_at"},
    "failed_batch": {"container", "problem", "since", "last_at"},
    "problem": {"code", "container", "since"},
    "pruned": set(),
    "phase": {"one", "phase", "since"},
    "cutover": {"number", "kind", "state", "token", "started_at", "finished_at", "by", "progress", "problem"},
    "watch": set(),
    "forgotten_write": set(),
    "phase_change": {"number", "from_phase", "to_phase", "at", "by", "checks", "override"},
    "pause": set(),
    "recent_batch": set(),
    "unmapped_type": set(),
    "invalidation": set(),
}  # fmt: skip


def test_the_reader_reads_the_tables_and_no_identity(logins, connection):
    """The mapped tables are read whole; of the schema cdc nothing that names a document or leads to it."""
    columns = connection.execute(
        "select c.relname, a.attname, has_column_privilege(%s, c.oid, a.attnum, 'select')"
        " from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " where c.relnamespace = 'cdc'::regnamespace and c.relkind = 'r' and a.attnum > 0",
        [logins.names["reader"]],
    ).fetchall()
    tables = {table for table, _, _ in columns}

    assert {table: {name for where, name, may in columns if may and where == table} for table in tables} == READABLE
    with psycopg.connect(logins.as_("reader")) as reader:
        for mapper in MAPPERS:
            for table in mapper.tables:
                assert reader.execute(f"select * from {table}").fetchall() == []
        counted = "select container, state, unmapped_type, count(*) from cdc.document group by 1, 2, 3"
        assert reader.execute(counted).fetchall() == []


@pytest.mark.parametrize(
    "statement",
    [
        "select id from cdc.document",
        "select * from cdc.dead_letter",
        "insert into public.accounts (id, email) values ('x', 'x')",
        "update public.accounts set email = 'x'",
        "delete from public.accounts",
        "delete from cdc.dead_letter",
        "create table public.mine (id text)",
        "set role {writer}",
    ],
)
def test_the_reader_can_do_nothing_else(logins, statement):
    """It writes nowhere."""
    with psycopg.connect(logins.as_("reader")) as reader, pytest.raises(errors.InsufficientPrivilege):
        reader.execute(statement.format(writer=f"{logins.name}_cdc_writer"))


def test_what_the_owner_creates_is_granted(empty_logins, open_as, empty_dsn):
    """From an empty database on: the owner migrates, and the others can use each new table at once."""
    owner = open_as(empty_logins, "owner")
    assert migrate(owner, [*MIGRATIONS, NEW]) == [*MIGRATIONS, NEW]
    gate.record_first(owner, Phase.DUAL_WRITE_COSMOS_READ)

    write_everything(open_as(empty_logins, "writer"))
    with psycopg.connect(empty_logins.as_("writer")) as writer:
        writer.execute("insert into public.later values ('x')")
        writer.execute("insert into cdc.later values ('x')")
    with psycopg.connect(empty_logins.as_("reader")) as reader:
        assert reader.execute("select id from public.later").fetchone() == ("x",)
        with pytest.raises(errors.InsufficientPrivilege):
            reader.execute("select id from cdc.later")
    with psycopg.connect(empty_dsn) as connection:
        owners = connection.execute(
            "select distinct tableowner from pg_tables where schemaname in ('cdc', 'public')"
        ).fetchall()
        functions = connection.execute(
            "select distinct pg_get_userbyid(proowner), has_function_privilege(%s, oid, 'execute') from pg_proc"
            " where pronamespace = 'cdc'::regnamespace",
            [empty_logins.names["writer"]],
        ).fetchall()
    assert owners == [(f"{empty_logins.name}_cdc_owner",)]
    assert functions == [(f"{empty_logins.name}_cdc_owner", True)]


def test_the_owner_migrates_what_was_there_before(logins, open_as):
    """On a database that was migrated by somebody else the schema cdc changes hands."""
    assert migrate(open_as(logins, "owner"), [*MIGRATIONS, NEW]) == [NEW]


def test_functions_of_a_database_that_was_there_before_change_hands(logins, connection):
    """The owner can replace them in a later migration, and the writer needs no right of everybody's to call them."""
    connection.execute("revoke execute on all functions in schema cdc from public")
    functions = connection.execute(
        "select distinct pg_get_userbyid(proowner), has_function_privilege(%s, oid, 'execute') from pg_proc"
        " where pronamespace = 'cdc'::regnamespace",
        [logins.names["writer"]],
    ).fetchall()

    assert functions == [(f"{logins.name}_cdc_owner", True)]


def privileges(dsn):
    """Return every owner and every grant of the two schemas, and what later tables grant."""
    with psycopg.connect(dsn) as connection:
        return [
            connection.execute(statement).fetchall()
            for statement in (
                "select oid::regclass::text, relowner, relacl::text from pg_class where oid >= 16384 order by 1",
                "select attrelid, attname, attacl::text from pg_attribute where attacl is not null order by 1, 2",
                "select nspname, nspowner, nspacl::text from pg_namespace order by 1",
                "select oid::regprocedure::text, proowner, proacl::text from pg_proc where oid >= 16384 order by 1",
                "select datacl::text from pg_database where datname = current_database()",
                "select defaclrole, defaclnamespace, defaclacl::text from pg_default_acl order by 1, 2",
                "select roleid, member, count(*) from pg_auth_members group by 1, 2 order by 1, 2",
            )
        ]


def test_a_second_run_changes_nothing(logins, dsn):
    """The script may run after every migration."""
    before = privileges(dsn)

    with psycopg.connect(dsn) as admin:
        admin.execute(ROLES)

    assert privileges(dsn) == before


def test_a_table_of_the_application_keeps_its_owner(empty_dsn):
    """What was there before us belongs to whom it belonged."""
    with psycopg.connect(empty_dsn, autocommit=True) as admin:
        admin.execute(SQL("create role {}").format(Identifier(f"{conninfo_to_dict(empty_dsn)['dbname']}_app")))
        admin.execute("create table public.accounts (id text primary key)")
        admin.execute(
            SQL("alter table public.accounts owner to {}").format(
                Identifier(f"{conninfo_to_dict(empty_dsn)['dbname']}_app")
            )
        )
        for logins in logins_of(empty_dsn):
            owner = admin.execute("select tableowner from pg_tables where tablename = 'accounts'").fetchone()
            assert owner == (f"{logins.name}_app",)


def test_an_administrator_who_is_no_superuser_can_run_it(empty_dsn, open_as):
    """As on a managed server: a role that may create roles and owns the database; also a second time."""
    administrator = Logins(empty_dsn)
    with psycopg.connect(empty_dsn, autocommit=True) as superuser:
        owner = Identifier(administrator.names["admin"])
        superuser.execute(SQL("create role {} login createrole").format(owner))
        superuser.execute(SQL("alter database {} owner to {}").format(Identifier(administrator.name), owner))
    for logins in logins_of(empty_dsn, script_runs_as=administrator.as_("admin")):
        owner = open_as(logins, "owner")
        migrate(owner, MIGRATIONS)
        gate.record_first(owner, Phase.DUAL_WRITE_COSMOS_READ)
        with psycopg.connect(logins.as_("admin")) as admin:
            admin.execute(ROLES)
        write_everything(open_as(logins, "writer"))
        with psycopg.connect(logins.as_("writer")) as writer, pytest.raises(errors.InsufficientPrivilege):
            writer.execute("delete from cdc.migration")
        with psycopg.connect(empty_dsn, autocommit=True) as superuser:
            superuser.execute(SQL("alter database {} owner to postgres").format(Identifier(logins.name)))


def test_a_name_that_leaves_no_room_is_refused(postgres_server):
    """A role's name that PostgreSQL cuts would be another role's too."""
    name = "d" * 60
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as admin:
        admin.execute(SQL("create database {}").format(Identifier(name)))
        with (
            psycopg.connect(postgres_server.dsn(name)) as connection,
            pytest.raises(errors.RaiseException, match="too long"),
        ):
            connection.execute(ROLES)
        admin.execute(SQL("drop database {} with (force)").format(Identifier(name)))
