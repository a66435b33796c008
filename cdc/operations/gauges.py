"""A part of the timer: read what the gauges show."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, timedelta

from cdc.core.errors import ProblemKind
from cdc.operations.samples import Samples
from cdc.repair.letters import LetterState
from cdc.telemetry import instruments

# A sample that is older says nothing about now.
_FRESH = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Gauges:
    """Shows the lag and the silence of each feed, and its dead letters by kind, also if there are none.

    Unless telemetry goes somewhere, nothing is read.
    """

    containers: Sequence[str]
    samples: Samples
    _: KW_ONLY
    wanted: bool

    def read(self) -> None:
        """Read and show the values."""
        if not self.wanted:
            return
        now = datetime.now(UTC)
        fresh = [sample for sample in self.samples.read_newest().values() if now - sample.at < _FRESH]
        lags = [(each.container, each.lag_seconds) for each in fresh if each.lag_seconds is not None]
        backlogs = [(each.container, each.backlog) for each in fresh if each.backlog is not None]
        silences = [(name, (now - each.last_at).total_seconds()) for name, each in self.samples.read_applied().items()]
        instruments.feed_lag.show([(lag, {"container": name}) for name, lag in lags])
        instruments.feed_backlog.show([(backlog, {"container": name}) for name, backlog in backlogs])
        instruments.feed_silence.show([(silence, {"container": name}) for name, silence in silences])
        self._show_letters()

    def _show_letters(self) -> None:
        letters: Counter[tuple[str, str]] = Counter()
        for each in self.samples.counts.count_letters():
            if each.state != LetterState.DISCARDED:
                letters[each.container, each.kind] += each.documents
        places = [(name, kind.value) for name in self.containers for kind in ProblemKind]
        shown = [(letters[name, kind], {"container": name, "kind": kind}) for name, kind in places]
        instruments.dead_letters.show(shown)
