"""Find the durable functions of an app, and refuse those that cannot run."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from local.functions.app import Function
from local.functions.durable.history import EventType
from local.functions.durable.replay import ReplayError
from local.functions.errors import HostError

_NAME_OPTION = {"orchestrationTrigger": "orchestration", "activityTrigger": "activity"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableFunctions:
    """Hold orchestrators and activities by name, whatever its case."""

    orchestrators: dict[str, Function] = field(default_factory=dict)
    activities: dict[str, Function] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Return how many there are."""
        return len(self.orchestrators) + len(self.activities)

    def orchestrator(self, name: str) -> Function:
        """Return an orchestrator that must exist."""
        return _find(self.orchestrators, name, "orchestrator")

    def activity(self, name: str) -> Function:
        """Return an activity that must exist."""
        return _find(self.activities, name, "activity")

    def check(self, kind: EventType, name: str) -> None:
        """Refuse a call of a function that does not exist."""
        if kind is EventType.TASK_SCHEDULED:
            self.activity(name)
        else:
            self.orchestrator(name)


def find(functions: Sequence[Function], hub_name: str) -> DurableFunctions | None:
    """Return the durable functions of an app, if it has any or a client of them."""
    found = DurableFunctions()
    by_type = {"orchestrationTrigger": found.orchestrators, "activityTrigger": found.activities}
    clients = [function for function in functions if _check_clients(function, hub_name)]
    for function in functions:
        kind = function.trigger["type"]
        if kind in by_type:
            name = str(function.trigger.get(_NAME_OPTION[kind]) or function.name)
            _add(by_type[kind], name, function)
    return found if found.orchestrators or found.activities or clients else None


def _check_clients(function: Function, hub_name: str) -> bool:
    clients = [binding for binding in function.bindings if binding["type"] == "durableClient"]
    for client in clients:
        other = client.get("taskHub") or hub_name
        if other != hub_name:
            raise HostError(
                f"function {function.name}: its client names the task hub {other}, this host has {hub_name}"
            )
    return bool(clients)


def _add(known: dict[str, Function], name: str, function: Function) -> None:
    if name.casefold() in known:
        raise HostError(f"function {function.name}: another durable function has the name {name}")
    known[name.casefold()] = function


def _find(known: dict[str, Function], name: str, kind: str) -> Function:
    function = known.get(name.casefold())
    if function is None:
        names = ", ".join(f"'{found.name}'" for found in known.values()) or "none"
        raise ReplayError(
            f"The function '{name}' doesn't exist, is disabled, or is not an {kind} function."
            f" The following are the known {kind} functions: {names}."
        )
    return function
