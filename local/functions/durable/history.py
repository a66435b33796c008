"""Make the events that an orchestration's history consists of."""

import json
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

Event = dict[str, Any]


class EventType(IntEnum):
    """Number the kinds of events as the real extension does."""

    EXECUTION_STARTED = 0
    EXECUTION_COMPLETED = 1
    EXECUTION_FAILED = 2
    EXECUTION_TERMINATED = 3
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    SUB_ORCHESTRATION_CREATED = 7
    SUB_ORCHESTRATION_COMPLETED = 8
    SUB_ORCHESTRATION_FAILED = 9
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    ORCHESTRATOR_COMPLETED = 13
    EVENT_RAISED = 15
    CONTINUE_AS_NEW = 16
    GENERIC = 17
    EXECUTION_SUSPENDED = 19
    EXECUTION_RESUMED = 20


def make(kind: EventType, *, event_id: int = -1, **fields: Any) -> Event:
    """Make an event of this moment."""
    return {"EventType": int(kind), "EventId": event_id, "IsPlayed": False, "Timestamp": write_time(now()), **fields}


def started(name: str, raw_input: str | None, version: str | None) -> Event:
    """Make the event that begins an execution."""
    return make(EventType.EXECUTION_STARTED, Name=name, Input=raw_input, Version=version)


def task_completed(task: int, result: str) -> Event:
    """Make the event of an activity that returned."""
    return make(EventType.TASK_COMPLETED, TaskScheduledId=task, Result=result)


def task_failed(task: int, name: str, error: BaseException) -> Event:
    """Make the event of an activity that raised, in the words of the real host."""
    message = f"{type(error).__name__}: {error}"
    # The two blanks are the real host's.
    reason = f"Activity function '{name}' failed:  {message}"
    details = json.dumps({"$type": "System.Exception, System.Private.CoreLib", "Message": message})
    return make(EventType.TASK_FAILED, TaskScheduledId=task, Reason=reason, Details=details)


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def write_time(moment: datetime) -> str:
    """Write a time as events carry it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_time(text: str) -> datetime:
    """Read a time, which is UTC where it does not say otherwise."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
