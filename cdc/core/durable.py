"""What orchestrations use of Durable Functions, which the engine does not import."""

from collections.abc import Generator, Sequence
from datetime import datetime
from typing import Any, Protocol

Steps = Generator[Any, Any, Any]

_ENDED = ("Completed", "Failed", "Terminated", "Canceled", None)


class Context(Protocol):
    """What an orchestration is given; whatever it schedules is done when it is yielded."""

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


class Client(Protocol):
    """What starts orchestrations."""

    async def get_status(self, instance_id: str) -> Any:
        """Return how an orchestration is."""
        ...

    async def start_new(self, orchestration_function_name: str, instance_id: str, client_input: Any) -> str:
        """Start an orchestration."""
        ...


async def is_over(client: Client, instance_id: str) -> bool:
    """Tell whether an orchestration has ended, or is not there: then it has no status."""
    status = (await client.get_status(instance_id)).runtime_status
    return getattr(status, "value", status) in _ENDED
