"""Copy containers while they change and while things break, then compare both sides."""

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any

import psycopg
from azure.cosmos.exceptions import CosmosHttpResponseError

from campaigns import pauses
from campaigns.application import Application, Sample
from campaigns.mystira import MYSTIRA
from campaigns.stage import KEY, Stage, StuckError, running, wait_until
from local.freezing import frozen, frozen_postgres
from local.operator import Operator
from local.patience import PATIENCE_SECONDS
from local.roles import find_powerful_sessions
from local.sample import DATABASE, Source
from local.sample.values import Document

PAGE_SIZE = 100
CHANGE_PAUSE_SECONDS = 0.02
# Reading the account is never refused, and is one request of eight: so a third of all requests is.
REFUSED_SHARE = 0.42
# Everything that goes wrong does so between these parts of the copy.
FIRST, LAST = 0.02, 0.9
_OUTCOMES = ("applied", "stale", "undecided", "parked", "unmapped")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is copied, and what goes wrong."""

    documents: int = 20_000
    kills: int = 10
    pauses: int = 3
    stills: int = 3
    outage_seconds: float = 10.0
    pause_seconds: float = 5.0


@dataclass(slots=True)
class Result:
    """Count what a campaign did, and keep what was wrong."""

    kills: int = 0
    outages: int = 0
    stills: int = 0
    splits: int = 0
    merges: int = 0
    pauses: int = 0
    refused: int = 0
    requests: int = 0
    changes: int = 0
    read: int = 0
    ranges: int = 0
    parked: int = 0
    seconds: float = 0
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.outages} outages, {self.stills} stills, {self.splits} splits, "
            f"{self.merges} merges, {self.pauses} pauses, "
            f"{self.refused} of {self.requests} requests refused, {self.changes} changes, "
            f"{self.read} documents read in {self.ranges} ranges and {self.seconds:.0f} s, "
            f"{self.parked} parked, {len(self.differences)} differences"
        )


class Writer:
    """Change documents as an application would, delete some, and write them again a while later."""

    def __init__(self, source: Source, sample: Sample, seed: str) -> None:
        self._source, self._sample = source, sample
        self._dice = random.Random(seed)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.changes = 0
        self.error: Exception | None = None

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End with every document written."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._change()
        except Exception as error:  # noqa: BLE001 - the campaign reports it
            self.error = error

    def _change(self) -> None:
        deleted: list[tuple[str, Document]] = []
        while not self._ended.wait(CHANGE_PAUSE_SECONDS):
            if self._dice.random() < 0.2:
                deleted.append(self._sample.delete())
                _insist(self._source.delete, *deleted[-1])
            elif deleted and self._dice.random() < 0.3:
                self._write_again(deleted.pop(0))
            else:
                _insist(self._source.write, *self._sample.change())
            self.changes += 1
        # The latest-version feed tells nobody of a delete: what stays deleted is for a reconcile to find.
        for each in deleted:
            self._write_again(each)

    def _write_again(self, deleted: tuple[str, Document]) -> None:
        _insist(self._source.write, *deleted)
        self._sample.documents.append(deleted)
        self.changes += 1


def _insist(do: Callable[..., object], *arguments: object) -> None:
    """Do something until it is not refused; the SDK itself tries ten times."""
    while True:
        try:
            do(*arguments)
        except CosmosHttpResponseError as error:
            if error.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                raise
        else:
            return


def run(seed: int, application: Application) -> int:
    """Print one line and return 1 when anything was wrong."""
    result = play(str(seed), Plan(), application)
    if result.refused * 3 < result.requests:
        result.differences.append("less than a third of all requests were refused")
    print(*result.differences[:20], f"backfill {seed}: {result}", sep="\n", flush=True)
    return 1 if result.differences else 0


def play(seed: str, plan: Plan, application: Application = MYSTIRA) -> Result:
    """Copy once, while everything goes wrong at moments that the seed chooses, and compare."""
    result, sample = Result(), application.make_sample(int(seed), application.containers)
    with running(application) as stage:
        _begin(stage, sample, plan)
        with Writer(stage.source, sample, seed) as writer:
            _copy(stage, seed, plan, writer, result)
    return result


def _begin(stage: Stage, sample: Sample, plan: Plan) -> None:
    """Write what is there before the app, and start the app when requests are refused."""
    for document in sample.create(plan.documents):
        stage.source.write(*document)
    begun = datetime.now(UTC).isoformat()
    stage.controls.ask("DELETE", "counters")
    stage.controls.ask("POST", "throttle", times=10**9, share=REFUSED_SHARE)
    stage.add_host(CHANGE_FEED_START=begun)


def _copy(stage: Stage, seed: str, plan: Plan, writer: Writer, result: Result) -> None:
    begun = time.monotonic()
    backfill = _ask(stage, "backfills", {"unlimited": True, "page_size": PAGE_SIZE, "max_parallel_ranges": 4})["id"]
    _break_things(stage, plan, random.Random(seed), result)
    wait_until(lambda: _state(stage, backfill) == "completed", f"the backfill {backfill} is over", PATIENCE_SECONDS)
    result.seconds = time.monotonic() - begun
    writer.stop()
    if writer.error is not None:
        raise writer.error
    _count_requests(stage, result)
    stage.controls.ask("POST", "clear")
    with suppress(StuckError):
        wait_until(lambda: not stage.compare().differences, "both sides are equal", PATIENCE_SECONDS)
    _count(stage, backfill, writer, result)
    result.differences += [str(each) for each in stage.compare().differences]
    result.differences += [*pauses.find_skipped(stage.dsn), *_check_counters(plan, result)]
    result.differences += find_powerful_sessions(stage.dsn)


def _break_things(stage: Stage, plan: Plan, dice: random.Random, result: Result) -> None:
    """Do each of them when so much is copied."""
    steps: list[Callable[[], None]] = [lambda: _kill(stage, result)] * plan.kills
    for what in ("host", "cosmos", "postgres"):
        steps += [partial(_freeze, stage, what, plan, result)] * plan.stills
    steps += [lambda: _outage(stage, plan, result), lambda: _split(stage, dice, result), lambda: _merge(stage, result)]
    steps += [lambda: _pause(stage, plan, dice, result)] * plan.pauses
    dice.shuffle(steps)
    for part, step in zip(sorted(dice.uniform(FIRST, LAST) for _ in steps), steps, strict=True):
        wait_until(partial(_is_copied, stage, part * plan.documents), f"{part:.0%} are copied", PATIENCE_SECONDS)
        step()


def _is_copied(stage: Stage, documents: float) -> bool:
    with suppress(psycopg.Error):
        return stage.count("select sum(read) from cdc.backfill_range") >= documents
    return False


def _kill(stage: Stage, result: Result) -> None:
    (host,) = stage.hosts
    host.kill()
    stage.restart(host)
    result.kills += 1


def _freeze(stage: Stage, what: str, plan: Plan, result: Result) -> None:
    parts = {"host": stage.hosts[0], "cosmos": stage.cosmos}
    with frozen(parts[what].pid) if what in parts else frozen_postgres(stage.postgres):
        time.sleep(plan.outage_seconds)
    result.stills += 1


def _outage(stage: Stage, plan: Plan, result: Result) -> None:
    stage.postgres.stop(keep_data=True)
    time.sleep(plan.outage_seconds)
    stage.postgres.start()
    result.outages += 1


def _split(stage: Stage, dice: random.Random, result: Result) -> None:
    for container in stage.application.partition_keys:
        place = {"database": DATABASE, "container": container}
        ids = stage.controls.ask("POST", "ranges", **place)["ranges"]
        stage.controls.ask("POST", "split", **place, range_id=dice.choice(ids))
    result.splits += 1


def _merge(stage: Stage, result: Result) -> None:
    """Merge the last two partitions of each container, whether it has split before or splits afterwards."""
    for container in stage.application.partition_keys:
        place = {"database": DATABASE, "container": container}
        ids = stage.controls.ask("POST", "ranges", **place)["ranges"]
        stage.controls.ask("POST", "merge", **place, range_id=ids[-2])
    result.merges += 1


def _pause(stage: Stage, plan: Plan, dice: random.Random, result: Result) -> None:
    """Let a container rest; the backfill goes on with the others."""
    (host,) = stage.hosts
    container = dice.choice(stage.application.containers)
    tables = stage.application.tables[container]
    operator, seconds = Operator(host.url, KEY), plan.pause_seconds
    result.differences += pauses.rest(lambda: operator, stage.dsn, container, tables, lambda: time.sleep(seconds))
    result.pauses += 1


def _ask(stage: Stage, path: str, body: object = None) -> Any:
    """Ask the app; with a body, by POST. Raises OSError when it refuses, or does not answer."""
    (host,) = stage.hosts
    status, answer = Operator(host.url, KEY).ask("GET" if body is None else "POST", path, body)
    if status >= HTTPStatus.BAD_REQUEST:
        raise OSError(f"api/{path} answers {status}: {answer}")
    return answer


def _state(stage: Stage, backfill: str) -> str:
    with suppress(OSError):
        return str(_ask(stage, f"backfills/{backfill}")["state"])
    return ""


def _count_requests(stage: Stage, result: Result) -> None:
    counts = stage.controls.ask("GET", "counters").values()
    result.requests = sum(count["requests"] for count in counts)
    result.refused = sum(count["refused"] for count in counts)


def _count(stage: Stage, backfill: str, writer: Writer, result: Result) -> None:
    found = _ask(stage, f"backfills/{backfill}")
    result.changes = writer.changes
    result.read = sum(each["read"] for each in found["ranges"])
    result.ranges = len(found["ranges"])
    result.parked = stage.count("select count(*) from cdc.dead_letter")
    if found["totals"]["read"] != sum(found["totals"][name] for name in _OUTCOMES):
        result.differences.append("the totals do not add up to the documents that were read")


def _check_counters(plan: Plan, result: Result) -> list[str]:
    """A document comes once, and once more where it was changed: a page that a kill has cost was not counted."""
    most = plan.documents + result.changes
    if result.read > most:
        return [f"{result.read} documents were read, which is more than {most}"]
    # What was changed may have come through the live feed alone.
    least = plan.documents - result.changes
    return [] if result.read >= least else [f"{result.read} documents were read, which is less than {least}"]
