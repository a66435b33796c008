"""Replay the actions of an orchestrator against its history, and find what is to be scheduled.

An orchestrator answers with all its actions so far, without ids. The real host runs them again through its own task
framework, which numbers activities, timers and sub-orchestrations in the order in which they are scheduled. A retry is
numbered late: its timer when the attempt has failed, its next attempt when that timer has fired. Where the SDK counts
otherwise, ids drift apart there, and so they must here.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from local.functions.durable import history
from local.functions.durable.history import Event, EventType
from local.functions.durable.tasks import Routine, Task, when_all, when_any

Action = dict[str, Any]


class ActionType(IntEnum):
    """Number the kinds of actions as the protocol does."""

    CALL_ACTIVITY = 0
    CALL_ACTIVITY_WITH_RETRY = 1
    CALL_SUB_ORCHESTRATOR = 2
    CALL_SUB_ORCHESTRATOR_WITH_RETRY = 3
    CONTINUE_AS_NEW = 4
    CREATE_TIMER = 5
    WAIT_FOR_EXTERNAL_EVENT = 6
    CALL_ENTITY = 7
    CALL_HTTP = 8
    SIGNAL_ENTITY = 9
    WHEN_ANY = 11
    WHEN_ALL = 12


class ReplayError(Exception):
    """Say why an orchestration cannot go on."""


class NonDeterminismError(ReplayError):
    """Say where a replay departs from the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Hold one activity, timer or sub-orchestration that a replay scheduled."""

    id: int
    kind: EventType
    name: str | None = None
    input: str | None = None
    instance: str | None = None
    version: str | None = None
    fire_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Replayed:
    """Hold what a replay found: what is new, and whether nothing is left to wait for."""

    decisions: list[Decision]
    is_settled: bool
    next_input: str | None
    carried_events: list[Event] = field(default_factory=list)

    @property
    def continues_as_new(self) -> bool:
        """Tell whether the orchestration asked to begin again."""
        return self.next_input is not None


class Replay:
    """Run the actions of one answer through the events of one history."""

    def __init__(self, actions: Sequence[Action], check: Callable[[EventType, str], None]) -> None:
        self._check = check
        self._main = Routine(self._await_each(actions))
        self._next_id = 0
        self._unconfirmed: dict[int, Decision] = {}
        self._open: dict[int, Task] = {}
        self._waiting: defaultdict[str, list[Task]] = defaultdict(list)
        self._buffered: Counter[str] = Counter()
        self._next_input: str | None = None
        self._carried: list[Event] = []

    def run(self, events: Sequence[Event]) -> Replayed:
        """Replay a history, and return what it leads to."""
        for event in events:
            self._apply(event)
        return Replayed(
            decisions=list(self._unconfirmed.values()),
            # As in the real framework, an orchestration does not end while a task or a timer is open.
            is_settled=self._main.is_done and not self._open,
            next_input=self._next_input,
            carried_events=self._carried,
        )

    def _apply(self, event: Event) -> None:
        kind: int = event["EventType"]
        match kind:
            case EventType.ORCHESTRATOR_STARTED:
                self._now = history.read_time(event["Timestamp"])
            case EventType.EXECUTION_STARTED:
                self._main.start()
            case EventType.TASK_SCHEDULED | EventType.TIMER_CREATED | EventType.SUB_ORCHESTRATION_CREATED:
                self._confirm(event)
            case EventType.TASK_COMPLETED | EventType.SUB_ORCHESTRATION_COMPLETED:
                self._settle(event["TaskScheduledId"], failed=False)
            case EventType.TASK_FAILED | EventType.SUB_ORCHESTRATION_FAILED:
                self._settle(event["TaskScheduledId"], failed=True)
            case EventType.TIMER_FIRED:
                self._settle(event["TimerId"], failed=False)
            case EventType.EVENT_RAISED:
                self._raise(event)
            case _:
                pass

    def _confirm(self, event: Event) -> None:
        decision = self._unconfirmed.pop(event["EventId"], None)
        recorded = f"{EventType(event['EventType']).name} {event['EventId']} {event.get('Name') or ''}".rstrip()
        if decision is None:
            raise NonDeterminismError(f"the history has {recorded}, which this replay did not schedule")
        if decision.kind != event["EventType"] or decision.name != event.get("Name"):
            replayed = f"{decision.kind.name} {decision.id} {decision.name or ''}".rstrip()
            raise NonDeterminismError(f"the history has {recorded}, and this replay scheduled {replayed}")

    def _settle(self, task_id: int, *, failed: bool) -> None:
        task = self._open.pop(task_id, None)
        if task is not None:
            task.settle(failed=failed)

    def _raise(self, event: Event) -> None:
        name = event["Name"].casefold()
        if self._next_input is not None:
            self._carried.append(event)
        elif self._waiting[name]:
            self._waiting[name].pop().settle()
        else:
            self._buffered[name] += 1

    def _await_each(self, actions: Sequence[Action]) -> Iterator[Task]:
        for action in actions:
            yield self._begin(action)

    def _begin(self, action: Action) -> Task:
        kind: int = action["actionType"]
        match kind:
            case ActionType.CALL_ACTIVITY | ActionType.CALL_SUB_ORCHESTRATOR:
                return self._call(action)
            case ActionType.CALL_ACTIVITY_WITH_RETRY | ActionType.CALL_SUB_ORCHESTRATOR_WITH_RETRY:
                return Routine(self._retry(action)).start()
            case ActionType.CREATE_TIMER:
                return self._create_timer(history.read_time(action["fireAt"]), cancelled=action["isCanceled"])
            case ActionType.WAIT_FOR_EXTERNAL_EVENT:
                return self._wait_for_event(action["externalEventName"])
            case ActionType.CONTINUE_AS_NEW:
                self._next_input = action["input"]
                return Task().settle()
            case ActionType.WHEN_ALL:
                return when_all([self._begin(child) for child in action["compoundActions"]])
            case ActionType.WHEN_ANY:
                return when_any([self._begin(child) for child in action["compoundActions"]])
            case _:
                raise ReplayError(f"this host does not run the action {_name(kind)} of an orchestrator")

    def _call(self, action: Action) -> Task:
        is_activity = action["actionType"] in {ActionType.CALL_ACTIVITY, ActionType.CALL_ACTIVITY_WITH_RETRY}
        kind = EventType.TASK_SCHEDULED if is_activity else EventType.SUB_ORCHESTRATION_CREATED
        name = action["functionName"]
        self._check(kind, name)
        return self._schedule(
            kind,
            name=name,
            input=action["input"],
            instance=action.get("instanceId"),
            version=action.get("version"),
        )

    def _retry(self, action: Action) -> Iterator[Task]:
        options = action["retryOptions"]
        interval = timedelta(milliseconds=options["firstRetryIntervalInMilliseconds"])
        for _ in range(options["maxNumberOfAttempts"]):
            attempt = self._call(action)
            yield attempt
            if not attempt.has_failed:
                return
            # The last failure is followed by a timer too.
            yield self._create_timer(self._now + interval, cancelled=False)

    def _create_timer(self, fire_at: datetime, *, cancelled: bool) -> Task:
        task = self._schedule(EventType.TIMER_CREATED, fire_at=fire_at)
        if cancelled:
            del self._open[self._next_id - 1]
            task.settle(failed=True)
        return task

    def _schedule(self, kind: EventType, **fields: Any) -> Task:
        decision = Decision(id=self._next_id, kind=kind, **fields)
        self._next_id += 1
        self._unconfirmed[decision.id] = decision
        self._open[decision.id] = task = Task()
        return task

    def _wait_for_event(self, name: str) -> Task:
        task, name = Task(), name.casefold()
        if self._buffered[name]:
            self._buffered[name] -= 1
            return task.settle()
        self._waiting[name].append(task)
        return task


def _name(kind: int) -> str:
    return ActionType(kind).name if kind in set(ActionType) else str(kind)
