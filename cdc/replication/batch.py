"""Apply a batch of changes: collapse, drop stale changes, map, write, and park refused documents."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from cdc.core.documents import Change, Held
from cdc.core.errors import DocumentError, Problem
from cdc.core.mapping import NO_ROWS, Mapper
from cdc.core.writes import Also, Outcome, Write
from cdc.replication import collector
from cdc.replication.collapse import collapse
from cdc.replication.planning import Documents, Piece, Planner, count


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
        planner = Planner(mapper, changes, reapplies=sink.reapplies)
        documents = list(collapse(changes).items())
        superseded = Outcome(stale=len(changes) - count(documents))
        pieces = planner.cut(documents)
        try:
            return superseded + sink.apply(mapper, pieces, _extend(also, superseded))
        except DocumentError as error:
            problem = error.problem
        if len(pieces) == 1:
            return _isolate(planner, documents, problem, sink, superseded, also)
        return _apply_whole(planner, documents, sink, superseded, also)


def _apply_whole(planner: Planner, documents: Documents, sink: Sink, before: Outcome, also: Also | None) -> Outcome:
    """Write documents in one piece: PostgreSQL may accept that after it refused several pieces.

    One document may take over a row that another one abandons, and pieces may write the new holder first.
    `before` is the outcome so far.
    """
    try:
        return before + sink.apply(planner.mapper, [planner.piece(documents)], _extend(also, before))
    except DocumentError as error:
        problem = error.problem
    # Outside of `except`: the error's traceback holds the refused rows.
    return _isolate(planner, documents, problem, sink, before, also)


def _isolate(
    planner: Planner, documents: Documents, problem: Problem, sink: Sink, before: Outcome, also: Also | None
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
