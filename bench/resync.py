"""Measure a resync of one document against the SDK's point read of it: one after another, and eight at once."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.goals import Figure, report
from bench.sessions import CONTAINER, fill, find_account
from local.cosmos.auth import EMULATOR_KEY
from local.operator import Operator
from local.postgres import Postgres
from local.sample import DATABASE, Source
from local.stack import Part, make_settings, prepare

AT_ONCE = 8
WARM_UP = 20
# The app as it is deployed, with a feed that brings nothing.
_SETTINGS = {
    "CHANGE_FEED_START": "2099-01-01T00:00:00Z",
    "FEED_POLL_DELAY_MS": "5000",
    "MAINTAIN_SCHEDULE": "*/10 * * * * *",
}

Ask = Callable[[int], None]


def run(documents: int, path: Path | None) -> int:
    """Print medians and 95th percentiles in milliseconds, and the ratio of the medians."""
    with _running(documents + WARM_UP) as (operator, source):
        read, missed, known = _read(source), _resync(operator, "applied"), _resync(operator, "already_applied")
        for number in range(documents, documents + WARM_UP):
            for ask in (read, missed, known):
                ask(number)
        halves = {1: range(documents // 2), AT_ONCE: range(documents // 2, documents)}
        figures = [
            figure for lanes, numbers in halves.items() for figure in _measure(lanes, numbers, read, missed, known)
        ]
    report(figures, {"documents": documents, "unit": "ms"}, path)
    return 0


def _measure(lanes: int, numbers: Sequence[int], read: Ask, missed: Ask, known: Ask) -> Iterator[Figure]:
    """Ask for each document in three ways, a few documents at a time, so that all ways meet the same machine."""
    ways = {"read": read, "missed": missed, "known": known}
    spent: dict[str, list[float]] = {name: [] for name in ways}
    with ThreadPoolExecutor(lanes) as threads:
        for first in range(0, len(numbers), 5 * AT_ONCE):
            for name, ask in ways.items():
                spent[name] += threads.map(_time(ask), numbers[first : first + 5 * AT_ONCE])
    for name in ("missed", "known"):
        ratio = statistics.median(spent[name]) / statistics.median(spent["read"])
        parts = _describe("", spent[name]) | _describe("read ", spent["read"])
        yield Figure(f"{name}, {lanes} at once", ratio, parts=parts)


def _describe(name: str, seconds: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=20)
    return {f"{name}median": 1000 * statistics.median(seconds), f"{name}p95": 1000 * cuts[-1]}


def _time(ask: Ask) -> Callable[[int], float]:
    def measure(number: int) -> float:
        begun = time.perf_counter()
        ask(number)
        return time.perf_counter() - begun

    return measure


def _read(source: Source) -> Ask:
    container = source.containers[CONTAINER]

    def ask(number: int) -> None:
        container.read_item(f"session-{number}", find_account(number))

    return ask


def _resync(operator: Operator, expected: str) -> Ask:
    def ask(number: int) -> None:
        result = operator.resync(CONTAINER, f"session-{number}", find_account(number))
        if result != expected:
            raise SystemExit(f"resync: {result} instead of {expected}")

    return ask


@contextmanager
def _running(documents: int) -> Iterator[tuple[Operator, Source]]:
    with ExitStack() as ends:
        postgres = ends.enter_context(Postgres(durable=True))
        cosmos = Part(["local.cosmos", "--physical-partitions", "2"], {})
        ends.callback(cosmos.stop)
        connection = f"AccountEndpoint={cosmos.url};AccountKey={EMULATOR_KEY};"
        settings = make_settings(connection, postgres.dsn()) | _SETTINGS
        fill(connection, documents)
        prepare(settings)
        state = ends.enter_context(tempfile.TemporaryDirectory())
        host = Part(["local.functions", "--key", "key", "--state", state], settings)
        ends.callback(host.stop)
        source = Source.open(connection, DATABASE)
        ends.callback(source.close)
        yield Operator(host.url, "key"), source
