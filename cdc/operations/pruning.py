"""Delete what nobody needs any more: old tombstones, reports and samples."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cdc.backfill.store import PostgresBackfills
from cdc.core.errors import CdcError, UnknownLagError
from cdc.cosmos.leases import Leases
from cdc.operations.samples import Samples
from cdc.postgres import gate
from cdc.postgres.containers import ConfirmedSource
from cdc.postgres.database import Database
from cdc.postgres.statements import statement
from cdc.reconcile.store import PostgresRuns
from cdc.telemetry import rows
from cdc.telemetry.rows import Action

logger = logging.getLogger(__name__)

# At about ten thousand rows a second this stays far below the statement timeout.
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Pruning:
    """Prunes reports, samples and tombstones.

    A late delivery that meets no tombstone any more is read again (cdc/replication/fence.py): correct, but slow. So
    what a lease or a backfill may still deliver keeps its tombstones.
    """

    database: Database
    source: ConfirmedSource
    leases: Leases
    backfills: PostgresBackfills
    runs: PostgresRuns
    samples: Samples
    retention_days: float

    def prune(self, containers: Iterable[str]) -> int:
        """Prune everything; return the number of tombstones. Raise the first container's failure after the others."""
        self.runs.prune()
        self.samples.prune()
        pruned, failures = 0, list[CdcError]()
        for container in containers:
            try:
                pruned += prune_tombstones(self.database, container, self._find_oldest_needed(container))
            except CdcError as error:
                failures.append(error)
        rows.tell(logger, logging.INFO, Action.TOMBSTONES_PRUNED, f"pruned {pruned} tombstones:", tombstones=pruned)
        if failures:
            raise failures[0]
        return pruned

    def _find_oldest_needed(self, container: str) -> datetime:
        """Return the time before which neither the retention nor a feed's reader needs a tombstone."""
        try:
            pending = self.leases.read_oldest_pending(self.source.confirm(container))
        except UnknownLagError as reason:
            sentence = f"all tombstones of {container} stay: {reason}"
            rows.tell(logger, logging.WARNING, Action.TOMBSTONES_STAY, sentence, container=container)
            return datetime.fromtimestamp(0, UTC)
        before = datetime.now(UTC) - timedelta(days=self.retention_days)
        others = [datetime.fromtimestamp(pending, UTC) if pending is not None else None]
        others.append(self.backfills.read_running_since(container))
        return min([before, *(other for other in others if other is not None)])


def prune_tombstones(database: Database, container: str, before: datetime) -> int:
    """Delete a container's tombstones older than `before`; keep those with a dead letter or a suspicion."""
    parameters = {"container": container, "before": before, "limit": _AT_ONCE}
    pruned, found = 0, _AT_ONCE
    while found == _AT_ONCE:
        with database.transaction() as connection:
            gate.enter(connection)
            (found,) = connection.execute(statement("prune_tombstones"), parameters).fetchone() or (0,)
        pruned += found
    return pruned
