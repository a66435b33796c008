"""The types of the mapped tables' columns, as PostgreSQL names them."""

import re
from typing import Any

from psycopg.sql import SQL
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from cdc.postgres.database import Connection
from cdc.postgres.statements import statement

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_MODIFIER = re.compile(r" ?\(.*?\)")
# Without a modifier, these names mean a length of one.
_UNLIMITED = {"char": "bpchar", "bit": "varbit"}


def type_name(column: Column[Any]) -> str:
    """Return a column's type as PostgreSQL writes it in DDL, lower-case except quoted names."""
    name = column.type.compile(dialect=_DIALECT)
    return name if '"' in name else name.lower()


def sent_type(column: Column[Any]) -> str:
    """Return the type as which a column's values are sent: without a length."""
    # A cast to a type with a length would cut a value that is too long; the column refuses it.
    name = _MODIFIER.sub("", type_name(column))
    return _UNLIMITED.get(name, name)


def read_types(connection: Connection, table: Table) -> dict[str, tuple[str, str, int]]:
    """Return the declared types by column, as PostgreSQL writes them: without modifier, with it, and the modifier."""
    # A type name comes from a table declaration of this project, never from input.
    values = SQL(", ").join(SQL("null::{}").format(SQL(type_name(column))) for column in table.columns)
    result = connection.execute(SQL("select {}").format(values)).pgresult
    assert result is not None  # noqa: S101 - a statement that was executed has a result
    places = range(result.nfields)
    parameters = {"oids": [result.ftype(at) for at in places], "modifiers": [result.fmod(at) for at in places]}
    found = connection.execute(statement("name_types"), parameters).fetchall()
    return {
        column.name: (base, name, modifier) for column, (base, name, modifier) in zip(table.columns, found, strict=True)
    }
