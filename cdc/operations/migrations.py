"""Apply the numbered migrations of sql/migrations, forward only, each in its own transaction."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

from psycopg.errors import UndefinedTable

from cdc.core.errors import FatalError
from cdc.postgres.database import Connection, Database
from cdc.postgres.pool import Use
from cdc.postgres.statements import SQL, statement

# Any constant that differs from the advisory locks of other programs in the same database.
_LOCK = 0x6D797374
# An index of a large table takes its time.
_A_DAY = 86_400

_CREATE_HISTORY: LiteralString = """
create schema if not exists cdc;
create table if not exists cdc.migration (
    number integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
);
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """A numbered file of statements."""

    number: int
    name: str
    statements: LiteralString

    @classmethod
    def from_file(cls, path: Path) -> "Migration":
        """Read a file named like 0001_what_it_does.sql."""
        return cls(int(path.stem.partition("_")[0]), path.stem, path.read_text(encoding="utf-8"))

    @property
    def checksum(self) -> str:
        """Return a digest; it shows whether the file was edited after it was applied."""
        return hashlib.sha256(self.statements.encode("utf-8")).hexdigest()


def read_migrations(folder: Path = SQL / "migrations") -> list[Migration]:
    """Return the migrations of this version, in order."""
    return [Migration.from_file(path) for path in sorted(folder.glob("*.sql"))]


def migrate(database: Database, migrations: Sequence[Migration]) -> list[Migration]:
    """Apply the missing migrations and return those applied here; two parallel runs apply each migration once."""
    database = database.share(Use.OPERATORS, seconds=_A_DAY)
    with database.transaction() as connection:
        _lock(connection)
        connection.execute(_CREATE_HISTORY)
        missing = _missing(connection, migrations)
    return [migration for migration in missing if _apply(database, migration)]


def find_missing(database: Database, migrations: Sequence[Migration]) -> list[Migration]:
    """Return the migrations that the database does not have yet."""
    with database.connection() as connection:
        try:
            return _missing(connection, migrations)
        except UndefinedTable:
            return list(migrations)


def _missing(connection: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    applied = {number: (name, checksum) for number, name, checksum in connection.execute(statement("read_migrations"))}
    for migration in migrations:
        name, checksum = applied.get(migration.number, (migration.name, migration.checksum))
        if checksum != migration.checksum:
            raise FatalError(
                f"The database has a migration {name} that differs from this version's {migration.name}: "
                "restore the file as it was applied and put the difference into a new migration."
            )
    return [migration for migration in migrations if migration.number not in applied]


def _lock(connection: Connection) -> None:
    # Until the transaction ends: a pooler may give the next transaction another session.
    connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])


def _apply(database: Database, migration: Migration) -> bool:
    with database.transaction() as connection:
        _lock(connection)
        if not _missing(connection, [migration]):
            return False
        connection.execute(migration.statements)
        connection.execute(
            "insert into cdc.migration (number, name, checksum) values (%s, %s, %s)",
            [migration.number, migration.name, migration.checksum],
        )
    return True
