"""The fence around pruned tombstones: a late delivery must not revive what the ledger has forgotten."""

from collections.abc import Container, Sequence

from cdc.core.errors import Problem, ProblemKind
from cdc.core.ordering import ABSENCE_SECONDS
from cdc.core.writes import Write

_PROBLEM = Problem(ProblemKind.UNDECIDED, "_ts", "the document may have been deleted so long ago that nobody remembers")


def fence(writes: Sequence[Write], known: Container[bytes], pruned_ts: int | None) -> Sequence[Write]:
    """Read again what a pruned tombstone may have refused: unknown documents that are not newer than it."""
    if pruned_ts is None:
        return writes
    return [
        Write(write.change, problem=_PROBLEM)
        if write.change.body is not None
        and write.change.version.ts <= pruned_ts + ABSENCE_SECONDS
        and write.change.key not in known
        else write
        for write in writes
    ]
