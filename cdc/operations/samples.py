"""Samples of lag and counts: what the timer notes every minute, and what follows from several of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import LiteralString

from pydantic import BaseModel

from cdc.core import deadline
from cdc.core.deadline import Deadline
from cdc.core.documents import State
from cdc.core.errors import CdcError
from cdc.cosmos.account import CosmosAccount
from cdc.operations.counts import Counts, LedgerCount, LetterCount
from cdc.operations.lag import Lag, LagReader
from cdc.postgres import applied
from cdc.postgres.applied import Applied
from cdc.postgres.database import Database
from cdc.postgres.statements import statement
from cdc.repair.letters import LetterState

KEPT_DAYS = 7
_MOST_SAMPLES = 500
# Rates are those of the last minutes.
_RECENT_SECONDS = 300
# Of the timer's minute: for the lag of all containers, and for their counts.
_LAG_SECONDS, _COUNT_SECONDS = 35.0, 10.0


class Sample(BaseModel):
    """Lag and counts of a container at one time.

    `lag_seconds` is the age of the oldest change that was not delivered, 0 if there is none, and `backlog` an estimate
    of their number; `unknown` says why both are null. `source_documents` is the source's own count, `documents` the
    ledger's without deleted ones, `parked` the dead letters that are not discarded. `applied` only ever grows.
    """

    container: str
    at: datetime
    lag_seconds: float | None
    backlog: int | None
    unknown: str | None
    source_documents: int | None
    documents: int | None
    unmapped: int | None
    parked: int
    applied: int


@dataclass(frozen=True, slots=True)
class Rate:
    """The changes that were applied in a second, and the seconds until nothing is pending if it goes on like this.

    `catch_up_seconds` is None if the backlog is unknown or does not shrink.
    """

    changes_per_second: float
    catch_up_seconds: float | None


@dataclass(frozen=True, slots=True)
class Samples:
    """Takes and reads samples of these containers."""

    database: Database
    containers: Sequence[str]
    lag: LagReader
    account: CosmosAccount
    counts: Counts

    def take(self) -> None:
        """Keep a sample of each container; what cannot be measured is null."""
        lags = self.lag.read(self.containers, _LAG_SECONDS)
        source = self._count_source()
        ledger, letters = self.counts.read_ledger(), self.counts.count_letters()
        total = applied.read(self.database)
        with self.database.transaction() as connection:
            for name in self.containers:
                changes = total[name].changes if name in total else 0
                sample = _describe(name, lags[name], ledger, letters)
                sample |= {"source_documents": source[name], "applied": changes}
                connection.execute(statement("keep_sample"), sample)

    def read_newest(self) -> dict[str, Sample]:
        """Return the newest sample of each container that has one."""
        return {sample.container: sample for sample in self._read(statement("read_newest_samples"))}

    def read_applied(self) -> dict[str, Applied]:
        """Return what was applied of each container so far, and when the last change was."""
        return applied.read(self.database)

    def rates(self) -> dict[str, Rate]:
        """Return the rate of each container that has several samples of the last minutes."""
        recent = self._read(statement("read_recent_samples"), seconds=_RECENT_SECONDS)
        found = ((name, list(samples)) for name, samples in groupby(recent, lambda sample: sample.container))
        return {name: compute_rate(samples) for name, samples in found if len(samples) > 1}

    def history(self, container: str, hours: int) -> list[Sample]:
        """Return a container's samples of the last hours, thinned out so that they are not too many."""
        query = statement("read_history")
        return self._read(query, container=container, hours=hours, step_seconds=find_step(hours))

    def prune(self) -> None:
        """Delete what is older than `KEPT_DAYS`."""
        with self.database.transaction() as connection:
            connection.execute(statement("prune_samples"), {"days": KEPT_DAYS})
        applied.merge(self.database)

    def _count_source(self) -> dict[str, int | None]:
        counted: dict[str, int | None] = dict.fromkeys(self.containers)
        with Deadline(deadline.shorten(_COUNT_SECONDS)).applies():
            for name in self.containers:
                try:
                    counted[name] = self.account.count_documents(name)
                except CdcError:  # the lag, which asks the same account, says what is wrong
                    continue
        return counted

    def _read(self, query: LiteralString, **parameters: object) -> list[Sample]:
        with self.database.connection() as connection:
            rows = connection.execute(query, {"containers": list(self.containers), **parameters}).fetchall()
        return [Sample(**dict(zip(Sample.model_fields, row, strict=True))) for row in rows]


def _describe(
    container: str, lag: Lag, ledger: LedgerCount | None, letters: Iterable[LetterCount]
) -> dict[str, object]:
    states = None if ledger is None else ledger.of(container)
    return {
        "container": container,
        "lag_seconds": lag.seconds,
        "backlog": lag.backlog,
        "unknown": lag.unknown,
        "documents": None if states is None else sum(states.values()) - states[State.DELETED],
        "unmapped": None if states is None else states[State.UNMAPPED],
        "parked": sum(
            each.documents for each in letters if each.container == container and each.state != LetterState.DISCARDED
        ),
    }


def compute_rate(samples: Sequence[Sample]) -> Rate:
    """Compute the rate of a container between the first and the last of its samples."""
    first, last = samples[0], samples[-1]
    seconds = (last.at - first.at).total_seconds()
    return Rate(max(0, last.applied - first.applied) / seconds, _forecast(samples))


def _forecast(samples: Sequence[Sample]) -> float | None:
    """Return when nothing is pending any more if the backlog shrinks as it did: that has the new writes in it."""
    last = samples[-1]
    if not last.backlog:
        return None if last.backlog is None else 0.0
    first = next(sample for sample in samples if sample.backlog is not None)
    shrunk = (first.backlog or 0) - last.backlog
    return last.backlog * (last.at - first.at).total_seconds() / shrunk if shrunk > 0 else None


def find_step(hours: int) -> int:
    """Return how many seconds one sample of a history stands for: whole minutes."""
    return 60 * -(-hours * 60 // _MOST_SAMPLES)
