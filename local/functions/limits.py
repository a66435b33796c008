"""Refuse values of host.json that the real host or one of its extensions refuses."""

import re
from collections.abc import Callable
from typing import Any

from local.functions.errors import HostError
from local.functions.signature import JsonObject

Check = Callable[[Any], bool]

_TIME_SPAN = re.compile(r"(?:(\d+)\.)?([01]?\d|2[0-3]):([0-5]?\d):([0-5]?\d(?:\.\d{1,7})?)")


def check(content: JsonObject) -> None:
    """Refuse the first value that is out of its range."""
    for path, (admits, expected) in LIMITS.items():
        found = find(content, path)
        if found is not None and not admits(found):
            raise HostError(f"host.json: {path} {found!r} must be {expected}")


def read_time_span(text: Any) -> float | None:
    """Return the seconds of a .NET time span, d.hh:mm:ss, or nothing when it is none."""
    match = _TIME_SPAN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def find(content: Any, path: str) -> Any:
    """Return the value at a dotted path, or nothing when it or a section above it is missing or null."""
    for name in path.split("."):
        if content is None:
            return None
        if not isinstance(content, dict):
            raise HostError(f"host.json: {path} cannot be read: what holds {name} is not an object")
        content = content.get(name)
    return content


def _whole(low: int, high: int | None = None) -> tuple[Check, str]:
    def admits(value: Any) -> bool:
        return type(value) is int and value >= low and (high is None or value <= high)

    return admits, f"a whole number from {low} to {high}" if high else f"a whole number of at least {low}"


def _span(low: float, high: float | None, expected: str) -> tuple[Check, str]:
    def admits(value: Any) -> bool:
        seconds = read_time_span(value)
        return seconds is not None and seconds >= low and (high is None or seconds <= high)

    return admits, expected


def _pattern(pattern: str, expected: str) -> tuple[Check, str]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None, expected


def _one_of(*values: Any) -> tuple[Check, str]:
    return lambda value: value in values, " or ".join(map(repr, values))


def _either(first: tuple[Check, str], second: tuple[Check, str]) -> tuple[Check, str]:
    return lambda value: first[0](value) or second[0](value), f"{first[1]}, or {second[1]}"


_SWITCH = (lambda value: isinstance(value, bool), "true or false")
_VISIBILITY = _span(60, 3600, "a time span of 1 to 60 minutes")
_REQUESTS = _either((lambda value: value == -1 and type(value) is int, "-1"), _whole(1))

LIMITS: dict[str, tuple[Check, str]] = {
    "functionTimeout": _either(_one_of("-1"), _span(1, None, "a time span hh:mm:ss of at least a second")),
    "extensionBundle.version": _pattern(r"[\[(].*,.*[\])]", "a range of versions such as [4.*, 5.0.0)"),
    "retry.maxRetryCount": _whole(-1),
    "extensions.http.routePrefix": _pattern(r"[^?#]*", "a path"),
    "extensions.http.maxOutstandingRequests": _REQUESTS,
    "extensions.http.maxConcurrentRequests": _REQUESTS,
    "extensions.http.dynamicThrottlesEnabled": _SWITCH,
    "extensions.cosmosDB.connectionMode": _one_of("Gateway", "Direct"),
    "extensions.durableTask.hubName": _pattern(
        r"%[^%]+%|[A-Za-z][A-Za-z0-9]{2,44}", "3 to 45 letters and digits that begin with a letter, or %SETTING%"
    ),
    "extensions.durableTask.maxConcurrentActivityFunctions": _whole(1),
    "extensions.durableTask.maxConcurrentOrchestratorFunctions": _whole(1),
    "extensions.durableTask.maxConcurrentEntityFunctions": _whole(1),
    "extensions.durableTask.maxOrchestrationActions": _whole(1),
    "extensions.durableTask.localRpcEndpointEnabled": (
        lambda value: value is True,
        "true: the client of the Python worker speaks to it",
    ),
    "extensions.durableTask.tracing.distributedTracingEnabled": _SWITCH,
    "extensions.durableTask.tracing.traceInputsAndOutputs": _SWITCH,
    "extensions.durableTask.tracing.version": _one_of("None", "V1", "V2"),
    "telemetryMode": _one_of("OpenTelemetry", "ApplicationInsights", "None"),
    "extensions.durableTask.storageProvider.partitionCount": _whole(1, 16),
    "extensions.durableTask.storageProvider.controlQueueBatchSize": _whole(1, 32),
    "extensions.durableTask.storageProvider.controlQueueBufferThreshold": _whole(1, 1000),
    "extensions.durableTask.storageProvider.controlQueueVisibilityTimeout": _VISIBILITY,
    "extensions.durableTask.storageProvider.workItemQueueVisibilityTimeout": _VISIBILITY,
    "extensions.durableTask.storageProvider.maxQueuePollingInterval": _span(0.001, None, "a time span hh:mm:ss"),
    "extensions.durableTask.storageProvider.type": _one_of("AzureStorage", "mssql", "Netherite", "azureManaged"),
}
