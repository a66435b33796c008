"""Each right that the app needs and lacks is named, whoever created what it is about; the roles' script grants it."""

from dataclasses import replace

import psycopg
import pytest
from psycopg import errors
from psycopg.sql import SQL, Identifier
from sqlalchemy import Column, MetaData, Table, Text

from cdc.config.settings import Phase
from cdc.core.errors import FatalError
from cdc.operations.migrations import Migration, migrate, read_migrations
from cdc.operations.phase_record import PhaseRecord
from cdc.operations.rights import check_rights, write_script
from cdc.postgres import gate
from cdc.postgres.database import Database
from mappers import APPLICATION_SQL, EXTRA_MAPPERS, MAPPERS
from tests.integration.sql.conftest import ROLES, Logins, logins_of

ALL = [*MAPPERS, *EXTRA_MAPPERS]
ONE = Phase.DUAL_WRITE_COSMOS_READ
LATER = """
create table cdc.later (id text primary key, number serial, kind cdc.mood, place bigint generated always as identity);
create sequence cdc.later_id;
create function cdc.twice(one int) returns int language sql as $$ select 2 * one $$;
create procedure cdc.nothing() language sql as $$ select 1 $$;
create view cdc.latest as select max(id) as id from cdc.later;
create table public.later (id text primary key, number serial);
"""
TYPE = "create type cdc.mood as enum ('good', 'bad');"
USE = (
    "insert into cdc.later (id, kind) values ('a', 'good')",
    "update cdc.later set id = 'b'",
    "delete from cdc.later",
    "select nextval('cdc.later_id'), cdc.twice(1)",
    "call cdc.nothing()",
    "select id from cdc.latest",
    "insert into public.later values ('a')",
)


@pytest.fixture
def writer(logins, open_as):
    """What the app has."""
    return open_as(logins, "writer")


def use(logins):
    """Do everything that the app would do with what a later migration has created."""
    with psycopg.connect(logins.as_("writer"), autocommit=True) as connection:
        for statement in USE:
            connection.execute(statement)


def run_script(dsn):
    """Run the script of the roles."""
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(ROLES)


def test_the_script_grants_what_the_app_needs(writer):
    """Nothing is missing, and a reconcile gets its number from the sequence."""
    assert check_rights(writer, ALL) == []

    with writer.connection() as connection:
        assert connection.execute("select nextval('cdc.reconciliation_id')").fetchone() == (1,)


@pytest.mark.parametrize(
    ("revoked", "named"),
    [
        ("usage on schema cdc", "usage on schema cdc"),
        ("delete on cdc.suspect", "delete on table cdc.suspect"),
        ("select on cdc.migration", "select on table cdc.migration"),
        ("usage on sequence cdc.reconciliation_id", "usage on sequence cdc.reconciliation_id"),
        (
            "execute on function cdc.surely_newer",
            "execute on function cdc.surely_newer(bigint,bigint,bigint,bigint)",
        ),
        ("insert on public.accounts", "insert on table public.accounts"),
        ("delete on cdc.invalidation", "delete on table cdc.invalidation"),
        ("update on public.user_badges", "update on table public.user_badges"),
        ("select on public.pending_signups", "select on table public.pending_signups"),
    ],
)
def test_a_right_that_was_revoked_is_named_until_the_script_runs_again(logins, connection, writer, revoked, named):
    """One table, sequence, function or schema; the sentence says what to do."""
    for grantee in (f"{logins.name}_cdc_writer", "public"):
        connection.execute(
            SQL(f"revoke {revoked} from {{}}").format(Identifier(grantee) if "_" in grantee else SQL(grantee))
        )

    (sentence,) = check_rights(writer, ALL)

    assert f": {named}; " in sentence
    assert sentence.endswith("; run again what `python -m cdc roles` prints, as a role that may grant them")
    run_script(logins.dsn)
    assert check_rights(writer, ALL) == []


def test_a_login_without_a_role_lacks_everything(logins, connection, open_as):
    """Somebody forgot to make it a member: the first rights are named, the others counted."""
    membership = SQL("revoke {} from {}").format(
        Identifier(f"{logins.name}_cdc_writer"), Identifier(logins.names["writer"])
    )
    connection.execute(membership)

    (sentence,) = check_rights(open_as(logins, "writer"), ALL)

    assert sentence.endswith(f" more; run: grant {logins.name}_cdc_writer to {logins.names['writer']}")
    assert len(sentence) < 500


def test_a_database_without_the_roles_needs_the_script_first(logins, connection, open_as):
    """Nobody has rights that a membership would bring."""
    holders = connection.execute(
        "select distinct grantee::regrole::text from pg_class c, aclexplode(c.relacl)"
        " where c.oid = 'cdc.document'::regclass and grantee <> relowner"
    ).fetchall()
    for (holder,) in holders:
        connection.execute(SQL("revoke all on all tables in schema cdc from {}").format(SQL(holder)))

    (sentence,) = check_rights(open_as(logins, "writer"), ALL)

    assert sentence.endswith(
        "; run what `python -m cdc roles` prints, and grant the writer's role that it makes to this role"
    )


def test_what_a_later_migration_creates_is_granted_at_once(logins, open_as, writer):
    """Tables, sequences, functions, procedures and views of the owner need no second run of the script."""
    migrate(open_as(logins, "owner"), [*read_migrations(APPLICATION_SQL), Migration(99, "0099_later", TYPE + LATER)])

    assert check_rights(writer, ALL) == []
    use(logins)


def test_what_another_owner_creates_is_named_and_then_granted(logins, connection, writer, open_as):
    """An administrator migrated: the owner's default privileges are not his."""
    connection.execute(TYPE + LATER)
    connection.execute("revoke execute on all routines in schema cdc from public")

    (sentence,) = check_rights(writer, ALL)
    assert sentence.count(" on ") >= 5
    with pytest.raises(errors.InsufficientPrivilege):
        use(logins)
    connection.execute(
        SQL("grant usage on sequence public.later_number_seq to {}").format(Identifier(f"{logins.name}_cdc_writer"))
    )
    connection.execute(SQL("grant insert on public.later to {}").format(Identifier(f"{logins.name}_cdc_writer")))
    run_script(logins.dsn)
    assert check_rights(writer, ALL) == []
    use(logins)
    changes = (
        "alter table cdc.later add x int; drop view cdc.latest; drop function cdc.twice; drop sequence cdc.later_id"
    )
    migrate(
        open_as(logins, "owner"),
        [
            *read_migrations(APPLICATION_SQL),
            Migration(99, "0099_mend", f"{changes}; alter type cdc.mood add value 'x'"),
        ],
    )


def test_the_right_to_an_identity_columns_sequence_is_not_needed(logins, connection, writer):
    """PostgreSQL does not ask for it."""
    connection.execute(
        SQL("revoke all on sequence cdc.dead_letter_number_seq from {}").format(Identifier(f"{logins.name}_cdc_writer"))
    )

    assert check_rights(writer, ALL) == []


@pytest.fixture
def adopted(empty_dsn, open_as):
    """A table that the application created, as a role of its own: a serial column, a default and a check of its own."""
    name = Logins(empty_dsn).name
    with psycopg.connect(empty_dsn, autocommit=True) as admin:
        admin.execute(SQL("create role {}").format(Identifier(f"{name}_application")))
        admin.execute(SQL("grant create on schema public to {}").format(Identifier(f"{name}_application")))
        admin.execute(SQL("set role {}").format(Identifier(f"{name}_application")))
        admin.execute("create function public.tenant() returns text language sql as $$ select 'mystira' $$")
        admin.execute("revoke execute on function public.tenant() from public")
        admin.execute(
            "create table public.accounts (id text primary key, email text not null, number serial,"
            " tenant text default tenant() check (tenant <> tenant() || '!'))"
        )
    yield from logins_of(empty_dsn)


def test_a_table_of_the_application_is_granted_with_what_its_columns_use(adopted, open_as):
    """Its sequence and the function of its default are the application's, and an insert needs both."""
    writer = open_as(adopted, "writer")
    insert = "insert into accounts (id, email) values (%s, 'a@example.com')"
    with psycopg.connect(adopted.as_("writer"), autocommit=True) as connection:
        connection.execute(insert, ["a"])
    assert check_rights(writer, ALL) == []

    with psycopg.connect(adopted.dsn, autocommit=True) as admin:
        for right in ("usage on sequence public.accounts_number_seq", "execute on function public.tenant()"):
            admin.execute(SQL(f"revoke {right} from {{}}").format(Identifier(f"{adopted.name}_cdc_writer")))

    (sentence,) = check_rights(writer, ALL)
    assert "execute on function tenant(), usage on sequence public.accounts_number_seq" in sentence
    with (
        psycopg.connect(adopted.as_("writer"), autocommit=True) as connection,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        connection.execute(insert, ["b"])


def test_a_table_that_the_script_may_not_grant_is_named_with_its_owner(empty_dsn):
    """The administrator of the server has no right of the application's role."""
    manager = Logins(empty_dsn)
    with psycopg.connect(empty_dsn, autocommit=True) as admin:
        admin.execute(SQL("create role {} login createrole").format(Identifier(manager.names["admin"])))
        admin.execute(
            SQL("alter database {} owner to {}").format(*map(Identifier, (manager.name, manager.names["admin"])))
        )
        admin.execute("create table public.accounts (id text primary key)")
        for also in (
            "select 1",
            SQL("grant select on public.accounts to {}").format(Identifier(manager.names["admin"])),
        ):
            admin.execute(also)
            with (
                psycopg.connect(manager.as_("admin"), autocommit=True) as connection,
                pytest.raises(errors.RaiseException, match=r"may not grant rights on table accounts: run .* postgres"),
            ):
                connection.execute(ROLES)
        admin.execute(SQL("alter database {} owner to postgres").format(Identifier(manager.name)))
        manager.drop(admin)


@pytest.mark.parametrize("policy", ["using (email = current_user)", "using (true) with check (true)"])
def test_row_security_is_named_until_the_login_is_exempt(logins, connection, writer, policy):
    """The app lets no policy hide rows from it: PostgreSQL refuses its queries instead."""
    connection.execute("alter table accounts enable row level security")
    connection.execute(f"create policy own on accounts {policy}")
    with pytest.raises(FatalError), writer.connection() as session:
        session.execute("select from accounts")

    (sentence,) = check_rights(writer, ALL)

    assert sentence.startswith("row security applies to public.accounts: ")
    connection.execute(SQL("alter role {} bypassrls").format(Identifier(logins.names["writer"])))
    assert check_rights(writer, ALL) == []
    with writer.connection() as session:
        session.execute("select from accounts")


def test_the_administrator_lacks_nothing(logins, connection):
    """The check is about rights, not about names of roles."""
    database = Database(logins.dsn)
    connection.execute("alter table accounts enable row level security")

    assert check_rights(database, ALL) == []
    database.close()


def test_who_records_a_phase_may_measure_all_of_it(logins, open_as):
    """The owner, whose checks must pass, also where the application has created the mapped tables."""
    owner = open_as(logins, "owner")
    record = PhaseRecord(ONE, owner, lambda _: [] if check_rights(owner, ALL) == [] else pytest.fail("rights"))

    record.change(Phase.DUAL_WRITE_POSTGRES_READ)

    assert record.read().recorded == "dual_write_postgres_read"


def test_who_may_not_record_a_phase_is_told_before_anything_is_measured(writer, connection):
    """The sentence must not send anybody to grant the app this right."""
    record = PhaseRecord(ONE, writer, lambda _: pytest.fail("it is measured"))
    with pytest.raises(FatalError, match="as the login that migrates"):
        record.change(Phase.DUAL_WRITE_POSTGRES_READ)

    connection.execute("delete from cdc.phase")
    with pytest.raises(FatalError, match="as the login that migrates"):
        gate.record_first(writer, ONE)


def test_the_names_of_tables_are_quoted_and_their_schema_is_opened(empty_dsn, open_as):
    """Whatever the mappers call them; the list is theirs alone."""
    odd = Table('it\'s "odd"', MetaData(schema="Orders"), Column("id", Text, primary_key=True))
    mapper = replace(MAPPERS[0], tables=(odd,), lookups=(), rules=(), cache_keys=())
    with psycopg.connect(empty_dsn, autocommit=True) as admin:
        admin.execute('create schema "Orders" create table "it\'s ""odd""" (id text primary key)')
        admin.execute("create table public.accounts (id text primary key)")
    for logins in logins_of(empty_dsn):
        writer = open_as(logins, "writer")
        (sentence,) = check_rights(writer, [mapper])
        assert 'usage on schema "Orders"' in sentence

        with psycopg.connect(empty_dsn, autocommit=True) as admin:
            admin.execute(write_script([mapper]))

        assert check_rights(writer, [mapper]) == []


def test_only_the_tables_of_the_mappers_are_granted(empty_dsn, open_as):
    """A table of the application that nobody maps stays closed."""
    mapped, other = MAPPERS[0], MAPPERS[1]
    with psycopg.connect(empty_dsn, autocommit=True) as admin:
        for table in (*mapped.tables, *other.tables):
            admin.execute(f"create table {table} (id text primary key)")
    for logins in logins_of(empty_dsn, script=write_script([mapped])):
        assert check_rights(open_as(logins, "writer"), [mapped]) == []
        (sentence,) = check_rights(open_as(logins, "writer"), [other])
        assert f"delete on table {other.tables[1]}" in sentence
