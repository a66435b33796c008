"""Batches of documents as JSON texts, the way the trigger delivers them."""

import copy
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

from cdc.feed import read_change
from cdc.model import Mapper
from cdc.replicate import replicate
from cdc.sink import PostgresSink
from local.sample import Document, Sample

TS = 1_770_000_000
PATHS = ("/id",)


class Deliveries:
    """New documents of one container, and a newer version of each of them."""

    def __init__(self, mapper: Mapper[Any], count: int, seed: int) -> None:
        self.mapper = mapper
        sample = Sample(seed)
        self.created = [_as_delivered(document, 0) for document in _create(sample, mapper.container, count)]
        self.changed = [_as_delivered(document, 1) for document in self._change(sample)]
        # The feed has the order of the changes, not that of the creations.
        random.Random(seed).shuffle(self.changed)

    def _change(self, sample: Sample) -> Iterator[Document]:
        for document in self.created:
            sample.documents = [(self.mapper.container, copy.deepcopy(document))]
            yield sample.change()[1]

    def weigh(self) -> int:
        """Return the bytes of a document, on average."""
        return round(len(json.dumps(self.created).encode()) / len(self.created))


def texts(documents: Sequence[Document], batch: int) -> list[str]:
    """Cut documents into batches of JSON text."""
    return [json.dumps(documents[first : first + batch]) for first in range(0, len(documents), batch)]


def apply(mapper: Mapper[Any], sink: PostgresSink, text: str) -> int:
    """Apply one batch as the trigger's function does; return how many documents were written."""
    changes = [read_change(mapper.container, PATHS, document) for document in json.loads(text)]
    return replicate(mapper, changes, sink).applied


def _create(sample: Sample, container: str, count: int) -> Iterator[Document]:
    left = count
    while left:
        for name, document in sample.create(4 * left):
            if name == container and left:
                left -= 1
                yield copy.deepcopy(document)


def _as_delivered(document: Document, age: int) -> Document:
    number = int(document["id"][:8], 16)
    return document | {
        "_rid": f"{number:08x}AAAAAAAAAAA==",
        "_self": f"dbs/aXRzQQ==/colls/aXRzQUFBQUE=/docs/{number:08x}AAAAAAAAAAA==/",
        "_etag": f'"{number:08x}-0000-0d00-0000-{TS + age:x}0000"',
        "_attachments": "attachments/",
        "_ts": TS + age,
        "_lsn": 1 + age,
    }
