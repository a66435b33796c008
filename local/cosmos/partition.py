"""Keep the documents of one physical partition in the orders in which they are read."""

from dataclasses import dataclass

from local.cosmos.log import Log
from local.cosmos.partition_key import PartitionKey
from local.cosmos.values import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Hold one version of a document, ready to be sent."""

    number: int
    id: str
    rid: str
    key: PartitionKey
    etag: str
    ts: int
    lsn: int
    value: JsonObject
    open_text: bytes  # without the closing brace, so that the change feed can add the LSN

    def text(self) -> bytes:
        """Write the document as a read or a query returns it."""
        return self.open_text + b"}"

    def feed_text(self) -> bytes:
        """Write the document as the change feed returns it."""
        return b'%b,"_lsn":%d}' % (self.open_text, self.lsn)


class PhysicalPartition:
    """Store the documents whose effective partition keys lie in one range, and count its writes."""

    def __init__(self, range_id: str, low: str, high: str) -> None:
        self.id = range_id
        self.low = low
        self.high = high
        self.lsn = 0
        self.by_lsn: Log[Document] = Log()
        self.by_number: Log[Document] = Log()
        self._logical: dict[str, dict[str, Document]] = {}

    def find(self, key: PartitionKey, document_id: str) -> Document | None:
        """Find a document by its identity."""
        return self._logical.get(key.text, {}).get(document_id)

    def logical(self, key: PartitionKey) -> list[Document]:
        """List a logical partition's documents, first created first."""
        return list(self._logical.get(key.text, {}).values())

    def next_lsn(self) -> int:
        """Count a write."""
        self.lsn += 1
        return self.lsn

    def put(self, document: Document) -> None:
        """Store a document's new version in the place of the one before."""
        documents = self._logical.setdefault(document.key.text, {})
        before = documents.get(document.id)
        if before is None:
            self.by_number.append(document.number, document)
        else:
            self.by_number.replace(document.number, document)
            self.by_lsn.remove(before.lsn)
        documents[document.id] = document
        self.by_lsn.append(document.lsn, document)

    def remove(self, document: Document) -> None:
        """Delete a document; the change feed forgets it."""
        self.next_lsn()
        documents = self._logical[document.key.text]
        del documents[document.id]
        if not documents:
            del self._logical[document.key.text]
        self.by_number.remove(document.number)
        self.by_lsn.remove(document.lsn)
