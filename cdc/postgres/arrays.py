"""Send rows to the server as one binary array per column."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from struct import Struct
from struct import error as StructError  # noqa: N812 - the name of an exception
from types import NoneType
from typing import Any, Self
from uuid import UUID

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.sql import SQL, Composable, Identifier

from cdc.core.errors import DocumentError, Problem, ProblemKind
from cdc.core.json_text import write_json
from cdc.core.mapping import Values

# Names and types of columns; they come from declarations, never from input.
Shape = Sequence[tuple[str, str]]


def parameters(shape: Shape, rows: Iterable[Values]) -> list[Any]:
    """Return the parameters that `source` needs; needs at least one row."""
    columns = zip(shape, zip(*rows, strict=True), strict=True)
    return [_array(name, type_, values) for (name, type_), values in columns]


def source(shape: Shape) -> Composable:
    """Return a FROM item, alias s, that yields the sent rows."""
    # In a select list, unnest yields row by row. In FROM, PostgreSQL would first materialize each array.
    arrays = [_unnested(type_).format(type=SQL(type_), name=Identifier(name)) for name, type_ in shape]
    return SQL("(select {}) as s").format(SQL(", ").join(arrays))


def _unnested(type_: str) -> SQL:
    if type_ in _FORMS or type_ in _TYPES_OF_PSYCOPG:
        return SQL("unnest(%b::{type}[]) as {name}")
    # Each value as text: unnest would flatten arrays, and psycopg does not know the application's own types.
    return SQL("unnest(%b::text[])::{type} as {name}")


class Array(bytes):
    """A column as a one-dimensional binary array of PostgreSQL; the statement names its type."""

    @classmethod
    def of(cls, type_: str, values: Sequence[Any]) -> Self:
        """Encode the values; raise KeyError for a type that psycopg encodes, other errors for an invalid value."""
        oid, encode = _FORMS[type_]
        # The flag 1 allows nulls.
        return cls(_HEAD.pack(1, 1, oid, len(values), 1) + encode(values))


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


psycopg.adapters.register_dumper(Array, _ArrayDumper)


class _Lengths(dict[int, bytes]):
    """Binary prefixes of values by length, precomputed for short values, because most are short."""

    def __init__(self, write: Callable[[int], bytes]) -> None:
        super().__init__((length, write(length)) for length in range(1_000))
        self._write = write

    def __missing__(self, length: int) -> bytes:
        return self._write(length)


_HEAD = Struct("!iiIii")
_LENGTH = Struct("!i")
_LENGTHS = _Lengths(_LENGTH.pack)
_NULL = _LENGTH.pack(-1)
_BOOLEANS = {None: _NULL, False: b"\0\0\0\1\0", True: b"\0\0\0\1\1"}
# The text follows a byte with the version of the format.
_JSON_LENGTHS = _Lengths(lambda length: _LENGTH.pack(length + 1) + b"\x01")


def _encode_texts(values: Sequence[Any]) -> bytes:
    return b"".join([_NULL if it is None else _LENGTHS[len(text := str.encode(it))] + text for it in values])


def _encode_bytes(values: Sequence[Any]) -> bytes:
    if not {bytes, bytearray, NoneType}.issuperset(map(type, values)):
        raise TypeError  # len() of a memoryview counts items, not bytes
    return b"".join([_NULL if it is None else _LENGTHS[len(it)] + it for it in values])


def _encode_json(values: Sequence[Any]) -> bytes:
    return b"".join([_NULL if it is None else _JSON_LENGTHS[len(text := write_json(it))] + text for it in values])


def _encode_booleans(values: Sequence[Any]) -> bytes:
    if not {bool, NoneType}.issuperset(map(type, values)):
        raise TypeError  # 1 == True: the dictionary would accept numbers
    return b"".join([_BOOLEANS[it] for it in values])


def _numbers(format_: str) -> Callable[[Sequence[Any]], bytes]:
    """Encode numbers of one width."""
    struct = Struct("!i" + format_)
    pack, width = struct.pack, struct.size - _LENGTH.size

    def encode(values: Sequence[Any]) -> bytes:
        if bool in map(type, values):
            raise TypeError
        return b"".join([_NULL if it is None else pack(width, it) for it in values])

    return encode


# The OIDs of element types and their binary encoders. psycopg takes several times as long for each.
_FORMS: dict[str, tuple[int, Callable[[Sequence[Any]], bytes]]] = {
    "text": (25, _encode_texts),
    "bytea": (17, _encode_bytes),
    "jsonb": (3802, _encode_json),
    "boolean": (16, _encode_booleans),
    "smallint": (21, _numbers("h")),
    "integer": (23, _numbers("i")),
    "bigint": (20, _numbers("q")),
    "double precision": (701, _numbers("d")),
}


# Types that psycopg encodes.
_TYPES_OF_PSYCOPG = frozenset(
    (
        *("real", "numeric", "uuid", "date", "interval", "time without time zone"),
        *("timestamp with time zone", "timestamp without time zone"),
    )
)


def _decimals(values: Sequence[Any]) -> list[Decimal | None]:
    if not {NoneType, Decimal, int}.issuperset(map(type, values)):
        raise TypeError  # a float has lost digits
    return [None if it is None else Decimal(it) for it in values]


def _write_text(value: Any) -> str | None:
    """Write a value of another type as PostgreSQL reads it; a list is an array."""
    if isinstance(value, list | tuple):
        return "{" + ",".join(map(_write_element, value)) + "}"
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | UUID | date):
        raise TypeError
    return str(value)


def _write_element(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    text = _write_text(value)
    if text is None:
        return "NULL"
    return text if isinstance(value, list | tuple) else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _array(name: str, type_: str, values: Sequence[Any]) -> Array | list[Any]:
    try:
        if type_ in _FORMS:
            return Array.of(type_, values)
        if type_ not in _TYPES_OF_PSYCOPG:
            return Array.of("text", [_write_text(it) for it in values])
        if type_ == "numeric":
            return _decimals(values)
        if list not in map(type, values):  # unnest would flatten nested lists
            return list(values)
    except (TypeError, ValueError, OverflowError, StructError):
        pass
    raise DocumentError(Problem(ProblemKind.DATA, name, "a value that PostgreSQL cannot store"))
