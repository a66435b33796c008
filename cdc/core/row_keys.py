"""Row keys: which root row a document holds, by table and primary key."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation
from functools import cache
from json.encoder import encode_basestring
from math import isfinite
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Column, Float, Numeric, String, Table, Uuid

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode
# Takes zeros away at the end of a number, and never rounds.
_EXACTLY = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


class RowKey(NamedTuple):
    """Names a row: its table, its primary key as a JSON array, and the hash of both, which the ledger indexes.

    The hash is the SHA-256 of the JSON array that begins with the table's name and goes on with the key.
    cdc.row_hash(row_table, row_key) in PostgreSQL is the same.
    """

    table: str
    values: str
    hash: bytes


def key_columns(table: Table) -> list[Column[Any]]:
    """Return the columns by which the rows of a document are found, and told apart: those of the primary key.

    A child table whose primary key does not begin with the root's names the columns that do in its `info`, as `parent`:
    these come first. Raises ValueError if it has no such columns.
    """
    parent = table.info.get("parent", ())
    if not set(parent) <= set(table.columns.keys()):
        raise ValueError(f"table {table}: the parent in its info must be a tuple of its columns, not {parent!r}")
    names = [*parent, *table.primary_key.columns.keys()]
    return [table.columns[name] for name in dict.fromkeys(names)]


@cache
def by_key(table: Table | str) -> Callable[[Iterable[object]], RowKey]:
    """Return the function that names a row of a table by the values of its key's columns, in their order.

    Values that are one value to PostgreSQL have one text: for texts of a uuid or a number, only a declared table tells.
    """
    return by_columns(str(table), () if isinstance(table, str) else key_columns(table))


def by_columns(table: str, columns: Iterable[Column[Any]]) -> Callable[[Iterable[object]], RowKey]:
    """Return the function that names a row of a table by values that are of the types of these columns."""
    return _writer(table, [_reader(column) for column in columns])


@cache
def by_row(table: Table) -> Callable[[Sequence[Any]], RowKey]:
    """Return the function that names a row by all its values, in the order of the table's columns."""
    names = table.columns.keys()
    places = [names.index(column.name) for column in table.primary_key.columns]
    if len(places) == 1 and isinstance(table.columns[names[places[0]]].type, String):
        return _text_writer(str(table), places[0])
    write = by_key(table)
    return lambda row: write([row[place] for place in places])


def read(text: str, roots: Sequence[Table]) -> RowKey:
    """Return the row key of the text that the hash is taken of; without a table's name it is of the first root."""
    table, *values = _parse(text)
    declared = (root for root in roots if str(root) == (table or str(roots[0])))
    return by_key(next(declared, table))(values)


def read_values(key: RowKey) -> list[Any]:
    """Return the values of the primary key; numbers have all their digits."""
    return _parse(key.values)


def _parse(text: str) -> list[Any]:
    values: list[Any] = json.loads(text, parse_float=Decimal)
    return values


def _writer(table: str, readers: Sequence[Callable[[str], object] | None]) -> Callable[[Iterable[object]], RowKey]:
    head = f"[{encode_basestring(table)},"
    some_readers = any(readers)

    def write(values: Iterable[object]) -> RowKey:
        if some_readers:
            pairs = zip(values, readers, strict=False)
            values = [_spell(it, read) if read is not None and isinstance(it, str) else it for it, read in pairs]
        text = ",".join([encode_basestring(it) if isinstance(it, str) else _write(it) for it in values]) + "]"
        return RowKey(table, f"[{text}", hashlib.sha256((head + text).encode()).digest())

    return write


def _text_writer(table: str, place: int) -> Callable[[Sequence[Any]], RowKey]:
    """Return what `_writer` does for the most frequent key, one text, in half the time."""
    head, sha256 = f"[{encode_basestring(table)},", hashlib.sha256

    def write(row: Sequence[Any]) -> RowKey:
        value = row[place]
        text = encode_basestring(value) if isinstance(value, str) else _write(value)
        return RowKey(table, f"[{text}]", sha256(f"{head}{text}]".encode()).digest())

    return write


def _reader(column: Column[Any]) -> Callable[[str], object] | None:
    """Return the class of a column whose values have several texts."""
    if isinstance(column.type, Numeric):
        return None if isinstance(column.type, Float) else Decimal
    return (lambda text: str(UUID(text))) if isinstance(column.type, Uuid) else None


def _spell(text: str, read: Callable[[str], object]) -> object:
    try:
        return read(text)
    except (ValueError, InvalidOperation):
        return text  # PostgreSQL will refuse it


def _write(value: object) -> str:
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC)
    elif isinstance(value, float) and isfinite(value):
        value = Decimal(repr(value))
    if isinstance(value, Decimal) and value.is_finite():
        return format(value.normalize(_EXACTLY), "f") if value else "0"
    return _encode(value)
