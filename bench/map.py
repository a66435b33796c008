"""Map documents to rows, so many at a time before the rows are let go, without the collector as in a batch."""

import gc
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.deliveries import Deliveries
from bench.goals import Figure, report
from cdc.core.mapping import Mapper
from local.sample.values import Document
from mappers import MAPPERS

CHUNKS = (1, 10, 50, 1_000)


def run(documents: int, rounds: int, path: Path | None) -> int:
    """Print the rate by container and chunk size, in thousands of documents a second of this process."""
    created = {mapper: Deliveries(mapper, documents, seed=7).created for mapper in MAPPERS}
    rates: dict[tuple[Mapper[Any], int], list[float]] = {(mapper, chunk): [] for mapper in MAPPERS for chunk in CHUNKS}
    for _ in range(rounds):
        for mapper, chunk in random.sample(list(rates), len(rates)):
            rates[mapper, chunk].append(_measure(mapper, created[mapper], chunk))
    figures = [
        Figure(f"map_{mapper.container}_{chunk}", statistics.median(found)) for (mapper, chunk), found in rates.items()
    ]
    report(figures, {"documents": documents, "rounds": rounds, "unit": "1,000 documents a second of CPU"}, path)
    return 0


def _measure(mapper: Mapper[Any], documents: Sequence[Document], chunk: int) -> float:
    gc.collect()
    gc.disable()
    begun = time.process_time()
    for first in range(0, len(documents), chunk):
        _ = [mapper.map(document) for document in documents[first : first + chunk]]
    seconds = time.process_time() - begun
    gc.enable()
    return len(documents) / seconds / 1_000
