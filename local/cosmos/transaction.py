"""Write documents of one logical partition: all of a transaction's writes are stored, or none."""

from collections.abc import Mapping
from typing import Any

from local.cosmos import errors, expiry, patch, rid, values
from local.cosmos.conditions import ALWAYS, Condition
from local.cosmos.container import Container
from local.cosmos.partition import Change, Document
from local.cosmos.partition_key import PartitionKey
from local.cosmos.values import JsonObject

LONGEST_ID = 1023
# Not _lsn, which only the change feed adds: a document may have one of its own.
SYSTEM_PROPERTIES = frozenset({"_rid", "_self", "_etag", "_attachments", "_ts"})


class Transaction:
    """Collect writes under one LSN; nobody else sees them before they are committed."""

    def __init__(self, container: Container, key: PartitionKey) -> None:
        self._container = container
        self._key = key
        self.partition = container.partition_of(key.epk)
        self._lsn = self.partition.lsn + 1
        self._seconds = int(container.clock())
        self._pending: dict[str, Document | None] = {}
        self._changes: list[Change] = []

    def commit(self) -> None:
        """Store everything that was written."""
        self._container.store(self.partition, self._changes)
        self._changes = []

    def find(self, document_id: str) -> Document | None:
        """Find a document as this transaction sees it."""
        if document_id in self._pending:
            return self._pending[document_id]
        return self.partition.find(self._key, document_id)

    def read(self, document_id: str) -> Document:
        """Read a document that must exist."""
        document = self.find(document_id)
        if document is None:
            raise errors.not_found("The document was not found.")
        return document

    def create(self, value: JsonObject) -> Document:
        """Write a document that must not exist."""
        self._check(value)
        if self.find(value["id"]):
            raise errors.conflict("The document's id is taken in its logical partition.")
        return self._write(value, before=None)

    def upsert(self, value: JsonObject, condition: Condition = ALWAYS) -> tuple[Document, bool]:
        """Write a document whether it exists or not, and tell whether it is new."""
        self._check(value)
        before = self.find(value["id"])
        condition.check(before.etag if before else None)
        return self._write(value, before=before), before is None

    def replace(self, document_id: str, value: JsonObject, condition: Condition = ALWAYS) -> Document:
        """Write a new version of a document that must exist."""
        before = self.read(document_id)
        condition.check(before.etag)
        self._check(value)
        if value["id"] != document_id and self.find(value["id"]):
            raise errors.conflict("The document's new id is taken in its logical partition.")
        return self._write(value, before=before)

    def patch(self, document_id: str, body: Any, condition: Condition = ALWAYS) -> Document:
        """Write what a patch makes of a document that must exist."""
        before = self.read(document_id)
        condition.check(before.etag)
        value = patch.apply(before.value, body)
        self._check(value)
        if value["id"] != document_id:
            raise errors.bad_request("The id of a document cannot be patched.")
        return self._write(value, before=before)

    def delete(self, document_id: str, condition: Condition = ALWAYS, *, expired: bool = False) -> Document:
        """Remove a document that must exist."""
        before = self.read(document_id)
        condition.check(before.etag)
        self._changes.append(Change(before=before, after=None, lsn=self._lsn, seconds=self._seconds, expired=expired))
        self._pending[document_id] = None
        return before

    def _check(self, value: JsonObject) -> None:
        _check_id(value.get("id"))
        expiry.check(value)
        if self._container.definition.from_document(value) != self._key:
            raise errors.bad_request(
                "PartitionKey extracted from document doesn't match the one specified in the header.",
                substatus=errors.PARTITION_KEY_MISMATCH,
            )

    def _write(self, value: JsonObject, *, before: Document | None) -> Document:
        document = self._document(value, before)
        self._changes.append(Change(before=before, after=document, lsn=self._lsn, seconds=self._seconds))
        if before is not None and before.id != document.id:
            self._pending[before.id] = None
        self._pending[document.id] = document
        return document

    def _document(self, value: JsonObject, before: Document | None) -> Document:
        number = before.number if before else self._container.next_number()
        document_rid = before.rid if before else rid.of_document(self._container.rid, number)
        stored = {
            **_without_system_properties(value),
            "_rid": document_rid,
            "_self": f"{self._container.properties['_self']}docs/{document_rid}/",
            "_etag": rid.new_etag(self._seconds),
            "_attachments": "attachments/",
            "_ts": self._seconds,
        }
        return Document(
            number=number,
            id=stored["id"],
            rid=document_rid,
            key=self._key,
            etag=stored["_etag"],
            ts=self._seconds,
            lsn=self._lsn,
            value=stored,
            open_text=values.render(stored)[:-1],
        )


def expire(container: Container) -> None:
    """Delete what has expired."""
    for document in container.expired():
        transaction = Transaction(container, document.key)
        transaction.delete(document.id, expired=True)
        transaction.commit()


def _without_system_properties(value: Mapping[str, Any]) -> JsonObject:
    return {name: item for name, item in value.items() if name not in SYSTEM_PROPERTIES}


def _check_id(document_id: Any) -> None:
    if document_id is None:
        raise errors.bad_request("The input content is invalid because the required properties - 'id; ' - are missing.")
    if not isinstance(document_id, str) or not document_id:
        raise errors.bad_request("The id of a document must be a string that is not empty.")
    # The service takes every character, also those that no path carries; only the SDKs refuse them, and not all do:
    # https://github.com/Azure/azure-cosmos-dotnet-v3/issues/2606
    if len(document_id.encode("utf-8", "surrogatepass")) > LONGEST_ID:
        raise errors.bad_request(
            "The id of a document is too long. Ensure to provide a unique non-empty string less than '1024' characters."
        )
