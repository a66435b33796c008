"""Batches of documents as JSON texts, the way the trigger delivers them."""

import copy
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

from cdc.core.feed_items import read_change
from cdc.core.mapping import Mapper
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from local.sample import PARTITION_KEYS, Sample
from local.sample.values import Document

TS = 1_770_000_000


class Deliveries:
    """New documents of one container, and a newer version of each of them."""

    def __init__(self, mapper: Mapper[Any], count: int, seed: int) -> None:
        self.mapper = mapper
        sample = Sample(seed, containers=(mapper.container,))
        created = [copy.deepcopy(document) for _, document in sample.create(count)]
        self.created = [_as_delivered(document, number, 0) for number, document in enumerate(created)]
        self.changed = [_as_delivered(document, number, 1) for number, document in enumerate(self._change(sample))]
        # The feed has the order of the changes, not that of the creations.
        random.Random(seed).shuffle(self.changed)

    def _change(self, sample: Sample) -> Iterator[Document]:
        for created in tuple(sample.documents):
            sample.documents = [created]
            yield sample.change()[1]

    def weigh(self) -> int:
        """Return the bytes of a document, on average."""
        return round(len(json.dumps(self.created).encode()) / len(self.created))


def texts(documents: Sequence[Document], batch: int) -> list[str]:
    """Cut documents into batches of JSON text."""
    return [json.dumps(documents[first : first + batch]) for first in range(0, len(documents), batch)]


def apply(mapper: Mapper[Any], sink: PostgresSink, text: str) -> int:
    """Apply one batch as the trigger's function does; return how many documents were written."""
    paths = [PARTITION_KEYS[mapper.container]]
    changes = [read_change(mapper.container, paths, document) for document in json.loads(text)]
    return replicate(mapper, changes, sink).applied


def _as_delivered(document: Document, number: int, age: int) -> Document:
    return document | {
        "_rid": f"{number:08x}AAAAAAAAAAA==",
        "_self": f"dbs/aXRzQQ==/colls/aXRzQUFBQUE=/docs/{number:08x}AAAAAAAAAAA==/",
        "_etag": f'"{number:08x}-0000-0d00-0000-{TS + age:x}0000"',
        "_attachments": "attachments/",
        "_ts": TS + age,
        "_lsn": 1 + age,
    }
