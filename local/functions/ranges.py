"""Know the physical partitions of a container, as the SDK knows them."""

from dataclasses import dataclass
from typing import Any

from azure.cosmos import ContainerProxy
from azure.cosmos._routing.routing_range import Range

# SDK-internal: its public feed ranges do not say which physical partition they are.
_CONTAINER_RID = "containerRID"


@dataclass(frozen=True, slots=True)
class PartitionRange:
    """Hold the id of a physical partition and the range of effective partition keys in it."""

    id: str
    low: str
    high: str


class PartitionRanges:
    """Find the physical partitions of one container in the routing map that the SDK keeps."""

    def __init__(self, container: ContainerProxy, rid: str) -> None:
        self._container = container
        self._rid = rid

    def read(self, low: str = "", high: str = "FF") -> list[PartitionRange]:
        """Ask the service which physical partitions overlap a range."""
        self._container.client_connection.refresh_routing_map_provider()
        return self.find(low, high)

    def find(self, low: str, high: str) -> list[PartitionRange]:
        """Return what the last request left known: the SDK learns of a split or a merge from a 410."""
        provider: Any = self._container.client_connection._routing_map_provider  # noqa: SLF001  see above
        wanted = Range(low, high, True, False)  # type: ignore[no-untyped-call]
        found = provider.get_overlapping_ranges(self._container.container_link, [wanted], {_CONTAINER_RID: self._rid})
        return [PartitionRange(each["id"], each["minInclusive"], each["maxExclusive"]) for each in found]
