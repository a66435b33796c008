"""Apply the numbered migrations of the engine and of the application, forward only, whole or in steps."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from types import MappingProxyType
from typing import LiteralString

from cdc.core.errors import FatalError
from cdc.operations import migration_steps
from cdc.postgres.database import Connection, Database
from cdc.postgres.pool import Use
from cdc.postgres.statements import SQL, statement

# An index of a large table takes its time.
_A_DAY = 86_400

_CREATE_HISTORIES: LiteralString = """
create schema if not exists cdc;
create table if not exists cdc.migration (
    number integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
);
create table if not exists cdc.application_migration (like cdc.migration including all);
create table if not exists cdc.migration_step (
    migration text not null,
    step text not null,
    -- Where the next batch begins.
    position text not null,
    finished boolean not null,
    primary key (migration, step)
);
"""

# Earlier releases had one series for both: what it holds of the application's files counts for these.
_ADOPT: LiteralString = """
insert into cdc.application_migration (number, name, checksum, applied_at)
select %(number)s, %(name)s, %(checksum)s, applied_at from cdc.migration where checksum = %(checksum)s
on conflict do nothing
"""
_RECORD_ENGINE: LiteralString = """
insert into cdc.migration (number, name, checksum) values (%(number)s, %(name)s, %(checksum)s)
"""
# For an earlier release, which demands the numbers that the engine leaves out now.
_RECORD_APPLICATION: LiteralString = """
with recorded as (
    insert into cdc.application_migration (number, name, checksum) values (%(number)s, %(name)s, %(checksum)s)
)
insert into cdc.migration (number, name, checksum)
select %(number)s, %(name)s, %(checksum)s where %(number)s < (select max(number) from cdc.migration)
on conflict do nothing
"""

_Applied = Mapping[int, tuple[str, str]]


class Series(Enum):
    """Whose numbers they are; each series has a history of its own."""

    ENGINE = auto()
    APPLICATION = auto()


@dataclass(frozen=True, slots=True)
class Migration:
    """A numbered file of statements."""

    number: int
    name: str
    statements: LiteralString
    series: Series = Series.ENGINE

    @classmethod
    def from_file(cls, path: Path, series: Series) -> "Migration":
        """Read a file named like 0001_what_it_does.sql."""
        return cls(int(path.stem.partition("_")[0]), path.stem, path.read_text(encoding="utf-8"), series)

    @property
    def checksum(self) -> str:
        """Return a digest; it shows whether the file was edited after it was applied."""
        return hashlib.sha256(self.statements.encode("utf-8")).hexdigest()


def read_migrations(application: Path) -> list[Migration]:
    """Return the migrations of this version in order: the engine's, then those in the application's folder."""
    return _read_series(SQL / "engine", Series.ENGINE) + _read_series(application, Series.APPLICATION)


def _read_series(folder: Path, series: Series) -> list[Migration]:
    return [Migration.from_file(path, series) for path in sorted(folder.glob("*.sql"))]


def migrate(
    database: Database, migrations: Sequence[Migration], root_tables: Mapping[str, str] = MappingProxyType({})
) -> list[Migration]:
    """Apply the missing migrations and return those applied here; two parallel runs apply each migration once.

    `root_tables` are the root tables by container, which some migrations need.
    """
    database = database.share(Use.OPERATORS, seconds=_A_DAY)
    with database.transaction() as connection:
        migration_steps.lock(connection)
        connection.execute(_CREATE_HISTORIES)
        for migration in migrations:
            if migration.series is Series.APPLICATION:
                connection.execute(_ADOPT, _values(migration))
        missing = _missing(connection, migrations)
    return [migration for migration in missing if _apply(database, migration, root_tables)]


def find_missing(database: Database, migrations: Sequence[Migration]) -> list[Migration]:
    """Return the migrations that the database does not have yet."""
    with database.connection() as connection:
        return _missing(connection, migrations)


def _missing(connection: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    engine = _read_applied(connection, "cdc.migration", statement("read_migrations"))
    application = _read_applied(connection, "cdc.application_migration", statement("read_application_migrations"))

    def find(migration: Migration) -> tuple[str, str] | None:
        if migration.series is Series.ENGINE:
            return engine.get(migration.number)
        return application.get(migration.number) or _find_adopted(engine, migration)

    return [migration for migration in migrations if not _is_same(migration, find(migration))]


def _read_applied(connection: Connection, table: str, query: LiteralString) -> _Applied:
    if connection.execute("select to_regclass(%s)", [table]).fetchone() == (None,):
        return {}
    return {number: (name, checksum) for number, name, checksum in connection.execute(query)}


def _find_adopted(engine: _Applied, migration: Migration) -> tuple[str, str] | None:
    """Return what the single series of earlier releases holds of a file of the application."""
    same = [found for found in engine.values() if migration.checksum == found[1]]
    named = [found for found in engine.values() if migration.name == found[0]]
    return next(iter(same + named), None)


def _is_same(migration: Migration, applied: tuple[str, str] | None) -> bool:
    if applied is None:
        return False
    name, checksum = applied
    if checksum != migration.checksum:
        raise FatalError(
            f"The database has a migration {name} that differs from this version's {migration.name}: "
            "restore the file as it was applied and put the difference into a new migration."
        )
    return True


def _apply(database: Database, migration: Migration, root_tables: Mapping[str, str]) -> bool:
    record = _RECORD_ENGINE if migration.series is Series.ENGINE else _RECORD_APPLICATION
    steps = migration_steps.read_steps(migration.name, migration.statements)
    migration_steps.apply(database, steps, root_tables)
    with database.transaction() as connection:
        migration_steps.lock(connection)
        if not _missing(connection, [migration]):
            return False
        if not steps:
            connection.execute(migration.statements)
        connection.execute(record, _values(migration))
    return True


def _values(migration: Migration) -> dict[str, object]:
    return {"number": migration.number, "name": migration.name, "checksum": migration.checksum}
