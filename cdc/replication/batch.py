"""Apply a batch of changes: collapse, drop stale changes, map, write, and park refused documents."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from cdc.core.documents import Change, Held
from cdc.core.errors import DocumentError, Problem
from cdc.core.mapping import NO_ROWS, Mapper
from cdc.core.ordering import Verdict, judge
from cdc.core.writes import Also, Outcome, Write, map_change
from cdc.replication import collector
from cdc.replication.collapse import Heads, collapse
from cdc.replication.gaps import chains, mark_gaps

# Documents in a piece; a piece is mapped while PostgreSQL works on the one before. Pieces get smaller towards the end,
# because nothing is mapped while PostgreSQL works on the last one (docs/performance.md).
_LEAST, _MOST = 40, 125

# Document keys with the changes that no other change of the batch supersedes, in key order.
_Documents = Sequence[tuple[bytes, Heads]]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some documents in key order; `plan` takes their ledger entries and returns what to write.

    `changes` is the number of changes; those that `plan` does not return are stale.
    """

    keys: Sequence[bytes]
    changes: int
    plan: Callable[[Mapping[bytes, Held]], Sequence[Write]]


class Sink(Protocol):
    """Writes rows and the ledger."""

    @property
    def reapplies(self) -> bool:
        """Whether the version already in the ledger is written again."""
        ...

    def apply(self, mapper: Mapper[Any], pieces: Sequence[Piece], also: Also | None = None) -> Outcome:
        """Write everything in one transaction, or nothing; raise DocumentError if PostgreSQL refuses a document.

        All pieces together are in key order. A piece is mapped when it is planned, so a sink can work in parallel.
        """
        ...


def replicate(mapper: Mapper[Any], changes: Sequence[Change], sink: Sink, also: Also | None = None) -> Outcome:
    """Apply a batch; its order and repetitions do not matter. Raise only if the whole batch fails.

    `also` runs in the transaction that ends the batch, even if there is nothing to write.
    """
    if not changes and also is None:
        return Outcome()
    with collector.paused():
        planner = _Planner(mapper, changes, reapplies=sink.reapplies)
        documents = list(collapse(changes).items())
        superseded = Outcome(stale=len(changes) - _count(documents))
        pieces = planner.cut(documents)
        try:
            return superseded + sink.apply(mapper, pieces, _extend(also, superseded))
        except DocumentError as error:
            problem = error.problem
        if len(pieces) == 1:
            return _isolate(planner, documents, problem, sink, superseded, also)
        return _apply_whole(planner, documents, sink, superseded, also)


def _apply_whole(planner: "_Planner", documents: _Documents, sink: Sink, before: Outcome, also: Also | None) -> Outcome:
    """Write documents in one piece: PostgreSQL may accept that after it refused several pieces.

    One document may take over a row that another one abandons, and pieces may write the new holder first.
    `before` is the outcome of the rest of the batch.
    """
    try:
        return before + sink.apply(planner.mapper, [planner.piece(documents)], _extend(also, before))
    except DocumentError as error:
        return _isolate(planner, documents, error.problem, sink, before, also)


def _isolate(
    planner: "_Planner", documents: _Documents, problem: Problem, sink: Sink, before: Outcome, also: Also | None
) -> Outcome:
    """Halve refused documents until the refused one is alone, then park it; successful halves are committed."""
    if len(documents) <= 1:
        parked = _park(planner.piece(documents), problem)
        return before + sink.apply(planner.mapper, [parked], _extend(also, before))
    middle = len(documents) // 2
    first = _apply_whole(planner, documents[:middle], sink, before, None)
    return _apply_whole(planner, documents[middle:], sink, first, also)


def _park(piece: Piece, problem: Problem) -> Piece:
    """Park what would be written with this problem; versions that cannot be ordered are still read again."""

    def plan(held: Mapping[bytes, Held]) -> Sequence[Write]:
        writes = piece.plan(held)
        return [write if write.undecided else replace(write, rows=NO_ROWS, problem=problem) for write in writes]

    return replace(piece, plan=plan)


def _extend(also: Also | None, before: Outcome) -> Also | None:
    return None if also is None else lambda connection, outcome: also(connection, before + outcome)


class _Planner:
    """Plan the writes of one batch."""

    def __init__(self, mapper: Mapper[Any], changes: Sequence[Change], *, reapplies: bool) -> None:
        self.mapper = mapper
        self._chains = chains(changes)
        self._wanted = (Verdict.NEWER, Verdict.SAME) if reapplies else (Verdict.NEWER,)

    def cut(self, documents: _Documents) -> Sequence[Piece]:
        """Cut documents into pieces."""
        pieces, first = [], 0
        while (left := len(documents) - first) > 0:
            size = min(_MOST, max(_LEAST, left // 3))
            pieces.append(self.piece(documents[first : first + size]))
            first += size
        return pieces

    def piece(self, documents: _Documents) -> Piece:
        """Return documents as one piece."""
        return Piece([key for key, _ in documents], _count(documents), partial(self._plan, documents))

    def _plan(self, documents: _Documents, held: Mapping[bytes, Held]) -> Sequence[Write]:
        chosen = [each for key, heads in documents for each in _choose(heads, held.get(key), self._wanted)]
        writes = [each if isinstance(each, Write) else map_change(self.mapper, each) for each in chosen]
        return mark_gaps(writes, self._chains, held)


def _count(documents: _Documents) -> int:
    return sum(len(heads) for _, heads in documents)


def _choose(heads: Heads, held: Held | None, wanted: Sequence[Verdict]) -> Sequence[Change | Write]:
    """Return the change to map, or the writes that park undecided versions."""
    if len(heads) == 1:
        verdict = Verdict.NEWER if held is None else judge(heads[0], held)
        if verdict in wanted:
            return heads
        return [Write.read_again(heads[0])] if verdict is Verdict.UNDECIDED else ()
    judged = [(head, Verdict.NEWER if held is None else judge(head, held)) for head in heads]
    left = [(head, verdict) for head, verdict in judged if verdict in (*wanted, Verdict.UNDECIDED)]
    if len(left) == 1 and left[0][1] in wanted:
        return [left[0][0]]
    return [Write.read_again(head) for head, _ in left]
