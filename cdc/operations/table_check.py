"""Compare the tables that the mappers declare with the tables in the database."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from cdc.core.mapping import Mapper
from cdc.postgres.database import Connection, Database
from cdc.postgres.rows import primary_key, type_name
from cdc.postgres.statements import statement

# The application's own tables have varchar instead of text, which is as good. char(n) is not: it pads values.
_SAME_TYPE = {"character varying": "text"}


@dataclass(frozen=True, slots=True)
class _Column:
    type: str
    required: bool
    has_default: bool


def check_tables(database: Database, mapper: Mapper[Any]) -> list[str]:
    """Return one sentence for each problem of a mapper's tables; [] if its rows can be written."""
    with database.connection() as connection:
        return [problem for table in mapper.tables for problem in _check_table(connection, table)]


def _check_table(connection: Connection, table: Table) -> Iterator[str]:
    columns = {
        name: _Column(type_, required, has_default)
        for name, type_, required, has_default in connection.execute(statement("read_columns"), {"table": str(table)})
    }
    if not columns:
        yield f"table {table} is missing: run python -m cdc migrate"
        return
    yield from _check_columns(table, columns)
    found = [name for (name,) in connection.execute(statement("read_primary_key"), {"table": str(table)})]
    if found != primary_key(table):
        needed = ", ".join(primary_key(table))
        yield f"table {table} has the primary key ({', '.join(found)}), but its mapper needs ({needed})"


def _check_columns(table: Table, columns: dict[str, _Column]) -> Iterator[str]:
    for column in table.columns:
        found = columns.get(column.name)
        if found is None:
            yield f"table {table} has no column {column.name}, but its mapper writes it: add it in a new migration"
        elif _SAME_TYPE.get(found.type, found.type) != type_name(column):
            yield f"column {column.name} of table {table} is {found.type}, but its mapper writes {type_name(column)}"
    for name in columns.keys() - set(table.columns.keys()):
        if columns[name].required and not columns[name].has_default:
            yield f"column {name} of table {table} must not be null, but no mapper writes it: give it a default"
