"""Bring rows to the server: one binary array a column."""

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Any, Self

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

    element_oid: int

    @classmethod
    def of(cls, values: Sequence[Any]) -> Self:
        """Encode the values; TypeError or ValueError where one has no form."""
        head = _HEAD.pack(1, None in values, cls.element_oid, len(values), 1)
        return cls(head + cls.encode(values))

    @staticmethod
    def encode(values: Sequence[Any]) -> bytes:
        """Return the values one after the other, each with its length before it."""
        raise NotImplementedError


class Texts(Array):
    """A text array."""

    element_oid = 25

    @staticmethod
    def encode(values: Sequence[Any]) -> bytes:
        """Encode all at once where they are short and ASCII, as most are: half the time."""
        try:
            if "".join(filter(None, values)).isascii():
                texts = [_NULL_AS_TEXT if it is None else _LENGTHS_AS_TEXT[len(it)] + it for it in values]
                return "".join(texts).encode("latin-1")
        except IndexError:
            pass
        return b"".join([_NULL if it is None else _LENGTHS[len(text := str.encode(it))] + text for it in values])


class Keys(Array):
    """A bytea array."""

    element_oid = 17

    @staticmethod
    def encode(values: Sequence[Any]) -> bytes:
        """Put their lengths before the values."""
        return b"".join([_NULL if it is None else _LENGTHS[len(it)] + it for it in values])


class Jsons(Array):
    """A jsonb array."""

    element_oid = 3802

    @staticmethod
    def encode(values: Sequence[Any]) -> bytes:
        """Put the version of the format before the JSON texts."""
        texts = [None if it is None else b"\x01" + to_json(it) for it in values]
        return b"".join([_NULL if text is None else _LENGTHS[len(text)] + text for text in texts])


class _Lengths(dict[int, bytes]):
    """Lengths in binary; most texts are short."""

    def __missing__(self, length: int) -> bytes:
        return _LENGTH.pack(length)


_LENGTH = Struct("!i")
_LENGTHS = _Lengths((length, _LENGTH.pack(length)) for length in range(1_000))
_NULL = _LENGTH.pack(-1)
_LENGTHS_AS_TEXT = [_LENGTH.pack(length).decode("latin-1") for length in range(1_000)]
_NULL_AS_TEXT = _NULL.decode("latin-1")
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
