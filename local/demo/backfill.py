"""Have the app copy what was there before, and watch it."""

import time
from collections.abc import Iterator
from typing import Any

from local.operator import Operator
from local.patience import PATIENCE_SECONDS
from local.stack import Stack, StackError

_REFRESH_SECONDS = 0.2


def copy(stack: Stack) -> Iterator[dict[str, Any]]:
    """Start a backfill of all containers and yield how far it is, again and again until it is over."""
    operator = Operator(stack.functions.url, stack.functions_key)
    path = f"backfills/{_start(operator)}"
    while (progress := _ask(operator, "GET", path))["state"] == "running":
        yield progress
        time.sleep(_REFRESH_SECONDS)
    yield progress


def _start(operator: Operator) -> str:
    """Ask for a backfill until it may begin: a feed of all versions has to be read first."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return str(_ask(operator, "POST", "backfills", {"unlimited": True})["id"])
        except StackError as error:
            if "has not begun" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(_REFRESH_SECONDS)


def describe(progress: dict[str, Any]) -> str:
    """Say what a backfill has done."""
    totals = progress["totals"]
    text = f"Backfill completed in {len(progress['containers'])} containers: {totals['applied']} documents copied"
    if totals["parked"]:
        text += f", {totals['parked']} parked"
    # The change feed has delivered these before the backfill read them.
    return f"{text}, {totals['stale']} skipped because they were already up to date" if totals["stale"] else text


def _ask(operator: Operator, method: str, path: str, body: object = None) -> Any:
    status, answer = operator.ask(method, path, body)
    if status >= 400:
        raise StackError(f"{method} api/{path} answered {status}: {answer}")
    return answer
