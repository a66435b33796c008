"""Write and find the documents of one container."""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any

from local.cosmos import epk, errors, partition_key, rid, values
from local.cosmos.partition import Document, PhysicalPartition
from local.cosmos.partition_key import PartitionKey
from local.cosmos.values import JsonObject

LONGEST_ID = 1023
SYSTEM_PROPERTIES = frozenset({"_rid", "_self", "_etag", "_attachments", "_ts", "_lsn"})

Clock = Callable[[], float]


class Container:
    """Hold a container's properties, its physical partitions and, through them, its documents."""

    def __init__(self, properties: JsonObject, *, partitions: int, clock: Clock) -> None:
        self.properties = properties
        self.rid: str = properties["_rid"]
        self.path = partition_key.split_path(properties["partitionKey"]["paths"][0])
        self.partitions = [
            PhysicalPartition(str(index), low, high) for index, (low, high) in enumerate(epk.boundaries(partitions))
        ]
        self._clock = clock
        self._numbers = 0

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

    def create(self, key: PartitionKey, value: JsonObject) -> Document:
        """Store a document that must not exist."""
        self._check(key, value)
        if self.partition_of(key.epk).find(key, value["id"]):
            raise errors.conflict("The document's id is taken in its logical partition.")
        return self._write(key, value, before=None)

    def upsert(self, key: PartitionKey, value: JsonObject, *, if_match: str | None) -> tuple[Document, bool]:
        """Store a document whether it exists or not, and tell whether it is new."""
        self._check(key, value)
        before = self.partition_of(key.epk).find(key, value["id"])
        if before is not None:
            _check_etag(before, if_match)
        return self._write(key, value, before=before), before is None

    def replace(self, key: PartitionKey, document_id: str, value: JsonObject, *, if_match: str | None) -> Document:
        """Store a new version of a document that must exist."""
        before = self.read(key, document_id)
        _check_etag(before, if_match)
        self._check(key, value)
        if value["id"] != document_id:
            raise errors.bad_request("The id of a document cannot be changed.")
        return self._write(key, value, before=before)

    def delete(self, key: PartitionKey, document_id: str, *, if_match: str | None) -> PhysicalPartition:
        """Delete a document that must exist."""
        document = self.read(key, document_id)
        _check_etag(document, if_match)
        partition = self.partition_of(key.epk)
        partition.remove(document)
        return partition

    def _check(self, key: PartitionKey, value: JsonObject) -> None:
        _check_id(value.get("id"))
        if partition_key.from_document(value, self.path) != key:
            raise errors.bad_request(
                "PartitionKey extracted from document doesn't match the one specified in the header.",
                substatus=errors.PARTITION_KEY_MISMATCH,
            )

    def _write(self, key: PartitionKey, value: JsonObject, *, before: Document | None) -> Document:
        partition = self.partition_of(key.epk)
        number = before.number if before else self._next_number()
        document_rid = before.rid if before else rid.of_document(self.rid, number)
        seconds = int(self._clock())
        stored = {
            **_without_system_properties(value),
            "_rid": document_rid,
            "_self": f"{self.properties['_self']}docs/{document_rid}/",
            "_etag": rid.new_etag(seconds),
            "_attachments": "attachments/",
            "_ts": seconds,
        }
        document = Document(
            number=number,
            id=stored["id"],
            rid=document_rid,
            key=key,
            etag=stored["_etag"],
            ts=seconds,
            lsn=partition.next_lsn(),
            value=stored,
            open_text=values.render(stored)[:-1],
        )
        partition.put(document)
        return document

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers


def _without_system_properties(value: Mapping[str, Any]) -> JsonObject:
    return {name: item for name, item in value.items() if name not in SYSTEM_PROPERTIES}


def _check_etag(document: Document, if_match: str | None) -> None:
    if if_match not in (None, "*", document.etag):
        raise errors.precondition_failed()


def _check_id(document_id: Any) -> None:
    if document_id is None:
        raise errors.bad_request("The input content is invalid because the required properties - 'id; ' - are missing.")
    if not isinstance(document_id, str) or not document_id:
        raise errors.bad_request("The id of a document must be a string that is not empty.")
    if len(document_id.encode("utf-8", "surrogatepass")) > LONGEST_ID or any(sign in document_id for sign in "/\\?#"):
        raise errors.bad_request("The id of a document has at most 1023 bytes and none of the characters / \\ ? #.")
