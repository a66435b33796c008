"""Apply batches end to end, beside a COPY of prebuilt text (the floor) and the application's own pattern."""

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.contest import Contest, Key
from bench.database import SETTINGS, Cost, serve
from bench.goals import Figure, report
from bench.writers import measure_writers
from mappers.accounts import ACCOUNTS
from mappers.user_profiles import USER_PROFILES

LEAST_TIMES_BASELINE = 20
_CONTAINERS = (ACCOUNTS.container, USER_PROFILES.container)
_OVER_FLOOR = {
    (10_000, "insert"): 2.6, (10_000, "update"): 3.6, (10_000, "replay"): 1.0,
    (1_000, "insert"): 3.5, (1_000, "update"): 4.2, (1_000, "replay"): 1.3,
    (100, "insert"): 5.0, (100, "update"): 5.8, (100, "replay"): 2.2,
}  # fmt: skip
_TIMES_BASELINE = {100: None, 1_000: 25.0, 10_000: 25.0}
_FLOOR: Key = ("floor", "insert")
_JSON: Key = ("json", "insert")
_INSERT: Key = (10_000, "insert")
_WRITES = ("insert", "update")

Round = dict[tuple[str, Key], Cost]


def run(documents: int, rounds: int, path: Path | None) -> int:
    """Print every figure beside its goal; return 1 when the pattern is not beaten clearly enough."""
    with serve() as server:
        contests = [Contest(server, mapper, documents) for mapper in (ACCOUNTS, USER_PROFILES)]
        for contest in contests:
            print(f"{documents} documents of {contest.container}, {contest.deliveries.weigh()} bytes each", flush=True)
        gc.collect()
        gc.freeze()  # the collector must not walk the benchmark's own documents in the time of whoever it interrupts
        measured = [_measure(contests) for _ in range(rounds)]
        accounts = contests[0]
        writers = [measure_writers(server, accounts.base, accounts.deliveries.created) for _ in range(rounds)]
    figures = [*_figures(measured), *_writer_figures(writers)]
    about = {"documents": documents, "rounds": rounds, "postgres": {"fsync": "on", **SETTINGS}}
    report(figures, about, path)
    times = next(figure.value for figure in figures if figure.key == "times_baseline_1000")
    return 0 if times >= LEAST_TIMES_BASELINE else 1


def _measure(contests: Sequence[Contest]) -> Round:
    methods = [(contest.container, method) for contest in contests for method in contest.methods()]
    random.shuffle(methods)
    found = {(container, key): cost for container, method in methods for key, cost in method()}
    print(f"a round ended at {time.strftime('%H:%M:%S')}", flush=True)
    return found


def _figures(rounds: Sequence[Round]) -> Iterator[Figure]:
    for (batch, phase), goal in _OVER_FLOOR.items():
        ratio = _Ratio(rounds, lambda cost: cost.wall, [(batch, phase)], [_FLOOR])
        yield ratio.figure(f"{phase}_{batch}_over_floor", at_most=goal)
    backend = _Ratio(rounds, lambda cost: cost.backend, [_INSERT], [_FLOOR])
    yield backend.figure("insert_backend_cpu_over_floor", at_most=1.7)
    yield _Ratio(rounds, lambda cost: cost.client, [_INSERT], [_JSON]).figure("client_cpu_over_json_loads", at_most=3.5)
    replay: list[Key] = [(10_000, "replay")]
    wal = _Ratio(rounds, lambda cost: cost.wal, replay, [])
    yield wal.figure("replay_wal_bytes_per_document", at_most=40)
    for batch, times in _TIMES_BASELINE.items():
        pattern: list[Key] = [("pattern", phase) for phase in _WRITES]
        ours: list[Key] = [(batch, phase) for phase in _WRITES]
        yield _Ratio(rounds, lambda cost: cost.wall, pattern, ours).figure(f"times_baseline_{batch}", at_least=times)


class _Ratio:
    """One measure of some work over that of other work, in each round; without other work, over its documents."""

    def __init__(
        self, rounds: Sequence[Round], measure: Callable[[Cost], float], over: Sequence[Key], under: Sequence[Key]
    ) -> None:
        self._rounds = rounds
        self._measure = measure
        self._over = over
        self._under = under

    def figure(self, key: str, *, at_most: float | None = None, at_least: float | None = None) -> Figure:
        """Take the median of the rounds, of all containers together and of each."""
        parts = {name: self._median([name]) for name in _CONTAINERS}
        return Figure(key, self._median(_CONTAINERS), at_most, at_least, parts)

    def _median(self, names: Sequence[str]) -> float:
        return statistics.median(
            self._sum(found, names, self._over) / (self._sum(found, names, self._under) if self._under else len(names))
            for found in self._rounds
        )

    def _sum(self, found: Round, names: Sequence[str], keys: Sequence[Key]) -> float:
        costs = [found[name, key] for name in names for key in keys]
        return sum(self._measure(cost) / cost.documents for cost in costs)


def _writer_figures(writers: Sequence[tuple[float, int]]) -> Iterator[Figure]:
    rates, deadlocks = zip(*writers, strict=True)
    yield Figure("two_writers_over_one", statistics.median(rates), at_least=1.5)
    yield Figure("two_writers_deadlocks", sum(deadlocks), at_most=0)
