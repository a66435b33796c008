"""Two writers with newer and newer versions of the same documents, beside one writer."""

import multiprocessing
import random
import time
from multiprocessing.synchronize import Barrier
from typing import Any

from bench.database import Server
from cdc.core.documents import Change
from cdc.core.errors import TransientError
from cdc.core.feed_items import read_change
from cdc.postgres.database import Database
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from local.sample import PARTITION_KEYS
from local.sample.values import Document
from mappers.accounts import ACCOUNTS

_BATCH = 1_000
_BATCHES = 12


def measure_writers(server: Server, base: str, documents: list[Document]) -> tuple[float, int]:
    """Return how many times faster two writers are than one, and how many deadlocks they met."""
    rates = {}
    deadlocks = 0
    for writers in random.sample((1, 2), 2):
        with server.fresh(base) as meter:
            rates[writers] = _run(meter.dsn, writers, documents)
            deadlocks += meter.read("select deadlocks from pg_stat_database where datname = current_database()")
    return rates[2] / rates[1], deadlocks


def _run(dsn: str, writers: int, documents: list[Document]) -> float:
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(writers + 1)
    started = [spawn.Process(target=_write, args=(dsn, seed, documents, barrier)) for seed in range(writers)]
    for writer in started:
        writer.start()
    barrier.wait()
    begun = time.perf_counter()
    barrier.wait()
    seconds = time.perf_counter() - begun
    for writer in started:
        writer.join()
    return writers * _BATCH * _BATCHES / seconds


def _write(dsn: str, seed: int, documents: list[Document], barrier: Barrier) -> None:
    database = Database(dsn)
    sink = PostgresSink(database)
    chosen = random.Random(seed)
    _deliver(sink, documents[:_BATCH])
    barrier.wait()
    for _ in range(_BATCHES):
        _deliver(sink, chosen.sample(documents, _BATCH))
    barrier.wait()
    database.close()


def _deliver(sink: PostgresSink, documents: list[Document]) -> None:
    # Nanoseconds for seconds: whoever delivers later has the newer version.
    changes = [_newest(document, time.time_ns()) for document in documents]
    while True:
        try:
            replicate(ACCOUNTS, changes, sink)
        except TransientError:
            continue  # a deadlock: the server counts it
        return


def _newest(document: Document, now: int) -> Change:
    newer: dict[str, Any] = document | {"_ts": now, "_lsn": now, "DisplayName": str(now)}
    return read_change(ACCOUNTS.container, [PARTITION_KEYS[ACCOUNTS.container]], newer)
