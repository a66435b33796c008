"""Begin and end instances."""

import json
import uuid
from dataclasses import replace

from local.functions.durable import history
from local.functions.durable.history import Event, EventType
from local.functions.durable.instances import Instance, Parent, Status
from local.functions.durable.store import Store


def begin(
    store: Store,
    instance_id: str,
    name: str,
    raw_input: str | None,
    *,
    version: str | None = None,
    parent: Parent | None = None,
) -> bool:
    """Create an instance in place of an ended one of its id, or say that one still runs."""
    existing = store.find(instance_id)
    if existing is not None and not existing.status.is_final:
        return False
    store.clear(instance_id)
    moment = history.now()
    instance = Instance(
        id=instance_id,
        execution=uuid.uuid4().hex,
        name=name,
        status=Status.PENDING,
        created=moment,
        updated=moment,
        input=raw_input,
        version=version,
        parent=parent,
    )
    store.save(instance)
    store.send(instance_id, history.started(name, raw_input, version))
    return True


def end(store: Store, instance: Instance, status: Status, output: str) -> None:
    """Give an instance its last state, and tell the parent that waits for it."""
    store.forget_messages(instance.id)
    store.save(replace(instance, status=status, output=output, updated=history.now()))
    parent = None if instance.parent is None else store.find(instance.parent.instance)
    if instance.parent is not None and parent is not None and not parent.status.is_final:
        event = _tell(instance.parent, status, output)
        store.send(parent.id, event, execution=instance.parent.execution)


def _tell(parent: Parent, status: Status, output: str) -> Event:
    if status is Status.COMPLETED:
        return history.make(EventType.SUB_ORCHESTRATION_COMPLETED, TaskScheduledId=parent.task, Result=output)
    reason = json.loads(output)
    return history.make(
        EventType.SUB_ORCHESTRATION_FAILED,
        TaskScheduledId=parent.task,
        Reason=reason,
        Details=json.dumps({"Message": reason}),
    )
