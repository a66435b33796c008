"""Do what clients of a task hub ask for: start, ask, raise events, suspend, resume, end, purge, restart, rewind."""

import json
import uuid
from collections.abc import Callable
from dataclasses import replace

from local.functions.durable import history, instances, lifecycle
from local.functions.durable.declared import DurableFunctions
from local.functions.durable.history import Event, EventType
from local.functions.durable.instances import Instance, Status
from local.functions.durable.replay import ReplayError
from local.functions.durable.store import Store

_REWOUND = {EventType.TASK_FAILED, EventType.SUB_ORCHESTRATION_FAILED}


class RequestError(Exception):
    """Carry the HTTP status of a refusal, and its reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Client:
    """Change the instances of a task hub, and wake the host for it."""

    def __init__(self, store: Store, functions: DurableFunctions, wake: Callable[[], None]) -> None:
        self._store = store
        self._functions = functions
        self._wake = wake

    def start(self, name: str, instance_id: str | None, raw_input: str | None, version: str | None = None) -> str:
        """Start an orchestration and return its id."""
        chosen = instance_id or uuid.uuid4().hex
        fault = instances.find_fault(chosen)
        if fault is not None:
            raise RequestError(400, fault)
        try:
            self._functions.orchestrator(name)
        except ReplayError as error:
            raise RequestError(400, str(error)) from None
        with self._store.transaction():
            if not lifecycle.begin(self._store, chosen, name, raw_input, version=version):
                raise RequestError(
                    409, f"An Orchestration instance with the id {chosen} already exists and is running."
                )
        self._wake()
        return chosen

    def find(self, instance_id: str) -> Instance:
        """Return an instance that must exist."""
        instance = self._store.find(instance_id)
        if instance is None:
            raise RequestError(404, f"No instance with ID '{instance_id}' found.")
        return instance

    def history(self, instance_id: str) -> list[Event]:
        """Return the history of an instance."""
        return self._store.history(instance_id)

    def query(self, matches: Callable[[Instance], bool]) -> list[Instance]:
        """Return the instances that match, the oldest first."""
        return [instance for instance in self._store.all() if matches(instance)]

    def raise_event(self, instance_id: str, name: str, raw_data: str) -> None:
        """Leave an event for a running instance."""
        with self._store.transaction():
            self._find_running(instance_id)
            self._store.send(instance_id, history.make(EventType.EVENT_RAISED, Name=name, Input=raw_data))
        self._wake()

    def suspend(self, instance_id: str) -> None:
        """Let an instance read no more messages."""
        self._set_status(instance_id, Status.SUSPENDED)

    def resume(self, instance_id: str) -> None:
        """Let a suspended instance go on."""
        self._set_status(instance_id, Status.RUNNING, only=Status.SUSPENDED)

    def terminate(self, instance_id: str, reason: str) -> None:
        """End an instance; its children and activities go on."""
        with self._store.transaction():
            instance = self._find_running(instance_id)
            output = json.dumps(reason)
            self._store.append(instance_id, [history.make(EventType.EXECUTION_TERMINATED, Input=output)])
            lifecycle.end(self._store, instance, Status.TERMINATED, output)
        self._wake()

    def purge(self, instance_id: str) -> int:
        """Delete an instance that has ended, and return how many that were."""
        with self._store.transaction():
            instance = self.find(instance_id)
            if not instance.status.is_final:
                raise RequestError(412, f"Only ended orchestrations can be purged, {instance_id} is {instance.status}.")
            self._store.delete(instance_id)
        return 1

    def purge_all(self, matches: Callable[[Instance], bool]) -> int:
        """Delete the ended instances that match, and return how many that were."""
        with self._store.transaction():
            found = [instance for instance in self.query(matches) if instance.status.is_final]
            for instance in found:
                self._store.delete(instance.id)
        return len(found)

    def restart(self, instance_id: str, *, with_new_id: bool) -> str:
        """Start an orchestration again with its first input."""
        instance = self._store.find(instance_id)
        if instance is None:
            raise RequestError(404, f"No instance with ID '{instance_id}' found.")
        return self.start(instance.name, None if with_new_id else instance_id, instance.input, instance.version)

    def rewind(self, instance_id: str) -> None:
        """Let a failed instance run what failed once more, in failed children too."""
        with self._store.transaction():
            instance = self.find(instance_id)
            if instance.status is not Status.FAILED:
                raise RequestError(410, "Only failed orchestrations can be rewound.")
            self._rewind(instance)
        self._wake()

    def _rewind(self, instance: Instance) -> None:
        past = self._store.history(instance.id)
        failed = {event["TaskScheduledId"] for event in past if event["EventType"] in _REWOUND}
        for event in past:
            if event["EventType"] == EventType.SUB_ORCHESTRATION_CREATED and event["EventId"] in failed:
                child = self._store.find(event["InstanceId"])
                if child is not None and child.status is Status.FAILED:
                    self._rewind(child)
        self._store.delete_history(instance.id)
        self._store.append(instance.id, [event for event in past if not _is_undone(event, failed)])
        self._store.save(replace(instance, status=Status.RUNNING, output=None, updated=history.now()))
        self._store.send(instance.id, history.make(EventType.GENERIC, Data="Rewound"))

    def _set_status(self, instance_id: str, status: Status, *, only: Status | None = None) -> None:
        with self._store.transaction():
            instance = self._find_running(instance_id)
            if only is None or instance.status is only:
                self._store.save(replace(instance, status=status, updated=history.now()))
        self._wake()

    def _find_running(self, instance_id: str) -> Instance:
        instance = self.find(instance_id)
        if instance.status.is_final:
            raise RequestError(410, f"The instance {instance_id} has ended.")
        return instance


def _is_undone(event: Event, failed: set[int]) -> bool:
    kind = event["EventType"]
    # A failed activity is scheduled again; a failed child is asked to go on.
    return kind in {*_REWOUND, EventType.EXECUTION_COMPLETED} or (
        kind == EventType.TASK_SCHEDULED and event["EventId"] in failed
    )
