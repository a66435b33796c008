"""The values that the whole engine shares: changes, versions, rows, mappers."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from json.encoder import encode_basestring_ascii
from operator import itemgetter
from typing import Any, Generic, TypeVar, dataclass_transform

from pydantic import BaseModel, TypeAdapter
from sqlalchemy import Table

from cdc.errors import DocumentError, Problem, ProblemKind

JsonObject = dict[str, Any]
Row = Mapping[str, Any]
Values = tuple[Any, ...]
Document = TypeVar("Document", bound=BaseModel)
_Take = Callable[[Any], Values]
_Class = TypeVar("_Class")

# Cosmos keeps numbers as IEEE doubles: beyond this a whole number has no exact neighbour.
_LARGEST_EXACT_INTEGER = 2**53


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def _frozen_for_checkers(class_: type[_Class]) -> type[_Class]:
    """Make a dataclass of which only type checkers know that it is frozen.

    Five of them are made for every document, and Python takes three times as long for one that is frozen indeed.
    """
    return dataclass(slots=True, unsafe_hash=True)(class_)


# Made once: json.dumps makes an encoder for every call.
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode


def canonical_json(value: object) -> str:
    """Write `value` as the one ASCII text that stands for it; 1.0 is 1, as in a Cosmos key."""
    return encode_basestring_ascii(value) if isinstance(value, str) else _encode(_canonical(value))


def _canonical(value: object) -> object:
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
        exact = number.is_integer() and abs(number) <= _LARGEST_EXACT_INTEGER
        return int(number) if exact else number
    return value


@_frozen_for_checkers
class Identity:
    """Which document: its container, partition key and id.

    Partition key and id are canonical JSON texts, so that every identity Cosmos accepts can be stored and compared.
    """

    container: str
    partition_key: str
    id: str

    @classmethod
    def of(cls, container: str, partition_key: object, id_: str) -> "Identity":
        """Build the identity from raw JSON values; a missing partition key is `{}`, a hierarchical one a list."""
        id_text = canonical_json(id_)
        return cls(container, id_text if partition_key is id_ else canonical_json(partition_key), id_text)

    @property
    def key(self) -> bytes:
        """Return the SHA-256 of the identity: the ledger's primary key and the lock order of all writers."""
        text = f"[{encode_basestring_ascii(self.container)},{self.partition_key},{self.id}]"
        return hashlib.sha256(text.encode("ascii")).digest()


@_frozen_for_checkers
class Version:
    """Which state of a document: `ts` in whole seconds, `lsn` where the change feed told it, `etag`."""

    ts: int
    lsn: int | None
    etag: str


@_frozen_for_checkers
class Change:
    """One version of a document; a delete has no body.

    `absence` marks a delete that was not delivered: the source answered that the document is gone; `ts` is its time.
    `follows` is the lsn of the document's version before this one, where the feed tells it: 0 where there was none.
    """

    identity: Identity
    version: Version
    body: JsonObject | None
    absence: bool = False
    follows: int | None = None
    key: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.key = self.identity.key  # type: ignore[misc]


class ObservationKind(StrEnum):
    """What a mapper noticed in a document that it could map all the same."""

    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Observation:
    """Something noticed at a JSON path, which has `[]` for any index and names no value."""

    kind: ObservationKind
    path: str


@_frozen_for_checkers
class Rows:
    """The rows of one document by column: at most one root, child rows by table name, and what was noticed in it."""

    root: Row | None = None
    children: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    observations: tuple[Observation, ...] = ()


@_frozen_for_checkers
class Tuples:
    """The rows of one document as they are written: values in the order of their table's columns."""

    root: Values | None = None
    children: Mapping[str, Sequence[Values]] = field(default_factory=dict)
    observations: tuple[Observation, ...] = ()


NO_ROWS = Tuples()


def take(names: Sequence[Any]) -> Callable[[Any], Values]:
    """Return what takes these items, as a tuple also where there is only one."""
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return itemgetter(*names)


@dataclass(frozen=True, kw_only=True)
class Mapper(Generic[Document]):
    """Says how the documents of one container become rows.

    `tables` begins with the root; a child table's primary key begins with the root's. `rows` is pure.
    """

    container: str
    document: type[Document]
    tables: tuple[Table, ...]
    rows: Callable[[Document], Rows]
    _validate: Callable[[JsonObject], Document] = field(init=False, repr=False, compare=False)
    # By table name: what takes a row's values, and how many; and what joins a child row and the root.
    _columns: Mapping[str, tuple[_Take, int]] = field(init=False, repr=False, compare=False)
    _joins: Mapping[str, tuple[_Take, _Take]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        root, *children = self.tables
        key = _key(root)
        columns = {table.name: (take(table.columns.keys()), len(table.columns)) for table in self.tables}
        joins = {child.name: (itemgetter(*_key(child)[: len(key)]), itemgetter(*key)) for child in children}
        # What model_validate calls in the end, without its own microsecond.
        object.__setattr__(self, "_validate", TypeAdapter(self.document).validator.validate_python)
        object.__setattr__(self, "_columns", columns)
        object.__setattr__(self, "_joins", joins)

    def map(self, body: JsonObject) -> Tuples:
        """Validate a document and return its rows; refuse rows that do not fit the tables."""
        rows = self.rows(self._validate(body))
        root = None if rows.root is None else self._pack(self.tables[0].name, rows.root)
        children = {name: self._pack_children(name, found, rows.root) for name, found in rows.children.items()}
        return Tuples(root, children, rows.observations)

    def _pack_children(self, table: str, rows: Sequence[Row], root: Row | None) -> Sequence[Values]:
        if table not in self._joins:
            raise _misfit(table, "the mapper yields rows of a table that it does not declare")
        packed = [self._pack(table, row) for row in rows]
        ours, theirs = self._joins[table]
        if rows and (root is None or [ours(row) for row in rows] != [theirs(root)] * len(rows)):
            raise _misfit(table, "the mapper yields a child row of another parent")
        return packed

    def _pack(self, table: str, row: Row) -> Values:
        values, width = self._columns[table]
        try:
            if len(row) == width:
                return values(row)
        except KeyError:
            pass
        raise _misfit(table, "the mapper yields a row whose columns are not the table's")


def _key(table: Table) -> list[str]:
    return [column.name for column in table.primary_key.columns]


def _misfit(table: str, message: str) -> DocumentError:
    return DocumentError(Problem(ProblemKind.MAPPING, table, message))


class State(StrEnum):
    """What the ledger says of a document."""

    APPLIED = "applied"
    PARKED = "parked"
    DELETED = "deleted"


@_frozen_for_checkers
class Held:
    """What the ledger holds of a document."""

    version: Version
    state: State
    absence: bool = False


@_frozen_for_checkers
class Write:
    """What a transaction is to do with one change: write its rows, or note its problem.

    `gap` tells that a version between the held one and this one was never delivered.
    """

    change: Change
    rows: Tuples = NO_ROWS
    problem: Problem | None = None
    gap: bool = False

    @classmethod
    def read_again(cls, change: Change) -> "Write":
        """Plan to read a document again, because its versions cannot be ordered."""
        return cls(change, problem=Problem(ProblemKind.UNDECIDED, "_ts", "versions that cannot be ordered"))

    @property
    def undecided(self) -> bool:
        """Tell whether the ledger stays as it is until the document has been read again."""
        return self.problem is not None and self.problem.kind is ProblemKind.UNDECIDED

    @property
    def state(self) -> State:
        """Return the state that the ledger will hold."""
        if self.problem is not None:
            return State.PARKED
        return State.DELETED if self.change.body is None else State.APPLIED


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch, in documents: every one that came in is counted exactly once.

    `stale` are those that were older than what is held, or applied already; `problems` is why the others were parked.
    `gaps` counts once more those that do not follow the version that was held.
    """

    applied: int = 0
    deleted: int = 0
    stale: int = 0
    undecided: int = 0
    problems: tuple[Problem, ...] = ()
    gaps: int = 0

    @property
    def parked(self) -> int:
        """Count the documents that were parked."""
        return len(self.problems)

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            applied=self.applied + other.applied,
            deleted=self.deleted + other.deleted,
            stale=self.stale + other.stale,
            undecided=self.undecided + other.undecided,
            problems=self.problems + other.problems,
            gaps=self.gaps + other.gaps,
        )


# What else the transaction that ends a batch is to do: it gets the connection, and what became of the batch.
Also = Callable[[Any, Outcome], None]
