"""Apply a batch of changes: collapse it, drop what is stale, map it, write it, park what cannot be written."""

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from pydantic import ValidationError

from cdc.collapse import Heads, collapse
from cdc.errors import DocumentError, Problem, ProblemKind
from cdc.gaps import chains, mark_gaps
from cdc.model import NO_ROWS, Also, Change, Held, Mapper, Outcome, Write
from cdc.version import Verdict, judge

# Documents that are mapped while PostgreSQL works on those before them: pieces are smaller towards the end, because
# nothing is left to be mapped while it works on the last one (docs/performance.md).
_LEAST, _MOST = 40, 125


class Sink(Protocol):
    """Where rows and the ledger are."""

    @property
    def reapplies(self) -> bool:
        """Tell whether the very version that is held is written again."""
        ...

    def read_held(self, keys: Sequence[bytes]) -> Mapping[bytes, Held]:
        """Return what the ledger holds of these documents, without locking it."""
        ...

    def apply(self, mapper: Mapper[Any], pieces: Iterable[Sequence[Write]], also: Also | None = None) -> Outcome:
        """Write everything in one transaction, or nothing; raise DocumentError when one document is to blame.

        All pieces together are in key order. A piece is mapped when it is asked for: a sink may work meanwhile.
        """
        ...


def replicate(mapper: Mapper[Any], changes: Sequence[Change], sink: Sink, also: Also | None = None) -> Outcome:
    """Apply a batch in any order, any number of times; raise only for a failure of the whole batch.

    `also` runs in the transaction that ends the batch, even when there is nothing to write.
    """
    wanted = (Verdict.NEWER, Verdict.SAME) if sink.reapplies else (Verdict.NEWER,)
    with _no_collection():
        candidates = collapse(changes)
        held = sink.read_held(list(candidates))
        plans = [plan for key, heads in candidates.items() for plan in _plan(heads, held.get(key), wanted)]
        dropped = Outcome(stale=len(changes) - len(plans))
        if not plans and also is None:
            return dropped
        batch = _Batch(mapper, plans, partial(mark_gaps, chains=chains(changes), held=held))
        if len(plans) > _LEAST:
            try:
                return dropped + sink.apply(mapper, batch.pieces(), _extend(also, dropped))
            except DocumentError:
                pass  # in one piece a row may give way, before another takes its place, that pieces find too late
        return _apply(mapper, batch.writes(), sink, dropped, also)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the cyclic garbage collector out of a batch: it would walk thousands of rows, which have no cycles.

    Of several batches at once the one that switched it off switches it on again.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _plan(heads: Heads, held: Held | None, wanted: Sequence[Verdict]) -> Sequence[Change | Write]:
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


class _Batch:
    """What to write, mapped piece by piece when it is asked for."""

    def __init__(
        self,
        mapper: Mapper[Any],
        plans: Sequence[Change | Write],
        mark: Callable[[Sequence[Write]], Sequence[Write]],
    ) -> None:
        self._mapper = mapper
        self._plans = plans
        self._mark = mark

    def pieces(self) -> Iterator[Sequence[Write]]:
        """Yield the writes in key order, a piece at a time."""
        first = 0
        while (left := len(self._plans) - first) > 0:
            size = min(_MOST, max(_LEAST, left // 3))
            yield self._write(self._plans[first : first + size])
            first += size

    def writes(self) -> Sequence[Write]:
        """Return all writes at once."""
        return self._write(self._plans)

    def _write(self, plans: Sequence[Change | Write]) -> Sequence[Write]:
        return self._mark([plan if isinstance(plan, Write) else map_change(self._mapper, plan) for plan in plans])


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


def _apply(mapper: Mapper[Any], writes: Sequence[Write], sink: Sink, before: Outcome, also: Also | None) -> Outcome:
    """Write a batch in one piece; find a document that fails by halving, so that each half that succeeds is committed.

    `before` is what became of the rest of the batch.
    """
    last = _extend(also, before)
    try:
        return before + sink.apply(mapper, [writes], last)
    except DocumentError as error:
        if len(writes) == 1:
            return before + sink.apply(mapper, [[replace(writes[0], rows=NO_ROWS, problem=error.problem)]], last)
    middle = len(writes) // 2
    first = _apply(mapper, writes[:middle], sink, before, None)
    return _apply(mapper, writes[middle:], sink, first, also)


def _extend(also: Also | None, before: Outcome) -> Also | None:
    return None if also is None else lambda connection, outcome: also(connection, before + outcome)
