"""The orchestrators of a backfill: plain generators, so that every replay of a history takes the same steps.

The progress of a backfill is in PostgreSQL. The orchestrators only decide what runs next: a history stays short, and
losing it loses no progress.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from cdc.core.documents import JsonObject
from cdc.core.durable import Client, Context, Steps, start_missing
from cdc.core.errors import TransientError

# After this many activities the lanes end, the progress is shown, and the history starts empty again.
_TURNS = 3


async def start(client: Client, tasks: Sequence[JsonObject]) -> None:
    """Start the missing orchestrations after a request; if that fails, the timer starts them."""
    with suppress(TransientError):
        await restart(client, tasks)


async def restart(client: Client, tasks: Sequence[JsonObject]) -> None:
    """Start the missing orchestrations of running backfills; a task is the input and has the backfill's id."""
    await start_missing(client, "backfill", {task["id"]: task for task in tasks})


def backfill(context: Context) -> Steps:
    """Copy the feed ranges in parallel lanes, round after round, until the backfill is complete or stopped."""
    task = context.get_input()
    plan = yield context.call_activity("plan_backfill", task)
    if "progress" in plan:
        context.set_custom_status(plan["progress"])
    if plan["over"]:
        return plan["progress"]
    task = {**task, "generation": plan["generation"]}
    if plan["ok"]:
        lanes = [context.call_sub_orchestrator("copy_ranges", {**task, "lane": n}) for n in range(plan["lanes"])]
        yield context.task_all(lanes)
    else:
        yield _pause(context, task)
    context.continue_as_new(task)
    return None


def copy_ranges(context: Context) -> Steps:
    """Copy one feed range after the other; wait and try again after a failure."""
    task = context.get_input()
    for _ in range(_TURNS):
        copied = yield context.call_activity("copy_pages", task)
        if copied["over"]:
            return
        if not copied["ok"]:
            yield _pause(context, task)


def _pause(context: Context, task: Any) -> Any:
    return context.create_timer(context.current_utc_datetime + timedelta(seconds=task["retry_seconds"]))
