"""Observe one batch: its span, its metrics, and its log rows."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from opentelemetry.trace import Span

from cdc.core.documents import Change
from cdc.core.errors import PausedError
from cdc.core.mapping import Mapper
from cdc.core.writes import Outcome
from cdc.telemetry import instruments, rows, team, tracing
from cdc.telemetry.rows import Action
from cdc.telemetry.tracing import Name

Given = ParamSpec("Given")
Ending = TypeVar("Ending", bound=StrEnum)


class Kind(StrEnum):
    """What brought a batch."""

    FEED = "feed"
    BACKFILL = "backfill"
    REREAD = "reread"


_TRIGGERS = {Kind.FEED: "datasource", Kind.BACKFILL: "other"}
_COMMITTED, _FAILED = "committed", "failed"


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that is being applied."""

    logger: logging.Logger
    container: str
    kind: Kind
    span: Span
    begun: float = field(default_factory=time.monotonic)

    def note(self, changes: Sequence[Change], outcome: Outcome) -> None:
        """Note what became of it, after the commit."""
        counts = count(outcome)
        seconds, lag = self._end(_COMMITTED), self._measure_lag(changes, outcome)
        for name, number in counts.items():
            if number:
                count_changes(self.container, self.kind, name, number, outcome)
        tracing.describe(self.span, **counts)
        action = Action.BATCH_APPLIED if self.kind is Kind.FEED else Action.PAGE_COPIED
        rows.tell(
            self.logger,
            logging.INFO,
            action,
            f"applied a batch of {self.container}:",
            container=self.container,
            kind=self.kind.value,
            changes=len(changes),
            **counts,
            lag_seconds=lag,
            duration_seconds=seconds,
        )

    def fail(self, error: Exception) -> None:
        """Note that nothing was committed."""
        seconds, name = self._end(_FAILED), type(error).__name__
        if not isinstance(error, PausedError):  # that is wanted
            team.count(self.container, _FAILED, 1, name)
        if self.kind is Kind.FEED:  # a backfill reports its own
            rows.tell(
                self.logger,
                logging.WARNING,
                Action.BATCH_FAILED,
                f"a batch of {self.container} has failed and is delivered again:",
                container=self.container,
                error=name,
                duration_seconds=seconds,
            )

    def _end(self, outcome: str) -> float:
        seconds = time.monotonic() - self.begun
        instruments.batch_duration.record(seconds, container=self.container, kind=self.kind, outcome=outcome)
        return seconds

    def _measure_lag(self, changes: Sequence[Change], outcome: Outcome) -> float | None:
        if self.kind is not Kind.FEED or len(changes) == outcome.stale:
            return None
        lag = max(0.0, time.time() - min(change.version.ts for change in changes))
        instruments.lag.record(lag, container=self.container)
        team.record_lag(self.container, lag)
        return lag


@contextmanager
def observed(
    logger: logging.Logger,
    container: str,
    kind: Kind,
    changes: int,
    note_failure: Callable[[str, Exception], None] = lambda *_: None,
) -> Iterator[Batch]:
    """Observe a batch until it is noted or fails."""
    with tracing.span(Name.BATCH, container=container, kind=kind, changes=changes, trigger=_TRIGGERS[kind]) as span:
        batch = Batch(logger, container, kind, span)
        try:
            yield batch
        except Exception as error:
            batch.fail(error)
            note_failure(container, error)
            raise


def observed_reread(
    read_again: Callable[Concatenate[Mapper[Any], Given], Ending],
) -> Callable[Concatenate[Mapper[Any], Given], Ending]:
    """Observe a function that reads one document of a mapper's container again, and returns what became of it."""

    @wraps(read_again)
    def observe(mapper: Mapper[Any], /, *given: Given.args, **named: Given.kwargs) -> Ending:
        with tracing.step(Name.REREAD, container=mapper.container):
            ending = read_again(mapper, *given, **named)
        count_changes(mapper.container, Kind.REREAD, ending, 1)
        return ending

    return observe


def count(outcome: Outcome) -> Mapping[str, int]:
    """Return the number of changes by outcome."""
    return {
        "applied": outcome.applied,
        "deleted": outcome.deleted,
        "stale": outcome.stale,
        "undecided": outcome.undecided,
        "parked": outcome.parked,
        "unmapped": outcome.unmapped,
    }


def count_changes(container: str, kind: Kind, name: str, number: int, outcome: Outcome | None = None) -> None:
    """Count changes of one outcome; parked ones also by the kind of their problem, for the team."""
    instruments.changes.add(number, container=container, kind=kind, outcome=name)
    if outcome is None or name != "parked":
        team.count(container, name, number)
        return
    for problem, parked in Counter(problem.kind.value for problem in outcome.problems).items():
        team.count(container, name, parked, problem)
