"""Read which part of a container a request is about."""

from collections.abc import Iterator
from dataclasses import dataclass

from local.cosmos import epk
from local.cosmos.container import Container
from local.cosmos.partition import Change, Document, PhysicalPartition
from local.cosmos.partition_key import PartitionKey
from local.cosmos.wire import Call


@dataclass(frozen=True, slots=True)
class Scope:
    """Name a physical partition, or the part of it between two effective partition keys, or one logical partition."""

    partition: PhysicalPartition
    low: str = epk.LOWEST
    high: str = epk.HIGHEST
    key: PartitionKey | None = None

    def holds(self, item: Document | Change) -> bool:
        """Tell whether a document, or a change, of the physical partition lies within."""
        if self.key is not None:
            return item.key == self.key
        return self.low <= item.key.epk < self.high

    @property
    def history_begins(self) -> int:
        """Tell after which LSN the changes within are kept."""
        if self.key is not None:
            return self.partition.history_begins(self.key.epk, f"{self.key.epk}0")
        return self.partition.history_begins(self.low, self.high)

    def documents(self, after: int) -> Iterator[Document]:
        """Walk the documents within, in the order of their numbers."""
        if self.key is not None:
            return (document for document in self.partition.logical(self.key) if document.number > after)
        return (document for document in self.partition.by_number.after(after) if self.holds(document))


def of_range(container: Container, call: Call) -> Scope | None:
    """Read the physical partition and the part of it that the request names."""
    range_id = call.header("x-ms-documentdb-partitionkeyrangeid")
    if range_id is None:
        return None
    # The SDK may prefix the container's resource id.
    partition = container.partition_named(range_id.rpartition(",")[2])
    low = call.header("x-ms-start-epk") or epk.LOWEST
    high = call.header("x-ms-end-epk") or epk.HIGHEST
    return Scope(partition, low.upper(), high.upper())


def of_key(container: Container, call: Call) -> Scope | None:
    """Read the logical partition that the request names."""
    header = call.header("x-ms-documentdb-partitionkey")
    if header is None:
        return None
    key = container.definition.from_header(header)
    return Scope(container.partition_of(key.epk), key=key)
