"""Let a container do as much in a second as was offered for it."""

from collections.abc import Iterable

from local.cosmos import charges, scope
from local.cosmos.budget import Budget
from local.cosmos.container import Container
from local.cosmos.partition import PhysicalPartition
from local.cosmos.wire import Answer, Call

QUERY_PLAN = "x-ms-cosmos-is-query-plan-request"


class Throughput:
    """Hold the request units of a second, an equal share for each physical partition."""

    def __init__(self, units: int) -> None:
        self._units = units
        self._budgets: dict[str, Budget] = {}

    def check(self, container: Container, call: Call) -> None:
        """Raise 429 when a physical partition that the request is about has nothing left."""
        present = [partition.id for partition in container.partitions]
        if present != list(self._budgets):  # they have split or merged: the shares are others
            self._budgets = {range_id: Budget(self._units / len(present)) for range_id in present}
        if not call.flag(QUERY_PLAN):  # no physical partition is asked for it
            for partition in _asked(container, call):
                self._budgets[partition.id].check()

    def spend(self, answer: Answer) -> None:
        """Take what the request has cost from the physical partition that has answered it."""
        range_id = answer.headers.get("x-ms-documentdb-partitionkeyrangeid", "")
        if range_id in self._budgets:
            self._budgets[range_id].spend(float(answer.headers.get(charges.HEADER, charges.READ_UNITS)))


def _asked(container: Container, call: Call) -> Iterable[PhysicalPartition]:
    chosen = scope.of_range(container, call) or scope.of_key(container, call)
    return container.partitions if chosen is None else [chosen.partition]
