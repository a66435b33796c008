"""Write and delete rows of the mapped tables, many documents in one statement."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from psycopg.sql import SQL, Composed, Identifier
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from cdc.errors import DocumentError, Problem, ProblemKind
from cdc.model import Row
from cdc.postgres import Connection

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def primary_key(table: Table) -> list[str]:
    """Return the names of a table's primary key columns, in order."""
    return [column.name for column in table.primary_key.columns]


def type_name(column: Column[Any]) -> str:
    """Return a column's type as PostgreSQL writes it in DDL, lower-case."""
    return column.type.compile(dialect=_DIALECT).lower()


def delete_keys(connection: Connection, tables: Sequence[Table], row_keys: Iterable[str]) -> None:
    """Delete the root rows under these keys and all their child rows; `tables` begins with the root."""
    keys = [json.loads(key) for key in row_keys]
    if not keys:
        return
    width = len(primary_key(tables[0]))
    for table in reversed(tables):
        arrays = [[key[place] for key in keys] for place in range(width)]
        connection.execute(_delete_statement(table, width), arrays)


def upsert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows or replace those whose values differ, in key order."""
    if rows:
        connection.execute(_upsert_statement(table), _arrays(table, rows))


def write_children(
    connection: Connection, root: Table, table: Table, parents: Sequence[Row], rows: Sequence[Row]
) -> None:
    """Make a child table hold exactly `rows` under these root rows: delete what vanished, write what differs."""
    if not parents:
        return
    parent_key = primary_key(root)
    parent_arrays = [[row[name] for row in parents] for name in parent_key]
    key_arrays = [[row[name] for row in rows] for name in primary_key(table)]
    connection.execute(_delete_vanished_statement(table, len(parent_key)), parent_arrays + key_arrays)
    upsert(connection, table, rows)


def _arrays(table: Table, rows: Sequence[Row]) -> list[list[Any]]:
    return [_array(column, rows) for column in table.columns]


def _array(column: Column[Any], rows: Sequence[Row]) -> list[Any]:
    values = [row[column.name] for row in rows]
    if type_name(column) == "jsonb":
        return [None if value is None else _write_json(column, value) for value in values]
    return values


def _write_json(column: Column[Any], value: object) -> str:
    try:
        return json.dumps(value, separators=(",", ":"))
    except (TypeError, ValueError):
        problem = Problem(ProblemKind.DATA, column.name, "a value that JSON has no form for")
        raise DocumentError(problem) from None


def _unnest(columns: Sequence[Column[Any]], alias: str, names: Sequence[str]) -> Composed:
    arrays = SQL(", ").join(SQL("%b::{}[]").format(_type(column)) for column in columns)
    return SQL("unnest({}) as {} ({})").format(arrays, Identifier(alias), _identifiers(names))


def _type(column: Column[Any]) -> SQL:
    # A type name comes from a table declaration of this project, never from input.
    return SQL(type_name(column))


def _table(table: Table) -> Identifier:
    return Identifier(table.schema, table.name) if table.schema else Identifier(table.name)


def _identifiers(names: Iterable[str]) -> Composed:
    return SQL(", ").join(map(Identifier, names))


def _same(left: str, right: str, pairs: Iterable[tuple[str, str]]) -> Composed:
    return SQL(" and ").join(
        SQL("{} = {}").format(Identifier(left, ours), Identifier(right, theirs)) for ours, theirs in pairs
    )


@cache
def _upsert_statement(table: Table) -> Composed:
    """Build the upsert that leaves a row untouched where no value differs."""
    names = [column.name for column in table.columns]
    key = primary_key(table)
    others = [name for name in names if name not in key]
    insert = SQL("insert into {} as t ({}) select * from {} order by {} on conflict ({}) do ").format(
        _table(table),
        _identifiers(names),
        _unnest(list(table.columns), "s", names),
        _identifiers(key),
        _identifiers(key),
    )
    if not others:
        return insert + SQL("nothing")
    return insert + SQL("update set {} where ({}) is distinct from ({})").format(
        SQL(", ").join(SQL("{} = excluded.{}").format(Identifier(name), Identifier(name)) for name in others),
        SQL(", ").join(Identifier("t", name) for name in others),
        SQL(", ").join(Identifier("excluded", name) for name in others),
    )


@cache
def _delete_statement(table: Table, width: int) -> Composed:
    columns = list(table.primary_key.columns)[:width]
    names = [column.name for column in columns]
    return SQL("delete from {} t using {} where {}").format(
        _table(table), _unnest(columns, "s", names), _same("t", "s", zip(names, names, strict=True))
    )


@cache
def _delete_vanished_statement(table: Table, width: int) -> Composed:
    key = list(table.primary_key.columns)
    names = [column.name for column in key]
    return SQL("delete from {} t using {} where {} and not exists (select from {} where {})").format(
        _table(table),
        _unnest(key[:width], "p", names[:width]),
        _same("t", "p", zip(names[:width], names[:width], strict=True)),
        _unnest(key, "s", names),
        _same("t", "s", zip(names, names, strict=True)),
    )
