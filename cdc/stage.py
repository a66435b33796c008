"""Bring rows to the server: a few as arrays, many by binary COPY into a temporary table of the session."""

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.sql import SQL, Composable, Identifier
from pydantic_core import to_json

from cdc.errors import DocumentError, Problem, ProblemKind
from cdc.postgres import Connection, translated_errors

Values = tuple[Any, ...]

# Below this the round trips of a COPY cost more than it saves (docs/performance.md).
_ENOUGH = 200
_LENGTH = re.compile(r"\(.*?\)")
# What binary COPY expects in front of a jsonb value's text: the version of the format.
_JSONB = b"\x01"


@dataclass(frozen=True, slots=True)
class Shape:
    """What is sent: names and types, which come from declarations, never from input."""

    name: str
    columns: tuple[tuple[str, str], ...]


def send(connection: Connection, shape: Shape, rows: Sequence[Values]) -> tuple[bool, list[list[Any]]]:
    """Return whether the rows are in the temporary table, and the parameters that `source` needs otherwise."""
    # Who may not prepare statements has no session to keep a table in (Database.session_state).
    if connection.prepare_threshold is not None and len(rows) >= _ENOUGH:
        _copy(connection, shape, rows)
        return True, []
    columns = zip(shape.columns, zip(*rows, strict=True), strict=True)
    return False, [_array(name, type_, values) for (name, type_), values in columns]


def source(shape: Shape, *, staged: bool) -> Composable:
    """Return the rows that were sent as an item of a FROM clause, under the alias s."""
    names = SQL(", ").join(Identifier(name) for name, _ in shape.columns)
    if staged:
        return SQL("{} as s ({})").format(Identifier("pg_temp", shape.name), names)
    arrays = SQL(", ").join(SQL("%b::{}[]").format(_type(type_)) for _, type_ in shape.columns)
    return SQL("unnest({}) as s ({})").format(arrays, names)


def _array(name: str, type_: str, values: Iterable[Any]) -> list[Any]:
    if type_ != "jsonb":
        return list(values)
    try:
        return [None if value is None else to_json(value).decode() for value in values]
    except ValueError:
        raise DocumentError(Problem(ProblemKind.DATA, name, "a value that JSON has no form for")) from None


def _copy(connection: Connection, shape: Shape, rows: Iterable[Values]) -> None:
    table = Identifier("pg_temp", shape.name)
    columns = SQL(", ").join(SQL("{} {}").format(Identifier(name), _type(type_)) for name, type_ in shape.columns)
    # Asked for each time: what a transaction creates is gone when it rolls back.
    connection.execute(SQL("create temporary table if not exists {} ({}) on commit delete rows").format(table, columns))
    json_places = [place for place, (_, type_) in enumerate(shape.columns) if type_ == "jsonb"]
    types = ["bytea" if type_ == "jsonb" else _LENGTH.sub("", type_) for _, type_ in shape.columns]
    with connection.cursor().copy(SQL("copy {} from stdin (format binary)").format(table)) as copy, translated_errors():
        copy.set_types(types)
        try:
            for row in rows:
                copy.write_row(_with_json(row, json_places) if json_places else row)
        except (TypeError, ValueError, AttributeError, ArithmeticError, struct.error):  # a value of another type
            # Raised inside the COPY, which tells the server, and its log, what ended it: no value may be in it.
            raise DocumentError(Problem(ProblemKind.DATA, "$", "a value that PostgreSQL has no form for")) from None


def _with_json(row: Values, places: Iterable[int]) -> list[Any]:
    values = list(row)
    for place in places:
        if values[place] is not None:
            values[place] = _JSONB + to_json(values[place])
    return values


def _type(name: str) -> SQL:
    return SQL(name)
