"""Bring rows to the server: one binary array a column."""

from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.sql import SQL, Composable, Identifier
from pydantic_core import to_json

from cdc.errors import DocumentError, Problem, ProblemKind

Values = tuple[Any, ...]
# Names and types of columns, which come from declarations, never from input.
Shape = Sequence[tuple[str, str]]


def parameters(shape: Shape, rows: Iterable[Values]) -> list[Any]:
    """Return the parameters that `source` needs; there must be rows."""
    columns = zip(shape, zip(*rows, strict=True), strict=True)
    return [_array(name, type_, values) for (name, type_), values in columns]


def source(shape: Shape) -> Composable:
    """Return the rows that are sent as an item of a FROM clause, under the alias s."""
    names = SQL(", ").join(Identifier(name) for name, _ in shape)
    arrays = SQL(", ").join(SQL("%b::{}[]").format(_type(type_)) for _, type_ in shape)
    return SQL("unnest({}) as s ({})").format(arrays, names)


class Array(bytes):
    """A column as PostgreSQL takes it: one dimension in binary. psycopg takes more than twice the time for it."""

    element: Callable[[Any], bytes]
    element_oid: int

    @classmethod
    def of(cls, values: Sequence[Any]) -> "Array":
        """Encode the values; TypeError or ValueError where one has no form."""
        encode, lengths = cls.element, _LENGTHS
        parts = [_NULL if it is None else lengths[len(text := encode(it))] + text for it in values]
        head = _HEAD.pack(1, None in values, cls.element_oid, len(parts), 1)
        return cls(head + b"".join(parts))


class Texts(Array):
    """A text array."""

    element = str.encode
    element_oid = 25


class Keys(Array):
    """A bytea array."""

    element = b"".__add__  # bytes(3) would be three zeros
    element_oid = 17


class Jsons(Array):
    """A jsonb array."""

    element_oid = 3802

    @staticmethod
    def element(value: Any) -> bytes:
        """Put the version of the format before the JSON text."""
        return b"\x01" + to_json(value)


class _Lengths(dict[int, bytes]):
    """Lengths in binary; most texts are short."""

    def __missing__(self, length: int) -> bytes:
        return _LENGTH.pack(length)


_LENGTH = Struct("!i")
_LENGTHS = _Lengths((length, _LENGTH.pack(length)) for length in range(1_000))
_NULL = _LENGTH.pack(-1)
_HEAD = Struct("!iiIii")
_ARRAYS: dict[str, type[Array]] = {"text": Texts, "bytea": Keys, "jsonb": Jsons}


def _register(array: type[Array], array_oid: int) -> None:
    class ArrayDumper(Dumper):
        format = Format.BINARY
        oid = array_oid

        def dump(self, obj: bytes) -> bytes:
            return obj

    psycopg.adapters.register_dumper(array, ArrayDumper)


for _of, _oid in ((Texts, 1009), (Keys, 1001), (Jsons, 3807)):
    _register(_of, _oid)


def _array(name: str, type_: str, values: Sequence[Any]) -> Array | list[Any]:
    try:
        if type_ in _ARRAYS:
            return _ARRAYS[type_].of(values)
        if list not in map(type, values):  # unnest would take a list's items for values of rows
            return list(values)
    except (TypeError, ValueError):
        pass
    raise DocumentError(Problem(ProblemKind.DATA, name, "a value that PostgreSQL has no form for"))


def _type(name: str) -> SQL:
    return SQL(name)
