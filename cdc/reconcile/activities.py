"""What the timer and the orchestration of a reconcile call."""

from collections.abc import Callable, Sequence

from cdc.config.settings import Settings
from cdc.core.documents import JsonObject
from cdc.core.errors import CdcError
from cdc.reconcile.advance import Backfills, ContainerTools, Reconcile
from cdc.reconcile.report import describe_run
from cdc.reconcile.run import Mode
from cdc.reconcile.store import PostgresRuns

_ADVANCE_SECONDS = 30.0


class Activities:
    """Begin the runs that are due, and bring runs forward; no answer is more than counters and a sentence."""

    def __init__(
        self,
        settings: Settings,
        containers: Sequence[str],
        runs: PostgresRuns,
        open_tools: Callable[[str], ContainerTools],
        backfills: Backfills,
    ) -> None:
        self._settings = settings
        self._containers = containers
        self._runs = runs
        self._reconcile = Reconcile(runs, open_tools, backfills, settings.settle_seconds)

    def begin_due(self) -> list[str]:
        """Begin a run of each container that has none; return all containers, whose runs begin or go on.

        All keys are compared where the feed told of deletes without saying of what, or began anew in another mode.
        """
        incomplete = self._runs.list_incomplete(self._settings.settle_seconds)
        self._begin_due([name for name in self._containers if name in incomplete], "keys")
        self._begin_due([name for name in self._containers if name not in incomplete], "counts")
        return list(self._containers)

    def _begin_due(self, containers: list[str], mode: Mode) -> None:
        if containers:
            self._runs.begin(
                containers,
                mode,
                repair=True,
                sample=self._settings.reconcile_sample,
                max_request_units=self._settings.reconcile_request_units,
            )

    def advance(self, container: str) -> JsonObject:
        """Bring the run of a container forward; tell whether it is over, or after how many seconds to go on.

        Never raises: a failure that time may mend is told as `problem`.
        """
        try:
            turn = self._reconcile.advance(container, _ADVANCE_SECONDS)
        except CdcError as error:
            return {"over": False, "seconds": 0.0, "problem": str(error)}
        return {"over": turn.over, "seconds": turn.seconds, "problem": None}

    def give_up(self, container: str, problem: str) -> JsonObject:
        """End the run of a container that cannot go on."""
        try:
            self._reconcile.give_up(container, problem)
        except CdcError as error:
            return {"problem": str(error)}
        return {"problem": None}

    def newest_reports(self) -> dict[str, JsonObject]:
        """Return the newest finished report of each container."""
        return {row["container"]: describe_run(row) for row in self._runs.newest_reports(list(self._containers))}
