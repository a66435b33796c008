"""The ways to write one container's documents that `python -m bench apply` compares."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from bench.database import Cost, Meter, Server
from bench.deliveries import Deliveries, apply, texts
from bench.pattern import Pattern
from cdc.core.mapping import Mapper
from cdc.postgres.database import Database
from cdc.replication.sink import PostgresSink

BATCHES = (100, 1_000, 10_000)
_PHASES = ("insert", "update", "replay")
_BASE = 20_000
# The application's pattern is slow: its rate is that of one document in so many.
_PATTERN_PART = 5

# "floor", "json", "pattern" or the size of our batches; and "insert", "update" or "replay".
Key = tuple[str | int, str]


class Contest:
    """One container: its documents, a database with as many others, and the ways to write them."""

    def __init__(self, server: Server, mapper: Mapper[Any], documents: int) -> None:
        self._server = server
        self._mapper = mapper
        self.container = mapper.container
        self.deliveries = Deliveries(mapper, documents, seed=7)
        self._warm_up = Deliveries(mapper, 2_500, seed=9)
        self.base = server.make_template(partial(_fill, Deliveries(mapper, _BASE, seed=8)))
        self._floor = self._build_floor()

    def methods(self) -> list[Callable[[], Iterator[tuple[Key, Cost]]]]:
        """Return everything to measure in one round."""
        ours = [partial(self._measure_ours, batch) for batch in BATCHES]
        return [self._measure_floor, self._measure_json, self._measure_pattern, *ours]

    def _build_floor(self) -> list[bytes]:
        with self._server.fresh() as meter:
            _fill(self.deliveries, meter.dsn)
            return [meter.copy_out(table) for table in self._mapper.tables]

    def _measure_floor(self) -> Iterator[tuple[Key, Cost]]:
        texts = list(zip(self._mapper.tables, self._floor, strict=True))
        with self._server.fresh(self.base) as meter, meter.measure(len(self.deliveries.created)) as costs:
            meter.copy_in(texts)
        yield ("floor", "insert"), costs[0]

    def _measure_json(self) -> Iterator[tuple[Key, Cost]]:
        (text,) = texts(self.deliveries.created, len(self.deliveries.created))
        with self._server.fresh() as meter, meter.measure(len(self.deliveries.created)) as costs:
            json.loads(text)
        yield ("json", "insert"), costs[0]

    def _measure_pattern(self) -> Iterator[tuple[Key, Cost]]:
        count = len(self.deliveries.created) // _PATTERN_PART
        with self._server.fresh(self.base) as meter:
            pattern = Pattern(meter.dsn, self._mapper)
            for text in texts(self._warm_up.created[:100], 100):
                pattern.apply(text)
            yield from self._measure_phases("pattern", meter, count, 1_000, pattern.apply)
            pattern.close()

    def _measure_ours(self, batch: int) -> Iterator[tuple[Key, Cost]]:
        with self._server.fresh(self.base) as meter:
            database = Database(meter.dsn)
            deliver = partial(apply, self._mapper, PostgresSink(database))
            for documents in (self._warm_up.created, self._warm_up.changed):
                for text in texts(documents, min(batch, 1_000)):
                    deliver(text)
            yield from self._measure_phases(batch, meter, len(self.deliveries.created), batch, deliver)
            database.close()

    def _measure_phases(
        self, method: str | int, meter: Meter, count: int, batch: int, deliver: Callable[[str], object]
    ) -> Iterator[tuple[Key, Cost]]:
        created, changed = self.deliveries.created[:count], self.deliveries.changed[:count]
        for phase, documents in zip(_PHASES, (created, changed, changed), strict=True):
            delivered = texts(documents, batch)
            with meter.measure(count) as costs:
                for text in delivered:
                    deliver(text)
            yield (method, phase), costs[0]


def _fill(deliveries: Deliveries, dsn: str) -> None:
    database = Database(dsn)
    for text in texts(deliveries.created, 1_000):
        apply(deliveries.mapper, PostgresSink(database), text)
    database.close()
