"""The mapper: documents in, rows out."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from operator import itemgetter
from typing import Any, Generic, LiteralString, Protocol, TypeVar

from pydantic import BaseModel
from sqlalchemy import String, Table

from cdc.core import row_keys
from cdc.core.application import Lookup, Rule
from cdc.core.documents import JsonObject
from cdc.core.errors import DocumentError, Problem, ProblemKind
from cdc.core.frozen import frozen

Row = Mapping[str, Any]

Values = tuple[Any, ...]

Document = TypeVar("Document", bound=BaseModel)

_Take = Callable[[Any], Values]

# A type's name is content of a document: only the name of a class is ever shown.
OTHER_TYPE = "other"
_TYPE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class ObservationKind(StrEnum):
    """What a mapper noticed in a document that it was still able to map."""

    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    SPELLING = "spelling"


@dataclass(frozen=True, slots=True)
class Observation:
    """Something noticed at a JSON path; the path has `[]` for every index and contains no values."""

    kind: ObservationKind
    path: str


@frozen
class Rows:
    """The rows of one document by column: at most one root row, child rows by table name, and observations."""

    root: Row | None = None
    children: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    observations: tuple[Observation, ...] = ()


@frozen
class Tuples:
    """The rows of one document in the form that is written: values in the order of the table's columns.

    `root_name` is the name of the root table. A document of a type that the mapper does not take has no rows, and
    `unmapped_type`: a class name, or `other`.
    """

    root: Values | None = None
    children: Mapping[str, Sequence[Values]] = field(default_factory=dict)
    observations: tuple[Observation, ...] = ()
    unmapped_type: str | None = None
    root_name: str = ""


NO_ROWS = Tuples()


def unmapped(type_: str, observations: tuple[Observation, ...] = ()) -> Tuples:
    """Return what becomes of a document whose type nobody maps; "" is no type."""
    name = type_ if _TYPE_NAME.fullmatch(type_) else OTHER_TYPE
    return Tuples(observations=observations, unmapped_type=name)


def take(names: Sequence[Any]) -> Callable[[Any], Values]:
    """Return a function that takes these items from a row, always as a tuple, even for one item."""
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return itemgetter(*names)


@frozen
class Read(Generic[Document]):
    """The result of a reader: the document, or None if it has no rows, and the observations.

    `unmapped_type` is the type of a document that the reader does not take, as the document names it; "" without one.
    """

    document: Document | None
    observations: tuple[Observation, ...] = ()
    unmapped_type: str | None = None


class Reader(Protocol[Document]):
    """Validates the documents of one type."""

    @property
    def types(self) -> Collection[str]:
        """Return the names of the document types that it takes."""
        ...

    def read(self, body: JsonObject) -> Read[Document]:
        """Return the document as its model; any exception parks the document."""
        ...


@dataclass(kw_only=True, eq=False)
class Mapper(Generic[Document]):
    """Says how the documents of one type, in one container, become rows.

    The first of `tables` is the root; a child table's key begins with the root's (`row_keys.key_columns`). `rows` is
    pure. `lookups` and `rules` say what the application needs of these tables. `cache_keys` are the keys of a document
    in the application's cache: SQL expressions over the root's columns; null is no key.
    """

    container: str
    reader: Reader[Document]
    tables: tuple[Table, ...]
    rows: Callable[[Document], Rows]
    lookups: tuple[Lookup, ...] = ()
    rules: tuple[Rule, ...] = ()
    cache_keys: tuple[LiteralString, ...] = ()
    root_name: str = field(init=False)
    # By table name: a function that takes a row's values, and their number; and the join keys of child and root.
    _columns: Mapping[str, tuple[_Take, int]] = field(init=False, repr=False)
    _joins: Mapping[str, tuple[_Take, _Take]] = field(init=False, repr=False)
    # By child table, except tables whose rows are only their keys: rows of one key are equal there.
    _keys: Mapping[str, Callable[[Values], object]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        root, *children = self.tables
        key = _key(root)
        self.root_name = str(root)
        self._columns = {table.name: (take(table.columns.keys()), len(table.columns)) for table in self.tables}
        self._joins = {child.name: (itemgetter(*_key(child)[: len(key)]), itemgetter(*key)) for child in children}
        self._keys = {child.name: _key_reader(child) for child in children if len(_key(child)) < len(child.columns)}

    @property
    def types(self) -> Collection[str]:
        """Return the names of the document types that it maps, as the ledger shows them."""
        return frozenset(self.reader.types) - {OTHER_TYPE}

    @property
    def parts(self) -> Sequence["Mapper[Any]"]:
        """Return the mappers of the container, each with one root table; the tables of the first are written first."""
        return (self,)

    @property
    def roots(self) -> Sequence[Table]:
        """Return the root tables, in the order of the parts."""
        return [part.tables[0] for part in self.parts]

    def part(self, root_name: str) -> "Mapper[Any]":
        """Return the mapper of the container that writes this root table."""
        return next(part for part in self.parts if part.root_name == root_name)

    def map(self, body: JsonObject) -> Tuples:
        """Map a document to its rows; raise DocumentError if the rows do not fit the tables."""
        read = self.reader.read(body)
        if read.unmapped_type is not None:
            return unmapped(read.unmapped_type, read.observations)
        if read.document is None:
            return Tuples(observations=read.observations) if read.observations else NO_ROWS
        rows = self.rows(read.document)
        root = None if rows.root is None else self._pack(self.tables[0].name, rows.root)
        children = {name: self._pack_children(name, found, rows.root) for name, found in rows.children.items()}
        return Tuples(root, children, _join(read.observations, rows.observations), root_name=self.root_name)

    def _pack_children(self, table: str, rows: Sequence[Row], root: Row | None) -> Sequence[Values]:
        if table not in self._joins:
            raise _misfit(table, "the mapper yields rows of a table that it does not declare")
        packed = [self._pack(table, row) for row in rows]
        ours, theirs = self._joins[table]
        if rows and (root is None or [ours(row) for row in rows] != [theirs(root)] * len(rows)):
            raise _misfit(table, "the mapper yields a child row of another parent")
        # PostgreSQL refuses this only if both rows are new to it.
        if len(rows) > 1 and table in self._keys and len({*map(self._keys[table], packed)}) < len(packed):
            raise DocumentError(Problem(ProblemKind.DATA, table, "two items of it have one key in this table"))
        return packed

    def _pack(self, table: str, row: Row) -> Values:
        values, width = self._columns[table]
        try:
            if len(row) == width:
                return values(row)
        except KeyError:
            pass
        raise _misfit(table, "the mapper yields a row whose columns are not the table's")


def _join(read: tuple[Observation, ...], mapped: tuple[Observation, ...]) -> tuple[Observation, ...]:
    return tuple(dict.fromkeys((*read, *mapped))) if read and mapped else read or mapped


def _key(table: Table) -> list[str]:
    return [column.name for column in row_keys.key_columns(table)]


def _key_reader(table: Table) -> Callable[[Values], object]:
    """Return a function that reads a row's key; keys that are one to PostgreSQL are equal."""
    names, key = table.columns.keys(), row_keys.key_columns(table)
    take_key = take([names.index(column.name) for column in key])
    places = [place for place, column in enumerate(key) if not isinstance(column.type, String)]
    write = row_keys.by_key(table)

    def read(row: Values) -> object:
        values = take_key(row)
        for place in places:
            if isinstance(values[place], str):  # only texts have several spellings of one value
                return write(values).values
        return values

    return read if places else take_key


def _misfit(table: str, message: str) -> DocumentError:
    return DocumentError(Problem(ProblemKind.MAPPING, table, message))
