"""What docs/deploying.md says of an existing server: everything goes but the application's tables."""

import re
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from cdc.operations.migrations import migrate, read_migrations
from mappers import APPLICATION_SQL
from tests.integration.sql.conftest import ROLES, Logins, logins_of

PAGE = (Path(__file__).parents[3] / "docs" / "deploying.md").read_text(encoding="utf-8")
STATEMENTS = next(block for block in PAGE.split("```")[1::2] if "drop schema cdc cascade" in block)
MAPPED = "select tableowner, tablename from pg_tables where schemaname = 'public' order by tablename"


@pytest.fixture
def administrator(empty_dsn):
    """Who has made everything, and is no superuser, as on a managed server."""
    logins = Logins(empty_dsn)
    with psycopg.connect(empty_dsn, autocommit=True) as superuser:
        name = Identifier(logins.names["admin"])
        superuser.execute(SQL("create role {} login createrole").format(name))
        superuser.execute(SQL("alter database {} owner to {}").format(Identifier(logins.name), name))
    return logins


@pytest.fixture
def made(administrator, empty_dsn, open_as):
    """A database whose mapped tables our migrations have made, so that the owner role owns them."""
    for logins in logins_of(empty_dsn, script_runs_as=administrator.as_("admin")):
        migrate(open_as(logins, "owner"), read_migrations(APPLICATION_SQL))
        with psycopg.connect(logins.as_("admin")) as admin:
            admin.execute(ROLES)
        with psycopg.connect(empty_dsn, autocommit=True) as superuser:
            for text in (
                "create role {application}",
                "grant {application}, {login} to {admin} with admin option",
                "insert into accounts (id, email) values ('a', 'a@example.org')",
            ):
                superuser.execute(SQL(text).format(**list_names(logins)))
        yield logins
        with psycopg.connect(empty_dsn, autocommit=True) as superuser:
            superuser.execute(SQL("alter database {} owner to postgres").format(Identifier(logins.name)))


def list_names(logins):
    """Return who takes part, for statements."""
    return {
        "application": Identifier(f"{logins.name}_application"),
        "login": Identifier(logins.names["writer"]),
        "admin": Identifier(logins.names["admin"]),
    }


def list_statements(logins):
    """Return the page's statements with the names of this database."""
    text = STATEMENTS.replace("mystiraapp", logins.name).replace("<POSTGRES_ROLE>", logins.names["writer"])
    text = text.replace("<the application's role>", f"{logins.name}_application")
    return [statement.strip() for statement in re.sub(r" *--.*", "", text).split(";") if statement.strip()]


def test_the_mapped_tables_and_their_rows_stay(made):
    """They are the application's now, and nothing of ours is left."""
    with psycopg.connect(made.as_("admin"), autocommit=True) as admin:
        tables = [table for _, table in admin.execute(MAPPED)]

        *statements, drop_login = list_statements(made)
        for statement in statements:
            admin.execute(statement.encode())
        reads = "select has_table_privilege(%s, 'accounts', 'select')"
        assert admin.execute(reads, [made.names["writer"]]).fetchone() == (False,)  # who may not drop it leaves it
        admin.execute(drop_login.encode())

        assert admin.execute(MAPPED).fetchall() == [(f"{made.name}_application", table) for table in tables]
        admin.execute(SQL("set role {application}").format(**list_names(made)))
        assert admin.execute("select id from accounts").fetchall() == [("a",)]
        left = [*(f"{made.name}_cdc_{kind}" for kind in ("owner", "writer", "reader")), made.names["writer"]]
        assert admin.execute("select rolname from pg_roles where rolname = any(%s)", [left]).fetchall() == []
        assert admin.execute("select from pg_namespace where nspname = 'cdc'").fetchall() == []
