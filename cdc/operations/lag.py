"""How far each feed is behind, measured from its leases: true when nothing is written, and when its host is dead."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdc.core import deadline
from cdc.core.deadline import Deadline
from cdc.core.errors import CdcError
from cdc.cosmos.leases import Leases
from cdc.postgres.containers import ConfirmedSource


@dataclass(frozen=True, slots=True)
class Lag:
    """The age of the oldest pending change and the number of pending changes, or why nobody knows."""

    seconds: float | None = None
    backlog: int | None = None
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class LagReader:
    """Measures the lag of containers; needs no running host."""

    source: ConfirmedSource
    leases: Leases

    def read(self, containers: Sequence[str], seconds: float) -> dict[str, Lag]:
        """Measure each container within so many seconds in all; one that does not answer leaves time for the others."""
        lags = {}
        with Deadline(deadline.shorten(seconds)).applies():
            for number, container in enumerate(containers):
                with Deadline(deadline.shorten(seconds, 1 / (len(containers) - number))).applies():
                    lags[container] = self._read(container)
        return lags

    def _read(self, container: str) -> Lag:
        try:
            found = self.leases.read_backlog(self.source.confirm(container))
        except CdcError as error:
            return Lag(unknown=str(error))
        return Lag(found.lag_seconds, found.changes)
