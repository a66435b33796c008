"""How far each feed is behind, measured from its leases: true when nothing is written, and when its host is dead."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdc.core import deadline
from cdc.core.deadline import Deadline
from cdc.core.errors import CdcError, LeaseGapError, LostPositionError
from cdc.cosmos.leases import Leases
from cdc.operations.problems import Code
from cdc.postgres.containers import ConfirmedSource


@dataclass(frozen=True, slots=True)
class Lag:
    """The age of the oldest pending change and the number of pending changes, or why nobody knows.

    `code` is set if it is unknown because changes do not arrive.
    """

    seconds: float | None = None
    backlog: int | None = None
    unknown: str | None = None
    code: Code | None = None


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
            return Lag(unknown=str(error), code=_find_code(error))
        return Lag(found.lag_seconds, found.changes)


def _find_code(error: CdcError) -> Code | None:
    match error:
        case LeaseGapError():
            return Code.LEASE_MISSING
        case LostPositionError():
            return Code.POSITION_LOST
        case _:
            return None
