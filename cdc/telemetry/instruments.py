"""Every metric of the engine, and the one way to record it; attributes are containers, kinds and outcomes alone."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

_METER = metrics.get_meter("cdc")
_ATTRIBUTES = {
    "container": "cdc.container",
    "kind": "cdc.kind",
    "outcome": "cdc.outcome",
    "pool": "db.client.connection.pool.name",
}
# As in the conventions for messaging, and wider where a delay may last for days.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_LONG_SECONDS = (0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600, 21_600, 86_400)
# A gauge shows no value that nobody has refreshed for so long: silence must look like silence.
_FRESH_SECONDS = 180.0

# The values of the attributes by name, such as `container`.
Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric is called and means; `attributes` are those that every value has."""

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    unit: str
    meaning: str
    attributes: tuple[str, ...]


# By name, in the order of the documentation.
METRICS: dict[str, Metric] = {}


class Counter:
    """Counts what happens."""

    def __init__(self, name: str, unit: str, meaning: str, *attributes: str) -> None:
        _declare(Metric(name, "counter", unit, meaning, _full_names(attributes)))
        self._counter = _METER.create_counter(name, unit, meaning)

    def add(self, amount: float, **values: str) -> None:
        """Add to the count of these values."""
        self._counter.add(amount, _attributes(values))


class Histogram:
    """Records how values are distributed."""

    def __init__(self, name: str, unit: str, meaning: str, *attributes: str, buckets: Sequence[float]) -> None:
        _declare(Metric(name, "histogram", unit, meaning, _full_names(attributes)))
        self._histogram = _METER.create_histogram(name, unit, meaning, explicit_bucket_boundaries_advisory=buckets)

    def record(self, amount: float, **values: str) -> None:
        """Record one value."""
        self._histogram.record(amount, _attributes(values))


class Gauge:
    """Shows the values that were read last, as long as they are fresh; with `grows`, they count the seconds since."""

    def __init__(self, name: str, unit: str, meaning: str, *attributes: str, grows: bool = False) -> None:
        _declare(Metric(name, "gauge", unit, meaning, _full_names(attributes)))
        self._grows = grows
        self._read_at = float("-inf")
        self._read: Sequence[tuple[float, Values]] = ()
        _METER.create_observable_gauge(name, [self._observe], unit, meaning)

    def show(self, read: Sequence[tuple[float, Values]]) -> None:
        """Show these values from now on, and no others."""
        self._read, self._read_at = read, time.monotonic()

    def _observe(self, _: CallbackOptions) -> Iterator[Observation]:
        age = time.monotonic() - self._read_at
        if age <= _FRESH_SECONDS:
            for value, values in self._read:
                yield Observation(value + age if self._grows else value, _attributes(values))


def _declare(metric: Metric) -> None:
    METRICS[metric.name] = metric


def _full_names(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(_ATTRIBUTES[name] for name in names)


def _attributes(values: Values) -> dict[str, str]:
    return {_ATTRIBUTES[name]: value for name, value in values.items()}


lag = Histogram(
    "cdc.lag",
    "s",
    "From the write of the oldest change of a live batch in Cosmos to its commit in PostgreSQL, unless all is stale.",
    "container",
    buckets=_LONG_SECONDS,
)
feed_lag = Gauge(
    "cdc.feed.lag",
    "s",
    "The age of the oldest change that was not delivered, by the leases: 0 when idle, and true when the host is dead.",
    "container",
)
feed_backlog = Gauge(
    "cdc.feed.backlog", "{change}", "An estimate of the changes that were not delivered, by the leases.", "container"
)
feed_silence = Gauge(
    "cdc.feed.silence",
    "s",
    "Since a change of the container was last applied. It grows when nothing is written, too.",
    "container",
    grows=True,
)
changes = Counter(
    "cdc.changes",
    "{change}",
    "Changes by what became of them, brought by the live feed, a backfill, or reading a document again.",
    "container",
    "kind",
    "outcome",
)
batch_duration = Histogram(
    "cdc.batch.duration",
    "s",
    "From the delivery of a batch to its commit or its failure.",
    "container",
    "kind",
    "outcome",
    buckets=_SECONDS,
)
dead_letters = Gauge(
    "cdc.dead_letters", "{letter}", "Dead letters that nobody has discarded, by kind.", "container", "kind"
)
differences = Counter(
    "cdc.reconcile.differences", "{difference}", "Confirmed differences of ended reconciles.", "container", "kind"
)
request_charge = Counter(
    "cdc.request_charge", "{request_unit}", "What Cosmos charges for the app's own requests.", "container", "kind"
)
connection_wait = Histogram(
    "db.client.connection.wait_time",
    "s",
    "How long it took to get an open connection to PostgreSQL.",
    "pool",
    buckets=_SECONDS,
)
