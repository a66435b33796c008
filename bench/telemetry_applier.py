"""One of the two processes of `python -m bench telemetry`: it applies a batch for each line that it reads."""

import gc
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

from opentelemetry import _logs, metrics, trace

from bench.deliveries import Deliveries, texts
from cdc.core.documents import JsonObject
from cdc.core.feed_items import FeedMode
from cdc.core.mapping import Mapper
from cdc.core.source_container import SourceContainer
from cdc.postgres.containers import ConfirmedSource, PostgresFeedStates
from cdc.postgres.database import Database
from cdc.replication.breaker import Breaker
from cdc.replication.delivery import Delivery
from cdc.replication.sink import PostgresSink
from cdc.telemetry import export, tracing
from local.sample import PARTITION_KEYS
from mappers.accounts import ACCOUNTS
from mappers.metrics import METRICS
from mappers.user_profiles import USER_PROFILES

BATCH = 1_000


class _Source:
    def confirm(self, container: str, _: Sequence[JsonObject] = ()) -> SourceContainer:
        return SourceContainer(container, "account", "rid", (PARTITION_KEYS[container],))


def main(dsn: str, documents: int) -> None:
    """Apply, batch by batch, and tell the seconds of CPU at the end."""
    # As the worker: rows of level INFO go to some stream.
    logging.basicConfig(level=logging.INFO, stream=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    otlp = bool(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"))
    export.start("bench", otlp=otlp, azure_monitor=None, logs=True, declared=METRICS)
    database = Database(dsn)
    breaker = Breaker(database, 50, lambda *_: None)
    source, states = cast("ConfirmedSource", _Source()), PostgresFeedStates(database)
    delivery = Delivery(FeedMode.LATEST_VERSION, source, states, PostgresSink(database), breaker, "for the benchmark")
    warm_up, *batches = _make_batches(documents)
    _apply(delivery, *warm_up)
    _flush()
    gc.collect()
    gc.freeze()
    begun = time.process_time()
    print(len(batches), flush=True)
    for line, batch in zip(sys.stdin, [*batches, None], strict=False):
        if line.strip() == "finish" or batch is None:
            break
        _apply(delivery, *batch)
        print("applied", flush=True)
    _flush()
    print(time.process_time() - begun, flush=True)


def _flush() -> None:
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()):
        getattr(provider, "force_flush", bool)()


def _make_batches(documents: int) -> Iterator[tuple[Mapper[Any], str]]:
    yield ACCOUNTS, texts(Deliveries(ACCOUNTS, BATCH, seed=9).created, BATCH)[0]
    mappers: tuple[Mapper[Any], ...] = (ACCOUNTS, USER_PROFILES)
    for mapper in mappers:
        deliveries = Deliveries(mapper, documents, seed=7)
        for found in (deliveries.created, deliveries.changed):
            for text in texts(found, BATCH):
                yield mapper, text


def _apply(delivery: Delivery, mapper: Mapper[Any], text: str) -> None:
    """Apply a batch as `function_app` does, in a trace of the host."""
    host = SimpleNamespace(trace_parent=f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-00", trace_state="")
    with tracing.continued(host):
        delivery.apply(mapper, json.loads(text))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
