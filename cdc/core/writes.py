"""What a transaction does with each change, and the outcome of a batch."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from cdc.core.documents import Change, State
from cdc.core.errors import DocumentError, Problem, ProblemKind
from cdc.core.frozen import frozen
from cdc.core.mapping import NO_ROWS, Mapper, Tuples


@frozen
class Write:
    """What a transaction does with one change: write its rows, or park it with its problem.

    `gap` means that a version between the held one and this one was never delivered.
    """

    change: Change
    rows: Tuples = NO_ROWS
    problem: Problem | None = None
    gap: bool = False

    @classmethod
    def read_again(cls, change: Change) -> "Write":
        """Plan to read a document again because its versions cannot be ordered."""
        return cls(change, problem=Problem(ProblemKind.UNDECIDED, "_ts", "versions that cannot be ordered"))

    @property
    def undecided(self) -> bool:
        """Return whether the ledger stays unchanged until the document is read again."""
        return self.problem is not None and self.problem.kind is ProblemKind.UNDECIDED

    @property
    def state(self) -> State:
        """Return the state that the ledger gets."""
        if self.problem is not None:
            return State.PARKED
        if self.change.body is None:
            return State.DELETED
        return State.APPLIED if self.rows.unmapped_type is None else State.UNMAPPED


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a batch in documents: every delivered document is counted exactly once.

    `stale` counts versions that are older than the held one or already applied; `problems` has one problem for each
    parked document, `parked_keys` its key. `unmapped` documents are of types that no mapper takes. `gaps` counts again
    the documents that do not follow the held version.
    """

    applied: int = 0
    deleted: int = 0
    stale: int = 0
    undecided: int = 0
    problems: tuple[Problem, ...] = ()
    unmapped: int = 0
    gaps: int = 0
    parked_keys: tuple[bytes, ...] = field(default=(), compare=False, repr=False)

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
            unmapped=self.unmapped + other.unmapped,
            gaps=self.gaps + other.gaps,
            parked_keys=self.parked_keys + other.parked_keys,
        )


# Extra work in the transaction that ends a batch; it gets the connection and the outcome of the batch.
Also = Callable[[Any, Outcome], None]


def map_change(mapper: Mapper[Any], change: Change) -> Write:
    """Map a change to a write; any exception of the mapper parks the document."""
    if change.body is None:
        return Write(change)
    try:
        return Write(change, rows=mapper.map(change.body))
    except MemoryError:
        raise  # a problem of the worker, not of the document
    except Exception as error:  # noqa: BLE001 - any failure of a mapper parks its document only
        return Write(change, problem=_problem(error))


def list_findings(write: Write) -> Iterator[tuple[str, str]]:
    """Return what there is to say about a write: its kind, and a path without indexes or the name of a type."""
    if write.problem is not None:
        yield write.problem.kind.value, without_indexes(write.problem.path)
    if write.rows.unmapped_type is not None:
        yield "unmapped", write.rows.unmapped_type
    yield from ((each.kind.value, each.path) for each in write.rows.observations)


def without_indexes(path: str) -> str:
    """Write a JSON path with `[]` for every index."""
    return re.sub(r"\[\d+\]", "[]", path)


def _problem(error: Exception) -> Problem:
    if isinstance(error, DocumentError):
        return error.problem
    if isinstance(error, ValidationError):
        # pydantic's messages say what was expected; the input is left out because it may be personal data.
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return Problem(ProblemKind.MAPPING, json_path(first["loc"]), first["msg"].removeprefix("Value error, "))
    return Problem(ProblemKind.MAPPING, "$", f"the mapper raised {type(error).__name__}")


def json_path(location: Iterable[int | str]) -> str:
    """Write where pydantic found a problem as a JSON path."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
