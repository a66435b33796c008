"""Measure every feed when somebody looks: its lag, and whether a host still renews its leases."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

from cdc.core import deadline
from cdc.core.deadline import Deadline
from cdc.core.errors import CdcError
from cdc.operations.lag import Lag, LagReader

# A measurement that takes longer goes on, and whoever asks next gets it.
_MEASURING_SECONDS = 30.0
_OLDEST_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed as it was measured; `unrenewed_since` is set if no host has renewed one of its leases for too long."""

    lag: Lag
    unrenewed_since: datetime | None
    measured_at: datetime


class FeedWatch:
    """Measures feeds in a thread of its own, once for all who ask at the same time.

    Leases are unrenewed after `unrenewed_seconds`: by then, another host would have taken over those of a dead one.
    """

    def __init__(self, reader: LagReader, containers: Sequence[str], unrenewed_seconds: float) -> None:
        self._reader = reader
        self.containers = containers
        self._limit = unrenewed_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="feeds")
        self._lock = Lock()
        self._measuring: Future[None] | None = None
        self._measured: Mapping[str, Feed] = {}

    def read(self, patience: float) -> Mapping[str, Feed]:
        """Return what is measured within `patience` seconds, or else what was measured a moment ago, if anything."""
        with self._lock:
            if self._measuring is None or self._measuring.done():
                self._measuring = self._thread.submit(self._measure)
            measuring = self._measuring
        with suppress(TimeoutError):
            measuring.result(deadline.shorten(patience, 0.9))
        oldest = datetime.now(UTC) - timedelta(seconds=_OLDEST_SECONDS)
        return {name: feed for name, feed in self._measured.items() if feed.measured_at > oldest}

    def close(self) -> None:
        """Measure nothing any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _measure(self) -> None:
        lags = self._reader.read(self.containers, _MEASURING_SECONDS)
        now, unrenewed = datetime.now(UTC), self._find_unrenewed()
        self._measured = {name: Feed(lag, unrenewed.get(name), now) for name, lag in lags.items()}

    def _find_unrenewed(self) -> dict[str, datetime]:
        """Return since when leases are not renewed, by the source's clock, which writes the time into each lease."""
        found: dict[str, datetime] = {}
        now: int | None = None
        # Whatever fails here, the lag, which asks the same stores, says what is wrong. It hides no other container.
        with suppress(CdcError), Deadline(_MEASURING_SECONDS).applies():
            leases = self._reader.leases.read_once()
            for name in self.containers:
                with suppress(CdcError):
                    origin = self._reader.source.confirm(name)
                    now = leases.reader.read_time(name) if now is None else now
                    oldest = min(leases.read_renewals(origin), default=now)
                    if now - oldest > self._limit:
                        found[name] = datetime.fromtimestamp(oldest, UTC)
        return found
