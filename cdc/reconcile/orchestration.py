"""The durable orchestration of a reconcile: one per container; it advances the run until it is over."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from datetime import timedelta

from cdc.core.durable import Client, Context, Steps, is_over, start_missing

ORCHESTRATION = "reconcile"
ADVANCE = "reconcile_advance"
GIVE_UP = "reconcile_give_up"

# After this many turns the history starts empty again.
_TURNS = 50
_FAILURES_IN_A_ROW = 5
_PAUSE_SECONDS = 5.0
_FAILED = {
    "over": False,
    "seconds": 0.0,
    "problem": "The reconcile failed with an unexpected error: search the log of reconcile_advance for it.",
}
# An orchestration ends a moment after its run. Check several times, or the next run would get no orchestration.
_LOOKS = 20
_LOOK_SECONDS = 0.5


def reconcile(context: Context) -> Steps:
    """Advance the run of one container, and wait when it must settle."""
    container = context.get_input()["container"]
    failures = 0
    for _ in range(_TURNS):
        try:
            turn = yield context.call_activity(ADVANCE, container)
        except Exception:  # noqa: BLE001 - the SDK raises no other class; the run would stay `running` for ever
            turn = _FAILED
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


async def restart(client: Client, containers: Iterable[str]) -> None:
    """Start the missing orchestrations of running reconciles, one for each of these containers."""
    await start_missing(client, ORCHESTRATION, {_instance(each): {"container": each} for each in containers})


async def start(client: Client, running: Mapping[str, bool], *, waits: bool = True) -> None:
    """Start the missing orchestrations after a request; if that fails, the timer starts them.

    `running` has for each container whether its run has just begun. Then an existing orchestration may belong to the
    run before, and gets time to end.
    """
    await asyncio.gather(*(_start(client, name, _LOOKS if begun and waits else 1) for name, begun in running.items()))


async def _start(client: Client, container: str, looks: int) -> None:
    instance = _instance(container)
    # The SDK raises a bare Exception if another process has just started it; the timer tries again anyway.
    with contextlib.suppress(Exception):
        for look in range(looks):
            if look:
                await asyncio.sleep(_LOOK_SECONDS)
            if await is_over(client, instance):
                await client.start_new(ORCHESTRATION, instance, {"container": container})
                return


def _instance(container: str) -> str:
    return f"reconcile-{container}"
