"""A sink in memory that refuses the documents it is told to refuse."""

from collections.abc import Callable, Sequence
from typing import Any

from cdc.core.documents import Held, State, Version
from cdc.core.errors import DocumentError, Problem, ProblemKind
from cdc.core.mapping import Mapper
from cdc.core.writes import Also, Outcome, Write
from cdc.replication.planning import Piece

REFUSAL = Problem(ProblemKind.DATA, "accounts_check", "PostgreSQL refuses it")


class FakeSink:
    """Hold versions and bodies; a transaction with a refused document in it writes nothing."""

    reapplies = False

    def __init__(self, refuses: Callable[[Write], bool] = lambda _: False) -> None:
        self._refuses = refuses
        self.versions: dict[bytes, Version] = {}
        self.states: dict[bytes, State] = {}
        self.writes: list[Write] = []
        self.transactions = 0

    def apply(self, _: Mapper[Any], pieces: Sequence[Piece], also: Also | None = None) -> Outcome:
        """Write everything, or raise DocumentError."""
        self.transactions += 1
        held = {key: Held(version, self.states[key]) for key, version in self.versions.items()}
        writes = [
            write for piece in pieces for write in piece.plan({key: held[key] for key in held.keys() & piece.keys})
        ]
        if any(write.problem is None and self._refuses(write) for write in writes):
            raise DocumentError(REFUSAL)
        decided = [write for write in writes if not write.undecided]
        self.writes.extend(writes)
        self.versions |= {write.change.key: write.change.version for write in decided}
        self.states |= {write.change.key: write.state for write in decided}
        outcome = Outcome(
            stale=sum(piece.changes for piece in pieces) - len(writes),
            applied=sum(write.state is State.APPLIED for write in decided),
            deleted=sum(write.state is State.DELETED for write in decided),
            undecided=len(writes) - len(decided),
            unmapped=sum(write.state is State.UNMAPPED for write in decided),
            problems=tuple(write.problem for write in decided if write.problem is not None),
        )
        if also is not None:
            also(None, outcome)
        return outcome
