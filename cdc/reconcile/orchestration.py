"""The durable orchestration of a reconcile: one for each container, which brings its run forward until it is over."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta

from cdc.core.durable import Client, Context, Steps, is_over

ORCHESTRATION = "reconcile"
ADVANCE = "reconcile_advance"
GIVE_UP = "reconcile_give_up"

# So many turns, and the history begins anew.
_TURNS = 50
_FAILURES_IN_A_ROW = 5
_PAUSE_SECONDS = 5.0
# An orchestration ends a moment after its run: one that still ends when the next run begins would leave that without.
_LOOKS = 20
_LOOK_SECONDS = 0.5


def reconcile(context: Context) -> Steps:
    """Bring the run of one container forward, and wait where it waits."""
    container = context.get_input()["container"]
    failures = 0
    for _ in range(_TURNS):
        turn = yield context.call_activity(ADVANCE, container)
        if turn["over"]:
            return
        failures = failures + 1 if turn["problem"] else 0
        if failures == _FAILURES_IN_A_ROW:
            yield context.call_activity(GIVE_UP, {"container": container, "problem": turn["problem"]})
            return
        seconds = _PAUSE_SECONDS * failures or turn["seconds"]
        if seconds:
            yield context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds))
    context.continue_as_new({"container": container})


async def start(client: Client, running: Mapping[str, bool]) -> None:
    """Start the orchestration of each container whose run has none.

    `running` tells of each container whether its run has just begun: an orchestration that is there may be that of the
    run before, and is given time to end.
    """
    await asyncio.gather(*(_start(client, name, _LOOKS if begun else 1) for name, begun in running.items()))


async def _start(client: Client, container: str, looks: int) -> None:
    instance = f"reconcile-{container}"
    # The SDK raises a bare Exception where another has just started the same one; the timer comes again.
    with contextlib.suppress(Exception):
        for look in range(looks):
            if look:
                await asyncio.sleep(_LOOK_SECONDS)
            if await is_over(client, instance):
                await client.start_new(ORCHESTRATION, instance, {"container": container})
                return
