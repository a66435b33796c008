"""The orchestrators of a backfill: plain generators, so that a replay of the same history takes the same steps.

How far a backfill is stands in PostgreSQL. Here is only who works next, so that a history stays short whatever the
containers hold, and so that nothing is lost with it.
"""

import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from cdc.core.documents import JsonObject
from cdc.core.durable import Client, Context, Steps, is_over

# After so many activities the lanes end, the progress is shown, and the history begins anew.
_TURNS = 3


async def start(client: Client, tasks: Sequence[JsonObject]) -> None:
    """Start the orchestration of each backfill that runs and has none; a task is its input, under the backfill's id."""
    for task in tasks:
        # The SDK raises a bare Exception where another has just started the same one; the timer comes again.
        with contextlib.suppress(Exception):
            if await is_over(client, task["id"]):
                await client.start_new("backfill", task["id"], task)


def backfill(context: Context) -> Steps:
    """Let lanes copy the feed ranges side by side, round after round, until nothing is left or it is stopped."""
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
    """Copy one feed range after the other; what fails for now is tried again after a while."""
    task = context.get_input()
    for _ in range(_TURNS):
        copied = yield context.call_activity("copy_pages", task)
        if copied["over"]:
            return
        if not copied["ok"]:
            yield _pause(context, task)


def _pause(context: Context, task: Any) -> Any:
    return context.create_timer(context.current_utc_datetime + timedelta(seconds=task["retry_seconds"]))
