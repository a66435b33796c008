"""Record the metrics that the application's team has names for."""

from collections.abc import Sequence

from opentelemetry import metrics
from opentelemetry.metrics import Counter, Histogram

from cdc.core.team_metrics import TeamMetric

_counters: list[tuple[TeamMetric, Counter]] = []
_lags: list[tuple[TeamMetric, Histogram]] = []


def declare(declared: Sequence[TeamMetric]) -> None:
    """Record these from now on, and no others."""
    _counters.clear()
    _lags.clear()
    for metric in declared:
        meter = metrics.get_meter(metric.meter)
        if metric.measures == "changes":
            _counters.append((metric, meter.create_counter(metric.name, metric.unit, metric.meaning)))
        else:
            _lags.append((metric, meter.create_histogram(metric.name, metric.unit, metric.meaning)))


def count(container: str, outcome: str, amount: int, reason: str | None = None) -> None:
    """Count changes of one outcome."""
    for metric, counter in _counters:
        if outcome in metric.outcomes:
            counter.add(amount, dict(metric.tags(container, reason)))


def record_lag(container: str, seconds: float) -> None:
    """Record the lag of a batch."""
    for metric, histogram in _lags:
        histogram.record(seconds * 1_000, dict(metric.tags(container, None)))
