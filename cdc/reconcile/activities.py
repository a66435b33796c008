"""The activities of reconcile, called by its timer and its orchestration."""

import logging
from collections.abc import Callable, Sequence

from cdc.config.settings import Settings
from cdc.core.documents import JsonObject
from cdc.core.errors import CdcError
from cdc.reconcile.advance import ContainerTools, Reconcile
from cdc.reconcile.run import Mode
from cdc.reconcile.store import PostgresRuns
from cdc.telemetry import rows
from cdc.telemetry.rows import Action

logger = logging.getLogger(__name__)

_ADVANCE_SECONDS = 30.0


class Activities:
    """Begins due runs and advances runs; answers have only counters and one sentence."""

    def __init__(
        self,
        settings: Settings,
        containers: Sequence[str],
        runs: PostgresRuns,
        open_tools: Callable[[str], ContainerTools],
        is_copied: Callable[[str], bool],
    ) -> None:
        self._settings = settings
        self._containers = containers
        self._runs = runs
        self._reconcile = Reconcile(runs, open_tools, is_copied, settings.settle_seconds)

    def begin_due(self) -> None:
        """Begin a run of each container that has none.

        All keys are compared if the feed had deletes that did not identify their document, or changed its mode.
        """
        incomplete = self._runs.list_incomplete(self._settings.settle_seconds)
        self._begin_due([name for name in self._containers if name in incomplete], "keys")
        self._begin_due([name for name in self._containers if name not in incomplete], "counts")

    def read_running(self) -> list[str]:
        """Return the containers whose runs need an orchestration."""
        return list(self._runs.list_running(self._containers))

    def list_running(self) -> dict[str, bool]:
        """Return the containers whose runs need an orchestration, and whether each run has just begun.

        Never raises CdcError: it is asked after a request that has its answer already.
        """
        try:
            return self._runs.list_running(self._containers)
        except CdcError as error:  # the timer starts them
            rows.tell(logger, logging.WARNING, Action.STORE_FAILED, f"cannot read the running reconciles: {error}")
            return {}

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
        """Advance the run of a container; return whether it is over, or after how many seconds to continue.

        Never raises CdcError: a failure is returned as `problem`.
        """
        try:
            turn = self._reconcile.advance(container, _ADVANCE_SECONDS)
        except CdcError as error:
            return {"over": False, "seconds": 0.0, "problem": str(error)}
        return {"over": turn.over, "seconds": turn.seconds, "problem": None}

    def give_up(self, container: str, problem: str) -> JsonObject:
        """End a run that cannot continue."""
        try:
            self._reconcile.give_up(container, problem)
        except CdcError as error:
            return {"problem": str(error)}
        return {"problem": None}
