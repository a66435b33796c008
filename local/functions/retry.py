"""Read retry policies and compute how long to wait before the next attempt."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from local.functions.errors import HostError

_FOREVER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Hold how often and how soon a failed invocation is repeated."""

    max_retry_count: int
    minimum: timedelta
    maximum: timedelta

    def is_spent(self, retry_count: int) -> bool:
        """Tell whether no retry is left after this many."""
        return self.max_retry_count != _FOREVER and retry_count >= self.max_retry_count

    def delay(self, retry_count: int) -> float:
        """Return the seconds to wait after this many retries, randomised when the two intervals differ."""
        if self.minimum == self.maximum:
            return self.minimum.total_seconds()
        growth = float(2 ** min(retry_count + 1, 30) - 1) * random.uniform(0.8, 1.2)  # noqa: S311
        return min(self.minimum.total_seconds() * (1 + growth), self.maximum.total_seconds())


def from_decorator(declared: Mapping[str, Any] | None) -> RetryPolicy | None:
    """Read the policy of @app.retry, as the worker does: what is not fixed_delay is exponential."""
    if declared is None:
        return None
    return _read(
        fixed=declared["strategy"] == "fixed_delay",
        count=declared["max_retry_count"],
        delay=declared.get("delay_interval"),
        minimum=declared.get("minimum_interval"),
        maximum=declared.get("maximum_interval"),
    )


def from_host_json(declared: Mapping[str, Any] | None) -> RetryPolicy | None:
    """Read the policy that host.json sets for all functions."""
    if declared is None:
        return None
    strategy = declared.get("strategy")
    if strategy not in {"fixedDelay", "exponentialBackoff"}:
        raise HostError(f"host.json: retry.strategy {strategy!r} is neither fixedDelay nor exponentialBackoff")
    return _read(
        fixed=strategy == "fixedDelay",
        count=declared.get("maxRetryCount"),
        delay=declared.get("delayInterval"),
        minimum=declared.get("minimumInterval"),
        maximum=declared.get("maximumInterval"),
    )


def _read(*, fixed: bool, count: Any, delay: Any, minimum: Any, maximum: Any) -> RetryPolicy:
    try:
        retries = int(count)
    except (TypeError, ValueError):
        raise HostError(f"retry: the maximum retry count {count!r} is no whole number") from None
    if retries < _FOREVER:
        raise HostError(f"retry: the maximum retry count {retries} is below -1")
    if fixed:
        length = _interval("delay", delay)
        return RetryPolicy(max_retry_count=retries, minimum=length, maximum=length)
    low, high = _interval("minimum", minimum), _interval("maximum", maximum)
    if low > high:
        raise HostError("retry: the minimum interval is longer than the maximum interval")
    return RetryPolicy(max_retry_count=retries, minimum=low, maximum=high)


def _interval(name: str, text: Any) -> timedelta:
    try:
        clock = datetime.strptime(text, "%H:%M:%S")  # noqa: DTZ007
    except (TypeError, ValueError):
        needed = ": fixed_delay needs a delay interval, any other strategy a minimum and a maximum interval"
        raise HostError(
            f"retry: the {name} interval {text!r} is not of the form HH:MM:SS{needed if text is None else ''}"
        ) from None
    return timedelta(hours=clock.hour, minutes=clock.minute, seconds=clock.second)
