"""Row keys: which root row a document holds, by table and primary key."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from json.encoder import encode_basestring
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import String, Table, Uuid

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


class RowKey(NamedTuple):
    """Names a row: its table, its primary key as a JSON array, and the hash of both, which the ledger indexes.

    The hash is the SHA-256 of the JSON array that begins with the table's name and goes on with the key.
    cdc.row_hash(row_table, row_key) in PostgreSQL is the same.
    """

    table: str
    values: str
    hash: bytes


@cache
def by_key(table: Table | str) -> Callable[[Iterable[object]], RowKey]:
    """Return the function that names a row of a table by the values of its primary key, in the key's order.

    Values that are one value to PostgreSQL have one text: for a uuid, only a declared table tells.
    """
    columns = () if isinstance(table, str) else table.primary_key.columns
    return _writer(str(table), [isinstance(column.type, Uuid) for column in columns])


@cache
def by_row(table: Table) -> Callable[[Sequence[Any]], RowKey]:
    """Return the function that names a row by all its values, in the order of the table's columns."""
    names = table.columns.keys()
    places = [names.index(column.name) for column in table.primary_key.columns]
    if len(places) == 1 and isinstance(table.columns[names[places[0]]].type, String):
        return _text_writer(str(table), places[0])
    write = by_key(table)
    return lambda row: write([row[place] for place in places])


def read(text: str, root: Table) -> RowKey:
    """Return the row key of the text that the hash is taken of; without a table's name it is a row of `root`."""
    table, *values = json.loads(text)
    return by_key(table or str(root))(values)


def _writer(table: str, are_uuids: Sequence[bool]) -> Callable[[Iterable[object]], RowKey]:
    head = f"[{encode_basestring(table)},"
    some_uuids = any(are_uuids)

    def write(values: Iterable[object]) -> RowKey:
        if some_uuids:
            values = [_spell(it) if is_uuid else it for it, is_uuid in zip(values, are_uuids, strict=False)]
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


def _spell(value: object) -> object:
    try:
        return str(UUID(value)) if isinstance(value, str) else value
    except ValueError:
        return value  # PostgreSQL will refuse it


def _write(value: object) -> str:
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC)
    elif isinstance(value, Decimal) and value.is_finite():
        value = format(value.normalize(), "f")
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    return _encode(value)
