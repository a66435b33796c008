"""Apply a batch of changes: collapse it, drop what is stale, map it, write it, park what cannot be written."""

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

# Documents that are mapped while PostgreSQL works on those before them: pieces are smaller towards the end, because
# nothing is left to be mapped while it works on the last one (docs/performance.md).
_LEAST, _MOST = 40, 125

# A document's key, and the changes of it that no other change of the batch is known to supersede; in key order.
_Documents = Sequence[tuple[bytes, Heads]]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some documents, in key order; `plan` says what to write of them, once it is told what the ledger holds.

    Of the piece's `changes`, those that `plan` does not return are stale.
    """

    keys: Sequence[bytes]
    changes: int
    plan: Callable[[Mapping[bytes, Held]], Sequence[Write]]


class Sink(Protocol):
    """Where rows and the ledger are."""

    @property
    def reapplies(self) -> bool:
        """Tell whether the very version that is held is written again."""
        ...

    def apply(self, mapper: Mapper[Any], pieces: Sequence[Piece], also: Also | None = None) -> Outcome:
        """Write everything in one transaction, or nothing; raise DocumentError when one document is to blame.

        All pieces together are in key order. A piece is mapped when it is planned: a sink may work meanwhile.
        """
        ...


def replicate(mapper: Mapper[Any], changes: Sequence[Change], sink: Sink, also: Also | None = None) -> Outcome:
    """Apply a batch in any order, any number of times; raise only for a failure of the whole batch.

    `also` runs in the transaction that ends the batch, even when there is nothing to write.
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
    """Write documents in one piece, which PostgreSQL may take where it refused the pieces.

    A row that one document gives up may be taken by another; the pieces may bring the taker first.
    `before` is what became of the rest of the batch.
    """
    try:
        return before + sink.apply(planner.mapper, [planner.piece(documents)], _extend(also, before))
    except DocumentError as error:
        return _isolate(planner, documents, error.problem, sink, before, also)


def _isolate(
    planner: "_Planner", documents: _Documents, problem: Problem, sink: Sink, before: Outcome, also: Also | None
) -> Outcome:
    """Halve refused documents until the one to blame stands alone, and park it; a half that succeeds has committed."""
    if len(documents) <= 1:
        parked = _park(planner.piece(documents), problem)
        return before + sink.apply(planner.mapper, [parked], _extend(also, before))
    middle = len(documents) // 2
    first = _apply_whole(planner, documents[:middle], sink, before, None)
    return _apply_whole(planner, documents[middle:], sink, first, also)


def _park(piece: Piece, problem: Problem) -> Piece:
    """Have a problem noted for what would be written; what cannot be ordered any more is read again all the same."""

    def plan(held: Mapping[bytes, Held]) -> Sequence[Write]:
        writes = piece.plan(held)
        return [write if write.undecided else replace(write, rows=NO_ROWS, problem=problem) for write in writes]

    return replace(piece, plan=plan)


def _extend(also: Also | None, before: Outcome) -> Also | None:
    return None if also is None else lambda connection, outcome: also(connection, before + outcome)


class _Planner:
    """Plan what to write of the documents of one batch."""

    def __init__(self, mapper: Mapper[Any], changes: Sequence[Change], *, reapplies: bool) -> None:
        self.mapper = mapper
        self._chains = chains(changes)
        self._wanted = (Verdict.NEWER, Verdict.SAME) if reapplies else (Verdict.NEWER,)

    def cut(self, documents: _Documents) -> Sequence[Piece]:
        """Return the documents in pieces."""
        pieces, first = [], 0
        while (left := len(documents) - first) > 0:
            size = min(_MOST, max(_LEAST, left // 3))
            pieces.append(self.piece(documents[first : first + size]))
            first += size
        return pieces

    def piece(self, documents: _Documents) -> Piece:
        """Return the documents in one piece."""
        return Piece([key for key, _ in documents], _count(documents), partial(self._plan, documents))

    def _plan(self, documents: _Documents, held: Mapping[bytes, Held]) -> Sequence[Write]:
        chosen = [each for key, heads in documents for each in _choose(heads, held.get(key), self._wanted)]
        writes = [each if isinstance(each, Write) else map_change(self.mapper, each) for each in chosen]
        return mark_gaps(writes, self._chains, held)


def _count(documents: _Documents) -> int:
    return sum(len(heads) for _, heads in documents)


def _choose(heads: Heads, held: Held | None, wanted: Sequence[Verdict]) -> Sequence[Change | Write]:
    """Return the change to map, or what is to be read again."""
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
