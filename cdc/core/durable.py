"""The interface of Durable Functions that orchestrations use; the engine does not import the library."""

import asyncio
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

from cdc.core.errors import TransientError

Steps = Generator[Any, Any, Any]

_ENDED = ("Completed", "Failed", "Terminated", "Canceled", None)


class Context(Protocol):
    """The context of an orchestration; a scheduled task runs when the orchestration yields it."""

    @property
    def current_utc_datetime(self) -> datetime:
        """Return the current time; every replay gets the same value."""
        ...

    def get_input(self) -> Any:
        """Return the input of the orchestration."""
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
        """Wait for all of these tasks."""
        ...

    def continue_as_new(self, input_: Any) -> Any:
        """Restart the orchestration with an empty history."""
        ...

    def set_custom_status(self, status: Any) -> None:
        """Show the progress."""
        ...


class Client(Protocol):
    """Starts orchestrations."""

    async def get_status(self, instance_id: str) -> Any:
        """Return the status of an orchestration."""
        ...

    async def start_new(self, orchestration_function_name: str, instance_id: str, client_input: Any) -> str:
        """Start an orchestration."""
        ...


async def is_over(client: Client, instance_id: str) -> bool:
    """Return whether an orchestration has ended or does not exist; one that does not exist has no status."""
    status = (await client.get_status(instance_id)).runtime_status
    return getattr(status, "value", status) in _ENDED


async def start_missing(client: Client, name: str, inputs: Mapping[str, Any]) -> None:
    """Start the orchestrations of these instance ids that do not run; raise TransientError after all if any failed."""
    starts = [_start(client, name, instance_id, input_) for instance_id, input_ in inputs.items()]
    failed = [it for it in await asyncio.gather(*starts, return_exceptions=True) if it is not None]
    if failed:
        raise TransientError(
            f"The host did not start {len(failed)} of {len(inputs)} orchestrations {name}: {type(failed[0]).__name__}.",
            detail=str(failed[0]),
        )


async def _start(client: Client, name: str, instance_id: str, input_: Any) -> None:
    if not await is_over(client, instance_id):
        return
    # The SDK raises a bare Exception, also if another process has just started it.
    with suppress(Exception):
        await client.start_new(name, instance_id, input_)
        return
    if await is_over(client, instance_id):
        raise TransientError(f"The host refuses to start an orchestration {name}.")
