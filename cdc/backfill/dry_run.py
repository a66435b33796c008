"""The sink of a dry run: it counts what a backfill would write, and what it would park."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from cdc.core.documents import State
from cdc.core.mapping import Mapper
from cdc.core.writes import Also, Outcome, Write, list_findings
from cdc.postgres.database import Database
from cdc.postgres.observations import PATHS_AT_MOST
from cdc.postgres.statements import statement
from cdc.postgres.unmapped_types import TypeNames
from cdc.replication.planning import Piece
from cdc.replication.sink import plan_pieces


class DryRunSink:
    """Read the ledger, write no rows, and keep findings by kind and path."""

    def __init__(self, database: Database, backfill: str, *, reapplies: bool, read_since: int) -> None:
        self.reapplies = reapplies
        self._read_since = read_since
        self._database = database
        self._types = TypeNames(database)
        self._backfill = backfill

    def apply(self, mapper: Mapper[Any], pieces: Sequence[Piece], also: Also | None = None) -> Outcome:
        """Count what would be written; refusals by PostgreSQL are not detected."""
        with self._database.connection() as connection:
            found = plan_pieces(connection, mapper.container, pieces, self._read_since)
            planned = [write for _, writes in found for write in writes]
        writes = self._types.keep_and_show(mapper.container, planned)
        stale = sum(piece.changes for piece in pieces) - len(writes)
        outcome = Outcome(stale=stale) + _count(writes)
        findings = Counter(found for write in writes for found in list_findings(write))
        with self._database.transaction() as connection:
            if findings:
                parameters = {
                    "at_most": PATHS_AT_MOST,
                    "id": self._backfill,
                    "container": mapper.container,
                    "kinds": [kind for kind, _ in findings],
                    "paths": [path for _, path in findings],
                    "documents": list(findings.values()),
                }
                connection.execute(statement("count_findings"), parameters)
            if also is not None:
                also(connection, outcome)
        return outcome


def _count(writes: Sequence[Write]) -> Outcome:
    decided = [write for write in writes if not write.undecided]
    states = Counter(write.state for write in decided)
    return Outcome(
        applied=states[State.APPLIED],
        deleted=states[State.DELETED],
        undecided=len(writes) - len(decided),
        problems=tuple(write.problem for write in decided if write.problem is not None),
        unmapped=states[State.UNMAPPED],
    )
