"""What a transaction is to do with each change, and what became of a batch."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cdc.core.documents import Change, State
from cdc.core.errors import DocumentError, Problem, ProblemKind
from cdc.core.frozen import frozen
from cdc.core.mapping import NO_ROWS, Mapper, Tuples


@frozen
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


def map_change(mapper: Mapper[Any], change: Change) -> Write:
    """Plan a change's rows; whatever its mapper raises parks the document."""
    if change.body is None:
        return Write(change)
    try:
        return Write(change, rows=mapper.map(change.body))
    except MemoryError:
        raise  # the worker's trouble, not the document's
    except Exception as error:  # noqa: BLE001 - any failure of a mapper is its document's: the neighbours go on
        return Write(change, problem=_problem(error))


def _problem(error: Exception) -> Problem:
    if isinstance(error, DocumentError):
        return error.problem
    if isinstance(error, ValidationError):
        # pydantic's messages name what was expected; the input, which may be personal, is left out.
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return Problem(ProblemKind.MAPPING, _json_path(first["loc"]), first["msg"].removeprefix("Value error, "))
    return Problem(ProblemKind.MAPPING, "$", f"the mapper raised {type(error).__name__}")


def _json_path(location: Iterable[int | str]) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
