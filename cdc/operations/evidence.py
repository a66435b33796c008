"""What PostgreSQL knows about the readiness of each container."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cdc.postgres.database import Database
from cdc.postgres.statements import statement
from cdc.reconcile.run import Ended

_TOO_MUCH: Ended = "too_much_differs"


@dataclass(frozen=True, slots=True)
class Runs:
    """The completed reconciles of a container: what the newest one left, and how many since one left drift.

    `unclean_at` is the end of the newest one that left drift.
    """

    newest_at: datetime
    age_seconds: float
    unresolved: int
    unclaimed: int
    clean: int
    unclean_at: datetime | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a container.

    `copied_at` is the end of the newest backfill that counts. All keys were compared since `compared_since`, which
    counts only after `incomplete_until`.
    """

    runs: Runs | None
    container: str
    copied_at: datetime | None
    is_copying: bool
    letters: int
    incomplete_until: datetime | None
    compared_since: datetime | None
    lease_problem: str | None
    leases_seen_at: datetime | None
    look_age_seconds: float | None
    pause_reason: str | None


def read_evidence(database: Database, containers: Sequence[str], settle_seconds: float) -> list[Evidence]:
    """Return what is known of each of these containers."""
    parameters = {"containers": list(containers), "settle_seconds": settle_seconds, "too_much": _TOO_MUCH}
    with database.connection() as connection:
        runs = {name: Runs(*row) for name, *row in connection.execute(statement("read_completed_runs"), parameters)}
        rows = connection.execute(statement("read_evidence"), parameters).fetchall()
    return [Evidence(runs.get(row[0]), *row) for row in rows]
