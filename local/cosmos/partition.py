"""Keep the documents of one physical partition in the orders in which they are read."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from local.cosmos.log import Log
from local.cosmos.partition_key import PartitionKey
from local.cosmos.values import JsonObject

# A transaction writes all its documents under one LSN; its steps tell them apart. Partitions that merge have used the
# same LSNs: there are as many steps as a hundred transactions of a hundred writes need.
STEPS = 2**14


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
    step: int = 0

    @property
    def place(self) -> int:
        """Tell where the version stands in the order of all writes."""
        return self.lsn * STEPS + self.step

    def text(self) -> bytes:
        """Write the document as a read or a query returns it."""
        return self.open_text + b"}"

    def feed_text(self) -> bytes:
        """Write the document as the change feed returns it.

        One with an _lsn of its own then has two, as on the service; whoever reads JSON takes the last one, the feed's.
        https://github.com/Azure/azure-sdk-for-java/issues/18091
        """
        return b'%b,"_lsn":%d}' % (self.open_text, self.lsn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Hold what one write did: from nothing, to nothing, or from one version to the next."""

    before: Document | None
    after: Document | None
    lsn: int
    seconds: int
    expired: bool = False
    step: int = 0

    @property
    def place(self) -> int:
        """Tell where the change stands in the order of all writes."""
        return self.lsn * STEPS + self.step

    @property
    def key(self) -> PartitionKey:
        """Tell the logical partition."""
        return self.document.key

    @property
    def document(self) -> Document:
        """Tell the document that was written, or deleted."""
        document = self.after or self.before
        assert document is not None  # noqa: S101  a change has at least one of them
        return document


class PhysicalPartition:
    """Store the documents whose effective partition keys lie in one range, and count its writes."""

    def __init__(
        self, range_id: str, low: str, high: str, *, parents: tuple[str, ...] = (), lsn: int = 0, born: int = 0
    ) -> None:
        self.id = range_id
        self.low = low
        self.high = high
        self.parents = parents
        self.born = born
        self.lsn = lsn
        self.by_lsn: Log[Document] = Log()
        self.by_number: Log[Document] = Log()
        self.history: Log[Change] = Log()
        self._history_begins = [(low, high, lsn)]
        self._logical: dict[str, dict[str, Document]] = {}

    def find(self, key: PartitionKey, document_id: str) -> Document | None:
        """Find a document by its identity."""
        return self._logical.get(key.text, {}).get(document_id)

    def logical(self, key: PartitionKey) -> list[Document]:
        """List a logical partition's documents, first created first."""
        return sorted(self._logical.get(key.text, {}).values(), key=lambda document: document.number)

    def versions_after(self, lsn: int) -> Iterator[Document]:
        """Walk the newest versions that were written after an LSN."""
        return self.by_lsn.after(lsn * STEPS + STEPS - 1)

    def changes_after(self, lsn: int) -> Iterator[Change]:
        """Walk the changes after an LSN, as far as they are kept."""
        return self.history.after(lsn * STEPS + STEPS - 1)

    def apply(self, changes: list[Change], *, keep: bool) -> None:
        """Store what a transaction changed; `keep` its intermediate versions and deletes too."""
        for step, change in enumerate(changes):
            self.lsn = change.lsn
            if change.after is None:
                self._remove(change.document)
            else:
                self._put(replace(change.after, step=step))
            if keep:
                self.history.append(change.lsn * STEPS + step, replace(change, step=step))

    def rewrite(self, document: Document) -> None:
        """Show a version otherwise than it was written."""
        self.by_number.replace(document.number, document)
        self.by_lsn.replace(document.place, document)
        self._logical[document.key.text][document.id] = document
        change = self.history.get(document.place)
        if change is not None:
            self.history.replace(document.place, replace(change, after=document))

    def history_begins(self, low: str, high: str) -> int:
        """Tell after which LSN the changes between two effective partition keys are kept."""
        begins = (lsn for first, last, lsn in self._history_begins if first < high and low < last)
        return max(begins, default=0)

    def forget_history(self) -> None:
        """Begin to keep changes now."""
        self.history = Log()
        self._history_begins = [(self.low, self.high, self.lsn)]

    def split(self, ranges: list[tuple[str, str]], first_id: int, born: int) -> list["PhysicalPartition"]:
        """Divide the documents among children, which go on where this one stands and keep its LSNs."""
        children = [
            PhysicalPartition(
                str(first_id + index), low, high, parents=(*self.parents, self.id), lsn=self.lsn, born=born
            )
            for index, (low, high) in enumerate(ranges)
        ]
        for child in children:
            child._take(self)  # noqa: SLF001  of the same class
        return children

    @staticmethod
    def merge(left: "PhysicalPartition", right: "PhysicalPartition", range_id: str, born: int) -> "PhysicalPartition":
        """Join two neighbours; what they hold keeps its LSNs, and new writes get greater ones than either has used."""
        parents = tuple(dict.fromkeys((*left.parents, left.id, *right.parents, right.id)))
        lsn = max(left.lsn, right.lsn)
        merged = PhysicalPartition(range_id, left.low, right.high, parents=parents, lsn=lsn, born=born)
        merged._take(left, right)
        return merged

    def _take(self, *parents: "PhysicalPartition") -> None:
        self._history_begins = [each for parent in parents for each in parent._history_begins]  # noqa: SLF001
        place, lsn = attrgetter("place"), attrgetter("lsn")
        documents = heapq.merge(*(parent.by_lsn.after(0) for parent in parents), key=place)
        for number, written in groupby(filter(self._owns, documents), key=lsn):
            for step, document in enumerate(written):
                self.by_lsn.append(number * STEPS + step, replace(document, step=step))
        changes = heapq.merge(*(parent.history.after(0) for parent in parents), key=place)
        for number, changed in groupby(filter(self._owns, changes), key=lsn):
            for step, change in enumerate(changed):
                self.history.append(number * STEPS + step, replace(change, step=step))
        for document in sorted(self.by_lsn.after(0), key=attrgetter("number")):
            self.by_number.append(document.number, document)
            self._logical.setdefault(document.key.text, {})[document.id] = document

    def _owns(self, item: Document | Change) -> bool:
        return self.low <= item.key.epk < self.high

    def _put(self, document: Document) -> None:
        before = self.by_number.get(document.number)
        if before is None:
            self.by_number.append(document.number, document)
        else:
            self.by_number.replace(document.number, document)
            self.by_lsn.remove(before.place)
            if before.id != document.id:
                del self._logical[before.key.text][before.id]
        self._logical.setdefault(document.key.text, {})[document.id] = document
        self.by_lsn.append(document.place, document)

    def _remove(self, document: Document) -> None:
        documents = self._logical[document.key.text]
        stored = documents.pop(document.id)
        if not documents:
            del self._logical[document.key.text]
        self.by_number.remove(stored.number)
        self.by_lsn.remove(stored.place)
