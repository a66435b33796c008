"""Give a database its roles, and each role a login, as docs/deploying.md says."""

import secrets
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier, Literal

_ROOT = Path(__file__).parent.parent
_KINDS = ("owner", "writer", "reader")
# The comparison asks which version of each document in Cosmos the ledger has. Readers must not see identities, so its
# login has these rights, and not the role.
_OF_THE_COMPARISON = (
    "grant select (key, partition_key, id, etag, row_table, row_key) on cdc.document to {}",
    "grant select (key) on cdc.dead_letter to {}",
)
_POWERFUL = """
select distinct usename from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
  and pg_has_role(usename, %s, 'member')
"""


@dataclass(frozen=True, slots=True)
class Logins:
    """The addresses of one database: its administrator's, and that of a login of each role."""

    administrator: str
    owner: str
    writer: str
    reader: str


def create(administrator: str, folder: Path = _ROOT) -> Logins:
    """Create the roles and their logins; the owner's must then migrate, and `grant` follow."""
    database, password = name_of(administrator), secrets.token_urlsafe(16)
    _run_script(administrator, folder)
    with psycopg.connect(administrator, autocommit=True) as connection:
        for kind in _KINDS:
            connection.execute(
                SQL("create role {} login password {} in role {}").format(
                    Identifier(f"{database}_{kind}"), Literal(password), Identifier(f"{database}_cdc_{kind}")
                )
            )
        connection.execute(
            SQL("alter role {} in database {} set role = {}").format(
                *map(Identifier, (f"{database}_owner", database, f"{database}_cdc_owner"))
            )
        )
    return Logins(
        administrator,
        *(make_conninfo(administrator, user=f"{database}_{kind}", password=password) for kind in _KINDS),
    )


def grant(logins: Logins, folder: Path = _ROOT) -> None:
    """Grant the rights on what the migrations of the app in a folder have created."""
    _run_script(logins.administrator, folder)
    with psycopg.connect(logins.administrator, autocommit=True) as connection:
        for statement in _OF_THE_COMPARISON:
            connection.execute(SQL(statement).format(Identifier(str(conninfo_to_dict(logins.reader)["user"]))))


def find_powerful_sessions(administrator: str) -> list[str]:
    """Say which logins of other sessions may do more than the writer's role: superusers and members of the owner's."""
    with psycopg.connect(administrator) as connection:
        found = connection.execute(_POWERFUL, [f"{name_of(administrator)}_cdc_owner"]).fetchall()
    return [f"a session of {login} may do more than the app needs" for (login,) in found]


def drop(connection: psycopg.Connection, database: str) -> None:
    """Drop the roles and logins of a database that is gone."""
    names = [f"{database}{infix}{kind}" for kind in _KINDS for infix in ("_", "_cdc_")]
    for (name,) in connection.execute("select rolname from pg_roles where rolname = any(%s)", [names]).fetchall():
        connection.execute(SQL("drop role {}").format(Identifier(name)))


def name_of(address: str) -> str:
    """Return the name of the database at an address."""
    return str(conninfo_to_dict(address)["dbname"])


def _run_script(administrator: str, folder: Path) -> None:
    with psycopg.connect(administrator, autocommit=True) as connection:
        connection.execute(_read_script(folder))


@cache
def _read_script(folder: Path) -> bytes:
    return subprocess.run([sys.executable, "-m", "cdc", "roles"], cwd=folder, stdout=subprocess.PIPE, check=True).stdout
