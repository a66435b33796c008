"""Show instances as the status endpoints do, and read what a query asks for."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.functions.durable import history
from local.functions.durable.client import RequestError
from local.functions.durable.history import Event, EventType
from local.functions.durable.instances import Instance

_SCHEDULED = {EventType.TASK_SCHEDULED, EventType.SUB_ORCHESTRATION_CREATED, EventType.TIMER_CREATED}
_TURNS = {EventType.ORCHESTRATOR_STARTED, EventType.ORCHESTRATOR_COMPLETED}


def show(instance: Instance, query: Mapping[str, str], events: Sequence[Event] | None = None) -> dict[str, Any]:
    """Return the status payload of an instance."""
    with_input = query.get("showInput", "").lower() != "false"
    return {
        "name": instance.name,
        "instanceId": instance.id,
        "runtimeStatus": str(instance.status),
        "input": _read(instance.input) if with_input else None,
        "customStatus": _read(instance.custom_status),
        "output": _read(instance.output),
        # The real host gives whole seconds.
        "createdTime": instance.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lastUpdatedTime": instance.updated.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "historyEvents": None
        if events is None
        else _show_history(events, with_output=is_true(query, "showHistoryOutput")),
    }


def is_true(query: Mapping[str, str], name: str) -> bool:
    """Tell whether a query sets a flag."""
    return query.get(name, "").lower() == "true"


def read_filter(query: Mapping[str, str]) -> Callable[[Instance], bool]:
    """Return the condition that a query describes."""
    if "top" in query:
        raise RequestError(400, "This host does not page its answers: leave out 'top'.")
    prefix = query.get("instanceIdPrefix", "")
    statuses = {name for name in query.get("runtimeStatus", "").split(",") if name}
    try:
        earliest, latest = (
            history.read_time(query[name]) if name in query else None for name in ("createdTimeFrom", "createdTimeTo")
        )
    except ValueError as error:
        raise RequestError(400, f"A time cannot be read: {error}") from None

    def matches(instance: Instance) -> bool:
        return (
            instance.id.startswith(prefix)
            and (not statuses or instance.status in statuses)
            and (earliest is None or instance.created >= earliest)
            and (latest is None or instance.created <= latest)
        )

    return matches


def _show_history(events: Sequence[Event], *, with_output: bool) -> list[dict[str, Any]]:
    scheduled = {event["EventId"]: event for event in events if event["EventType"] in _SCHEDULED}
    shown = []
    for event in events:
        kind = EventType(event["EventType"])
        if kind in _TURNS or (kind in _SCHEDULED and _has_ended(event["EventId"], events)):
            continue
        line = {"EventType": _name(kind), "Timestamp": event["Timestamp"]}
        begun = scheduled.get(event.get("TaskScheduledId", event.get("TimerId")))
        if begun is not None:
            line |= {"ScheduledTime": begun["Timestamp"], "FunctionName": begun.get("Name")}
        line |= {key: event[key] for key in ("Name", "FireAt", "Reason", "OrchestrationStatus") if event.get(key)}
        if with_output and event.get("Result") is not None:
            line["Result"] = _read(event["Result"])
        shown.append(line)
    return shown


def _has_ended(task: int, events: Sequence[Event]) -> bool:
    return any(task in {event.get("TaskScheduledId"), event.get("TimerId")} for event in events)


def _name(kind: EventType) -> str:
    words = kind.name.title().replace("_", "")
    return words.replace("SubOrchestration", "SubOrchestrationInstance")


def _read(text: str | None) -> Any:
    return None if text is None else json.loads(text)
