"""Write the demo's documents to Cosmos, as an application would: first what is there before the app, then changes."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from local.sample import Sample, Source
from local.stack import Stack

DOCUMENTS = 1_000
CHANGES_PER_SECOND = 20


@dataclass
class Writer:
    """Write documents, then changes in a thread of its own, and count what was written."""

    sample: Sample = field(default_factory=lambda: Sample(seed=1))
    copied: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    documents: Counter[str] = field(default_factory=Counter)
    writes: int = 0
    doing: str = ""

    def preload(self, source: Source) -> None:
        """Write documents that are there before the app."""
        for container, document in self.sample.create(DOCUMENTS):
            self.documents[container] += 1
            self._write(source, container, document)

    def run(self, stack: Stack) -> None:
        """Write a poison document, then change documents until it is stopped."""
        source = stack.open_source()
        self.doing = "writing one poison document: an account whose CreatedAt is not a date"
        self.documents["Accounts"] += 1
        self._write(source, *self.sample.poison())
        self.doing = f"changing documents, {CHANGES_PER_SECOND} a second"
        while not self.stopped.wait(1 / CHANGES_PER_SECOND):
            self._write(source, *self.sample.change())
        source.close()

    def _write(self, source: Source, container: str, document: dict[str, Any]) -> None:
        source.write(container, document)
        self.writes += 1
