"""What PostgreSQL knows of every container and of the timer, read for status."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cdc.backfill.progress import BackfillStatus, describe
from cdc.backfill.store import PostgresBackfills
from cdc.config.settings import Settings
from cdc.operations.counts import LedgerCount, LetterCount
from cdc.operations.evidence import Evidence, read_evidence
from cdc.operations.measurements import Measurement, Measurements
from cdc.operations.pauses import Pauses, PauseStatus
from cdc.operations.samples import Rate, Sample, Samples
from cdc.postgres.applied import Applied
from cdc.postgres.containers import FailedBatch, FeedState, PostgresFeedStates
from cdc.postgres.database import Database
from cdc.postgres.statements import statement
from cdc.reconcile.report import RunReport


@dataclass(frozen=True, slots=True)
class Condition:
    """What is known of a container; `seen_at` is None before its first change or look.

    `unaided` letters wait for a person; `unaided_letter` is what the first of them says. `moved_at` is when its
    unfinished backfill last made progress.
    """

    container: str
    evidence: Evidence
    seen_at: datetime | None
    unaided: int
    unaided_letter: str | None
    oldest_letter: datetime | None
    backfill: BackfillStatus | None
    moved_at: datetime | None
    report: RunReport | None
    pause: PauseStatus | None
    sample: Sample | None
    rate: Rate | None
    applied: Applied | None
    feed: FeedState | None
    failure: FailedBatch | None


@dataclass(frozen=True, slots=True)
class UnfinishedCutover:
    """When a run of the cut-over began, its step, why it stopped, if it says so, and whether a process works on it."""

    since: datetime
    step: str
    problem: str | None
    is_worked_on: bool


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is known of all containers, and of the timer's parts: when each was done last."""

    containers: Sequence[Condition]
    ledger: LedgerCount | None
    letters: Sequence[LetterCount]
    parts: Mapping[str, datetime]
    measurements: Mapping[tuple[str, str], Measurement]
    cutover: UnfinishedCutover | None


@dataclass(frozen=True, slots=True)
class ConditionReader:
    """Reads the conditions; no query reads the whole of a large table."""

    settings: Settings
    containers: Sequence[str]
    database: Database
    samples: Samples
    pauses: Pauses
    measurements: Measurements
    read_reports: Callable[[], Mapping[str, RunReport]]

    def read(self) -> Conditions:
        """Read everything."""
        return Conditions(
            self._read_containers(),
            self.samples.counts.read_ledger(),
            self.samples.counts.count_letters(),
            self._read_parts(),
            self.measurements.read(),
            self._read_cutover(),
        )

    def _read_containers(self) -> list[Condition]:
        evidence = read_evidence(self.database, self.containers, self.settings.settle_seconds)
        reports, pauses, newest = self.read_reports(), self.pauses.read(), self.samples.read_newest()
        rates, applied = self.samples.rates(), self.samples.read_applied()
        states = PostgresFeedStates(self.database)
        feeds, failures = {state.container: state for state in states.read()}, states.read_failures()
        with self.database.connection() as connection:
            parameters = {"containers": list(self.containers)}
            rows = {name: row for name, *row in connection.execute(statement("read_conditions"), parameters)}
        found = []
        for known in evidence:
            name = known.container
            seen_at, unaided, letter, oldest, backfill, moved_at = rows[name]
            found.append(
                Condition(
                    name, known, seen_at, unaided, letter, oldest, self._read_backfill(backfill), moved_at,
                    reports.get(name), pauses.get(name), newest.get(name), rates.get(name), applied.get(name),
                    feeds.get(name), failures.get(name),
                )
            )  # fmt: skip
        return found

    def _read_backfill(self, id_: str | None) -> BackfillStatus | None:
        return None if id_ is None else describe(PostgresBackfills(self.database).read(id_))

    def _read_parts(self) -> dict[str, datetime]:
        with self.database.connection() as connection:
            return dict(connection.execute(statement("read_parts_done")).fetchall())

    def _read_cutover(self) -> UnfinishedCutover | None:
        with self.database.connection() as connection:
            row = connection.execute(statement("read_unfinished_cutover")).fetchone()
        return None if row is None else UnfinishedCutover(*row)
