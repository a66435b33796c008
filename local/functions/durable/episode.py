"""Run one episode of an orchestration: call its function with the history, and save what follows from the answer."""

import json
import logging
import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from local.functions import log
from local.functions.durable import history, instances, lifecycle
from local.functions.durable.declared import DurableFunctions
from local.functions.durable.history import Event, EventType
from local.functions.durable.instances import Instance, Message, Parent, Status
from local.functions.durable.replay import Decision, NonDeterminismError, Replay, Replayed, ReplayError
from local.functions.durable.store import Store

_log = logging.getLogger(__name__)
_STATE_LABEL = "$OutOfProcData$:"
_LARGEST_STATUS = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """Hold an execution, the messages that it reads now, and the events that it has then."""

    instance: Instance
    messages: list[Message]
    past: list[Event]
    new: list[Event]

    @property
    def payload(self) -> str:
        """Return the text that the orchestrator function gets."""
        content = {
            "history": [*self.past, *self.new],
            "input": None if self.instance.input is None else json.loads(self.instance.input),
            "instanceId": self.instance.id,
            "isReplaying": bool(self.past),
            "parentInstanceId": self.instance.parent.instance if self.instance.parent else None,
            "upperSchemaVersion": 1,
            "upperSchemaVersionNew": 2,
            "longRunningTimerIntervalDuration": "3.00:00:00",
            "maximumShortTimerDuration": "6.00:00:00",
            "defaultHttpAsyncRequestSleepTimeMillseconds": 30000,
        }
        return json.dumps(content)


def begin(store: Store, instance_id: str) -> Episode | None:
    """Read what is due for an instance, if it still may run."""
    instance = store.find(instance_id)
    if instance is None:
        return None
    messages = store.messages(instance)
    if not messages:
        return None
    past = [{**event, "IsPlayed": True} for event in store.history(instance_id)]
    # An execution begins with its start, even if an event was raised before.
    events = sorted((message.event for message in messages), key=_is_not_start)
    new = [history.make(EventType.ORCHESTRATOR_STARTED), *events]
    return Episode(instance=instance, messages=messages, past=past, new=new)


def conclude(store: Store, episode: Episode, functions: DurableFunctions, answer: str | BaseException) -> None:
    """Save what an answer leads to, unless the instance has ended or begun anew meanwhile."""
    with store.transaction():
        instance = store.find(episode.instance.id)
        if instance is None or instance.execution != episode.instance.execution or instance.status.is_final:
            return
        store.delete_messages(episode.messages)
        status = Status.RUNNING if instance.status is Status.PENDING else instance.status
        _Conclusion(store, episode, replace(instance, status=status, updated=history.now())).apply(functions, answer)


class _Conclusion:
    def __init__(self, store: Store, episode: Episode, instance: Instance) -> None:
        self._store = store
        self._episode = episode
        self._instance = instance

    def apply(self, functions: DurableFunctions, answer: str | BaseException) -> None:
        try:
            state = _read_state(answer)
            self._set_custom_status(state.get("customStatus"))
            replay = Replay(state["actions"][0], functions.check)
            replayed = replay.run([*self._episode.past, *self._episode.new])
        except NonDeterminismError as error:
            self._fail(f"Non-Deterministic workflow detected: {error}")
        except ReplayError as error:
            self._fail(f"Orchestrator function '{self._instance.name}' failed: {error}")
        else:
            self._follow(state, replayed)

    def _set_custom_status(self, status: Any) -> None:
        if status is None:
            return
        text = json.dumps(status, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode("utf-16-le", "surrogatepass")) > _LARGEST_STATUS:
            raise ReplayError("The size of the JSON-serialized custom status must not exceed 16 KB of UTF-16 text.")
        self._instance = replace(self._instance, custom_status=text)

    def _follow(self, state: dict[str, Any], replayed: Replayed) -> None:
        error = state.get("error")
        if not replayed.is_settled or not (state["isDone"] or error):
            self._go_on(replayed)
        elif error:
            self._fail(f"Orchestrator function '{self._instance.name}' failed: {error}")
        elif replayed.continues_as_new:
            self._begin_anew(replayed)
        else:
            _log.info("instance %s completed", self._instance.id, extra={"function": self._instance.name})
            self._end(Status.COMPLETED, json.dumps(state.get("output")))

    def _go_on(self, replayed: Replayed) -> None:
        self._store.save(self._instance)
        scheduled = [self._schedule(decision) for decision in replayed.decisions]
        completed = history.make(EventType.ORCHESTRATOR_COMPLETED)
        self._store.append(self._instance.id, [*self._episode.new, *scheduled, completed])

    def _begin_anew(self, replayed: Replayed) -> None:
        # Messages that no episode has read are kept; events that were read and not waited for are lost.
        self._store.forget_messages(self._instance.id, execution=self._instance.execution)
        raw_input = json.dumps(replayed.next_input)
        anew = replace(self._instance, execution=uuid.uuid4().hex, input=raw_input)
        self._store.delete_history(anew.id)
        self._store.save(anew)
        for event in [history.started(anew.name, raw_input, anew.version), *replayed.carried_events]:
            self._store.send(anew.id, event)

    def _fail(self, reason: str) -> None:
        extra = {"function": self._instance.name}
        _log.warning("instance %s failed: %s", self._instance.id, log.shorten(reason), extra=extra)
        self._end(Status.FAILED, json.dumps(reason))

    def _end(self, status: Status, output: str) -> None:
        ended = history.make(EventType.EXECUTION_COMPLETED, Result=output, OrchestrationStatus=status)
        self._store.append(self._instance.id, [*self._episode.new, ended])
        lifecycle.end(self._store, self._instance, status, output)

    def _schedule(self, decision: Decision) -> Event:
        if decision.fire_at is not None:
            return self._start_timer(decision.id, decision.fire_at)
        name, raw_input = str(decision.name), str(decision.input)
        if decision.kind is EventType.TASK_SCHEDULED:
            self._store.add_activity(self._instance, decision.id, name, raw_input)
            return history.make(decision.kind, event_id=decision.id, Name=name, Input=raw_input)
        return self._start_child(decision, name, raw_input)

    def _start_timer(self, timer: int, fire_at: datetime) -> Event:
        due = history.write_time(fire_at)
        fired = history.make(EventType.TIMER_FIRED, TimerId=timer, FireAt=due)
        self._send_self({**fired, "Timestamp": due}, due=fire_at.timestamp())
        return history.make(EventType.TIMER_CREATED, event_id=timer, FireAt=due)

    def _start_child(self, decision: Decision, name: str, raw_input: str) -> Event:
        child = decision.instance or f"{self._instance.execution}:{decision.id}"
        parent = Parent(instance=self._instance.id, execution=self._instance.execution, task=decision.id)
        fault = instances.find_fault(child)
        if fault is None and not lifecycle.begin(
            self._store, child, name, json.dumps(raw_input), version=decision.version, parent=parent
        ):
            fault = f"An instance with the id '{child}' is still running."
        if fault is not None:
            kind = EventType.SUB_ORCHESTRATION_FAILED
            self._send_self(history.make(kind, TaskScheduledId=decision.id, Reason=fault, Details=""))
        return history.make(decision.kind, event_id=decision.id, Name=name, InstanceId=child, Input=raw_input)

    def _send_self(self, event: Event, *, due: float | None = None) -> None:
        self._store.send(self._instance.id, event, execution=self._instance.execution, due=due)


def _is_not_start(event: Event) -> bool:
    return bool(event["EventType"] != EventType.EXECUTION_STARTED)


def _read_state(answer: str | BaseException) -> dict[str, Any]:
    text = answer if isinstance(answer, str) else _find_state(answer)
    try:
        return dict(json.loads(text))
    except ValueError:
        raise ReplayError("Out of proc orchestrators must return a valid JSON schema.") from None


def _find_state(error: BaseException) -> str:
    message, label, text = str(error).partition(_STATE_LABEL)
    if not label:
        raise ReplayError(f"{type(error).__name__}: {message}")
    return text
