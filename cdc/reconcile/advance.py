"""Run a reconcile: compare, wait for the settle time, confirm, repair, report."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cdc.core.errors import FatalError, PausedError, UnknownLagError
from cdc.reconcile.compare import Comparison
from cdc.reconcile.confirm import Confirmation
from cdc.reconcile.run import Run, Task, Usage
from cdc.telemetry import tracing
from cdc.telemetry.tracing import Name

_LATE = "The change feed of {} lags {:.0f} s, more than the settle time, so this run stops: the next one tries again."
# After a crash, at most this much work is repeated; repeating it changes nothing.
_SAVED_SECONDS = 1.0
_UNFINISHED = "The backfill of {} is not finished, so this run stops: the next one tries again."


class RunStore(Protocol):
    """Keeps runs."""

    def load(self, container: str) -> Run | None:
        """Return the unfinished run of a container, or None."""
        ...

    def save(self, run: Run) -> None:
        """Save the progress of a run."""
        ...

    def finish(self, run: Run, state: str, sentence: str | None) -> None:
        """End a run with its report."""
        ...


@dataclass(frozen=True, slots=True)
class ContainerTools:
    """The tools that compare and repair one container.

    `read_lag` returns the age in seconds of the oldest change that was not delivered, or raises UnknownLagError.
    """

    comparison: Comparison
    confirmation: Confirmation
    read_lag: Callable[[], float]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Turn:
    """What comes next: nothing if the run is over, else the next part after some seconds."""

    over: bool = False
    seconds: float = 0


class Reconcile:
    """Advances runs, each time for a limited time.

    `open_tools` raises FatalError for a container that is not the one seen first, PausedError for a paused one.
    """

    def __init__(
        self,
        runs: RunStore,
        open_tools: Callable[[str], ContainerTools],
        is_copied: Callable[[str], bool],
        settle_seconds: float,
    ) -> None:
        self._runs = runs
        self._open_tools = open_tools
        self._is_copied = is_copied
        self._settle_seconds = settle_seconds

    def advance(self, container: str, seconds: float) -> Turn:
        """Work on a container's run for about this many seconds; repeating the work changes nothing."""
        run = self._runs.load(container)
        if run is None:
            return Turn(over=True)
        with tracing.span(Name.RECONCILE, of=run.traceparent, container=container):
            return self._advance_or_finish(run, time.monotonic() + seconds)

    def _advance_or_finish(self, run: Run, deadline: float) -> Turn:
        try:
            return self._advance(run, self._open_tools(run.container), deadline)
        except FatalError as error:
            self._runs.finish(run, "failed", str(error))
            return Turn(over=True)
        except PausedError as error:
            self._runs.finish(run, "behind", f"{error} This run stops: the next one tries again.")
            return Turn(over=True)

    def give_up(self, container: str, problem: str) -> None:
        """End a run as failed, with the reason."""
        run = self._runs.load(container)
        if run is not None:
            self._runs.finish(run, "failed", problem)

    def _advance(self, run: Run, tools: ContainerTools, deadline: float) -> Turn:
        saved, seconds = time.monotonic(), 0.0
        while run.progress.tasks and not seconds:
            task = run.progress.tasks.pop(0)
            late = self._find_delay(run, tools) if task.step == "begin" else None
            if task.step == "settle":
                seconds, late = self._settle(run, tools, task)
            elif late is None:
                _do(run, tools, task)
            if late is not None:
                self._runs.finish(run, "behind", late)
                return Turn(over=True)
            _count(run, tools.usage)
            if time.monotonic() > min(deadline, saved + _SAVED_SECONDS) or seconds:
                self._runs.save(run)
                saved = time.monotonic()
            if saved > deadline or seconds:
                return Turn(seconds=seconds)
        self._runs.finish(run, "completed", None)
        return Turn(over=True)

    def _settle(self, run: Run, tools: ContainerTools, task: Task) -> tuple[float, str | None]:
        """Wait until every suspect may be confirmed; confirm none if the feed has fallen behind."""
        seconds = tools.comparison.findings.seconds_to_settle(run)
        if seconds is not None and seconds > 0:
            run.progress.tasks = [task]
            return seconds, None
        if seconds is not None and (late := self._find_delay(run, tools)):
            return 0, late
        # Look for unclaimed rows last: a repaired document claims its rows again.
        run.progress.tasks = [Task(step="confirm"), Task(step="unclaimed")]
        return 0, None

    def _find_delay(self, run: Run, tools: ContainerTools) -> str | None:
        if not self._is_copied(run.container):
            return _UNFINISHED.format(run.container)
        try:
            lag = tools.read_lag()
        except UnknownLagError as reason:
            return f"This run stops. {reason}"
        return _LATE.format(run.container, lag) if lag > self._settle_seconds else None


def _do(run: Run, tools: ContainerTools, task: Task) -> None:
    if task.step in ("confirm", "repair"):
        tools.confirmation.do(run, task)
    else:
        tools.comparison.do(run, task)


def _count(run: Run, usage: Usage) -> None:
    figures = run.progress.figures
    figures.queries += usage.queries
    figures.request_units += usage.request_units
    usage.queries, usage.request_units = 0, 0
