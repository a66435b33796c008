"""Keep one container: its properties, its physical partitions and, through them, its documents."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

from local.cosmos import errors, rid
from local.cosmos.clock import Clock
from local.cosmos.expiry import Expiries
from local.cosmos.partition import Change, Document, PhysicalPartition
from local.cosmos.partition_key import Definition, PartitionKey
from local.cosmos.values import JsonObject


class Container:
    """Hold a container's properties and its physical partitions in the order of their ranges."""

    def __init__(self, properties: JsonObject, *, partitions: int, clock: Clock) -> None:
        self.properties = properties
        self.rid: str = properties["_rid"]
        self.definition = Definition(properties["partitionKey"])
        self.partitions = [
            PhysicalPartition(str(index), low, high)
            for index, (low, high) in enumerate(self.definition.boundaries(partitions))
        ]
        self.clock = clock
        self.generation = 0
        self._numbers = 0
        self._ranges = partitions
        self._expiries = Expiries(properties.get("defaultTtl"))

    @property
    def retention(self) -> int | None:
        """Tell for how many minutes all versions and deletes are kept, None when they are not."""
        policy: Any = self.properties.get("changeFeedPolicy") or {}
        return policy.get("retentionDuration") or None

    def documents(self) -> Iterable[Document]:
        """Walk all documents."""
        return (document for partition in self.partitions for document in partition.by_number.after(0))

    def partition_of(self, effective_key: str) -> PhysicalPartition:
        """Find the physical partition that owns an effective partition key."""
        return self.partitions[bisect_right(self.partitions, effective_key, key=lambda partition: partition.low) - 1]

    def partition_named(self, range_id: str) -> PhysicalPartition:
        """Find a physical partition by its id."""
        for partition in self.partitions:
            if partition.id == range_id:
                return partition
        message = f"The requested partition key range {range_id} is gone."
        raise errors.CosmosError(410, message, substatus=errors.PARTITION_KEY_RANGE_GONE)

    def read(self, key: PartitionKey, document_id: str) -> Document:
        """Read a document that must exist."""
        document = self.partition_of(key.epk).find(key, document_id)
        if document is None:
            raise errors.not_found("The document was not found.")
        return document

    def with_rid(self, document_rid: str) -> Document:
        """Find a document by its resource id."""
        number = rid.document_number(document_rid)
        for partition in self.partitions:
            document = partition.by_number.get(number)
            if document is not None and document.rid == document_rid:
                return document
        raise errors.not_found("The document was not found.")

    def next_number(self) -> int:
        """Count a document that is created."""
        self._numbers += 1
        return self._numbers

    def store(self, partition: PhysicalPartition, changes: list[Change]) -> None:
        """Make a transaction's changes visible."""
        partition.apply(changes, keep=self.retention is not None)
        self._expiries.add(change.after for change in changes if change.after is not None)

    def expired(self) -> Iterable[Document]:
        """Walk the documents whose time to live has run out, each once."""
        return self._expiries.due(self.clock(), self._is_current)

    def replace(self, properties: JsonObject) -> None:
        """Take new properties; what is kept and what expires follows them."""
        retained = self.retention
        self.properties = properties
        self._expiries = Expiries(properties.get("defaultTtl"))
        self._expiries.add(self.documents())
        if retained is None:
            for partition in self.partitions:
                partition.forget_history()

    def split(self, range_id: str, pieces: int = 2) -> list[PhysicalPartition]:
        """Divide a physical partition's range equally among children that take its place."""
        if pieces < 2:
            raise ValueError("a split makes two pieces or more")
        parent = self.partition_named(range_id)
        ranges = self.definition.cut(parent.low, parent.high, pieces)
        self.generation += 1
        children = parent.split(ranges, self._ranges, self.generation)
        self._ranges += pieces
        place = self.partitions.index(parent)
        self.partitions = [*self.partitions[:place], *children, *self.partitions[place + 1 :]]
        return children

    def merge(self, range_id: str) -> PhysicalPartition:
        """Join a physical partition and the next one; another takes the place of both."""
        left = self.partition_named(range_id)
        place = self.partitions.index(left)
        if left is self.partitions[-1]:
            raise ValueError(f"the physical partition {range_id} is the last one and has no next one")
        self.generation += 1
        merged = PhysicalPartition.merge(left, self.partitions[place + 1], str(self._ranges), self.generation)
        self._ranges += 1
        self.partitions = [*self.partitions[:place], merged, *self.partitions[place + 2 :]]
        return merged

    def grow(self, count: int) -> bool:
        """Split until there are `count` physical partitions; tell whether there were fewer."""
        present = [partition.id for partition in self.partitions]
        if count <= len(present):
            return False
        share, more = divmod(count, len(present))
        for index, range_id in enumerate(present):
            pieces = share + (index < more)
            if pieces > 1:
                self.split(range_id, pieces)
        return True

    def _is_current(self, document: Document) -> bool:
        stored = self.partition_of(document.key.epk).find(document.key, document.id)
        return stored is not None and stored.etag == document.etag
