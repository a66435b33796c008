"""The orchestrators of a backfill: plain generators, so that a replay of the same history takes the same steps.

How far a backfill is stands in PostgreSQL. Here is only who works next, so that a history stays short whatever the
containers hold, and so that nothing is lost with it.
"""

from collections.abc import Generator, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

# After so many activities the lanes end, the progress is shown, and the history begins anew.
_TURNS = 3

Steps = Generator[Any, Any, Any]


class Context(Protocol):
    """What an orchestrator may ask for."""

    @property
    def current_utc_datetime(self) -> datetime:
        """Return the time, the same in every replay."""
        ...

    def get_input(self) -> Any:
        """Return what the orchestration was started with."""
        ...

    def call_activity(self, name: str, input_: Any) -> Any:
        """Schedule an activity."""
        ...

    def call_sub_orchestrator(self, name: str, input_: Any) -> Any:
        """Schedule an orchestration."""
        ...

    def create_timer(self, fire_at: datetime) -> Any:
        """Schedule a timer."""
        ...

    def task_all(self, activities: Sequence[Any]) -> Any:
        """Wait for all of these."""
        ...

    def continue_as_new(self, input_: Any) -> Any:
        """Begin anew, with an empty history."""
        ...

    def set_custom_status(self, status: Any) -> None:
        """Show how far it is."""
        ...


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
