"""The durable orchestration of a reconcile: one for each container, which brings its run forward until it is over."""

import asyncio
import contextlib
from collections.abc import Generator, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

ORCHESTRATION = "reconcile"
ADVANCE = "reconcile_advance"
GIVE_UP = "reconcile_give_up"

# So many turns, and the history begins anew.
_TURNS = 50
_FAILURES_IN_A_ROW = 5
_PAUSE_SECONDS = 5.0
_ENDED = ("Completed", "Failed", "Terminated", "Canceled", None)
# An orchestration ends a moment after its run: one that still ends when the next run begins would leave that without.
_LOOKS = 20
_LOOK_SECONDS = 0.5


class Context(Protocol):
    """What an orchestration is given."""

    @property
    def current_utc_datetime(self) -> datetime:
        """Tell the time, the same in every replay."""
        ...

    def get_input(self) -> Any:
        """Return what the orchestration was started with."""
        ...

    def call_activity(self, name: str, input_: Any) -> Any:
        """Plan an activity."""
        ...

    def create_timer(self, fire_at: datetime) -> Any:
        """Plan to wait."""
        ...

    def continue_as_new(self, input_: Any) -> None:
        """Begin anew with another input."""
        ...


class Client(Protocol):
    """What starts orchestrations."""

    async def get_status(self, instance_id: str) -> Any:
        """Return how an orchestration is."""
        ...

    async def start_new(self, orchestration_function_name: str, instance_id: str, client_input: Any) -> str:
        """Start an orchestration."""
        ...


Steps = Generator[Any, Any, None]


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


async def start(client: Client, containers: Sequence[str], *, begun: bool = True) -> None:
    """Start the orchestration of each container whose own does not run.

    Where runs have just `begun`, one that runs may be that of the run before: it is given time to end.
    """
    await asyncio.gather(*(_start(client, container, _LOOKS if begun else 1) for container in containers))


async def _start(client: Client, container: str, looks: int) -> None:
    instance = f"reconcile-{container}"
    # The SDK raises a bare Exception where another has just started the same one; the timer comes again.
    with contextlib.suppress(Exception):
        for look in range(looks):
            if look:
                await asyncio.sleep(_LOOK_SECONDS)
            status = (await client.get_status(instance)).runtime_status
            if getattr(status, "value", status) in _ENDED:
                await client.start_new(ORCHESTRATION, instance, {"container": container})
                return
