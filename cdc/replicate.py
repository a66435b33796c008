"""Apply a batch of changes: collapse it, drop what is stale, map it, write it, park what cannot be written."""

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from pydantic import ValidationError

from cdc.collapse import Heads, collapse
from cdc.errors import DocumentError, Problem, ProblemKind
from cdc.model import Change, Held, Mapper, Outcome, Write
from cdc.version import Verdict, judge


class Sink(Protocol):
    """Where rows and the ledger are."""

    def read_held(self, keys: Sequence[bytes]) -> Mapping[bytes, Held]:
        """Return what the ledger holds of these documents, without locking it."""
        ...

    def apply(self, mapper: Mapper[Any], writes: Sequence[Write]) -> Outcome:
        """Write everything in one transaction, or nothing; raise DocumentError when one document is to blame."""
        ...


def replicate(mapper: Mapper[Any], changes: Sequence[Change], sink: Sink) -> Outcome:
    """Apply a batch in any order, any number of times; raise only for a failure of the whole batch."""
    with _no_collection():
        candidates = collapse(changes)
        held = sink.read_held(list(candidates))
        writes = [write for key, heads in candidates.items() for write in _plan(mapper, heads, held.get(key))]
        dropped = Outcome(stale=len(changes) - len(writes))
        return dropped + _apply(mapper, writes, sink)


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


def _plan(mapper: Mapper[Any], heads: Heads, held: Held | None) -> list[Write]:
    left = [(head, verdict) for head in heads if (verdict := _judge(head, held)) is not None]
    if len(left) == 1 and left[0][1] is Verdict.NEWER:
        return [map_change(mapper, left[0][0])]
    return [Write.read_again(head) for head, _ in left]


def _judge(change: Change, held: Held | None) -> Verdict | None:
    verdict = Verdict.NEWER if held is None else judge(change, held)
    return verdict if verdict in (Verdict.NEWER, Verdict.UNDECIDED) else None


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


def _apply(mapper: Mapper[Any], writes: Sequence[Write], sink: Sink) -> Outcome:
    """Write a batch; find a document that fails by halving, so that each half that succeeds is committed."""
    if not writes:
        return Outcome()
    try:
        return sink.apply(mapper, writes)
    except DocumentError as error:
        if len(writes) == 1:
            return sink.apply(mapper, [Write(writes[0].change, problem=error.problem)])
    middle = len(writes) // 2
    return _apply(mapper, writes[:middle], sink) + _apply(mapper, writes[middle:], sink)
