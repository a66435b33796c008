"""Reconcile again and again while documents change, rows are damaged and hosts are killed, and compare at the end."""

import contextlib
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from campaigns import pauses
from campaigns.application import Application, Damage, Sample
from campaigns.mystira import MYSTIRA
from local.demo.reconcile import count_drift, reconcile
from local.freezing import frozen
from local.operator import Operator
from local.oracle.compare import Comparison, compare_settings
from local.patience import PATIENCE_SECONDS
from local.roles import find_powerful_sessions
from local.sample import Source
from local.sample.values import Document
from local.stack import Stack, StackError, running

DOCUMENTS = 400
BYSTANDERS = 60
STILL_SECONDS = 8
PAUSE_SECONDS = 0.01
_FAULTS = {"pause": 2, "kill": 2, "still": 1, "damage": 5}  # how often each, of ten
# What somebody with psql may do to documents that are no bystanders: forget some, lose their rows, edit them. The
# ledger is locked first, as by every writer: else a row that comes meanwhile would be left without its document.
_VICTIMS = """
select key, row_key from cdc.document
where key = any(array(
    select key from cdc.document
    where container = %(container)s and row_key is not null and key <> all(%(bystanders)s)
    order by md5(key::text || %(dice)s) limit 2
))
  and row_key is not null
order by key for update
"""


@dataclass(slots=True)
class Result:
    """Count what a campaign did, and keep what was wrong."""

    writes: int = 0
    kills: int = 0
    stills: int = 0
    damages: int = 0
    pauses: int = 0
    runs: int = 0
    behind: int = 0
    found: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        found = ", ".join(f"{count} {kind}" for kind, count in sorted(self.found.items()) if count) or "nothing"
        return (
            f"{self.writes} writes, {self.damages} damages, {self.kills} kills, {self.stills} stills, "
            f"{self.pauses} pauses, {self.runs} reconciles, {self.behind} of them behind, that found {found}, "
            f"{len(self.differences)} differences"
        )


def run(seed: int, seconds: float, application: Application) -> int:
    """Print the result, and return 1 when anything was wrong."""
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        app = application.make_app(Path(folder))
        with running(app=app, containers=application.partition_keys) as stack:
            result = play(stack, str(seed), seconds, application)
    print(f"reconcile {seed}: {result}", *result.differences, sep="\n  ")
    return 1 if result.differences else 0


def play(stack: Stack, seed: str, seconds: float, application: Application = MYSTIRA) -> Result:
    """Change, damage, kill and reconcile for a while; then let everything settle, and compare."""
    result, source = Result(), stack.open_source()
    sample = application.make_sample(len(seed) + sum(map(ord, seed)), application.containers)
    for document in sample.create(BYSTANDERS):
        source.write(*document)
    sample.documents.clear()  # these stay as they are to the end
    _wait_until_equal(stack, application)
    before = _tuples(stack, application)
    for document in sample.create(DOCUMENTS):
        source.write(*document)
    stopped = threading.Event()
    threads = [
        threading.Thread(target=_write, args=(random.Random(seed), application, sample, source, stopped, result)),
        threading.Thread(target=_reconcile, args=(random.Random(seed), stack, stopped, result)),
    ]
    for thread in threads:
        thread.start()
    _break(random.Random(seed), application, stack, time.monotonic() + seconds, _keys(before), result)
    stopped.set()
    for thread in threads:
        thread.join()
    source.close()
    result.differences += [*_settle(stack, application, result), *find_powerful_sessions(stack.administrator)]
    result.differences += pauses.find_skipped(stack.administrator)
    left = {row[2:] for row in _tuples(stack, application)}
    result.differences += [f"a bystander in {row[0]} was written again" for row in before if row[2:] not in left]
    return result


def _write(
    dice: random.Random,
    application: Application,
    sample: Sample,
    source: Source,
    stopped: threading.Event,
    result: Result,
) -> None:
    """Change documents, some twice in a second; delete some, and create many of these again.

    Some get a type that nobody maps, until they are written again.
    """
    again: list[tuple[float, str, Document]] = []
    while not stopped.is_set() or again:
        choice = dice.random()
        if again and (again[0][0] < time.monotonic() or stopped.is_set()):
            _, container, document = again.pop(0)
            source.write(container, document)
        elif choice < 0.03 and len(sample.documents) > DOCUMENTS // 2:
            container, document = sample.delete()
            source.delete(container, document)
            if dice.random() < 0.6:
                again.append((time.monotonic() + dice.uniform(0, 8), container, document))
        elif choice < 0.05:
            container, document = sample.change()
            source.write(container, document | {application.type_property: dice.choice(("SalesOrder", "not a name"))})
        else:
            for _ in range(2 if choice < 0.2 else 1):
                source.write(*sample.change())
        result.writes += 1
        time.sleep(dice.uniform(0, 2 * PAUSE_SECONDS))


def _reconcile(dice: random.Random, stack: Stack, stopped: threading.Event, result: Result) -> None:
    while not stopped.is_set():
        # A killed host answers nobody.
        with contextlib.suppress(OSError, StackError):
            _count(result, reconcile(stack, mode=dice.choice(("counts", "keys", "deep"))))
        stopped.wait(0.5)


def _count(result: Result, report: Document) -> None:
    result.runs += 1
    result.behind += report["state"] == "behind"
    result.found.update(count_drift(report))


def _break(
    dice: random.Random,
    application: Application,
    stack: Stack,
    until: float,
    bystanders: list[bytes],
    result: Result,
) -> None:
    """Break things of every kind, once each even when the time is short."""
    first = dice.sample(list(_FAULTS), len(_FAULTS))
    while first or time.monotonic() < until:
        time.sleep(dice.uniform(0.5, 4))
        kind = first.pop() if first else dice.choices(list(_FAULTS), list(_FAULTS.values()))[0]
        if kind == "pause":
            _pause(dice, application, stack, result)
        elif kind == "kill":
            stack.functions.kill()
            stack.functions.start()
            result.kills += 1
        elif kind == "still":
            with frozen(dice.choice((stack.functions, stack.cosmos)).pid):
                time.sleep(STILL_SECONDS)
            result.stills += 1
        else:
            _damage(dice, dice.choice(application.damages), stack, bystanders)
            result.damages += 1


def _pause(dice: random.Random, application: Application, stack: Stack, result: Result) -> None:
    """Let a container rest while reconciles of it begin, and documents of it change."""
    operator, seconds = Operator(stack.functions.url, stack.functions_key), dice.uniform(0.5, 3)
    dsn, container = stack.administrator, dice.choice(application.containers)
    tables = application.tables[container]
    result.differences += pauses.rest(lambda: operator, dsn, container, tables, lambda: time.sleep(seconds))
    result.pauses += 1


def _damage(dice: random.Random, damage: Damage, stack: Stack, bystanders: list[bytes]) -> None:
    chosen = {"container": damage.container, "bystanders": bystanders, "dice": str(dice.random())}
    with psycopg.connect(stack.administrator) as connection:
        victims = connection.execute(_VICTIMS, chosen).fetchall()
        named = {"keys": [key for key, _ in victims], "rows": [row_key for _, row_key in victims]}
        for statement in damage.statements:
            connection.execute(statement.encode(), named)


def _settle(stack: Stack, application: Application, result: Result) -> Iterator[str]:
    """Reconcile until both sides are equal; then nothing may be found any more.

    More may be gone than a run deletes by itself, where many were late or killed: somebody has looked.
    """
    deadline, said = time.monotonic() + PATIENCE_SECONDS, "nothing"
    while (comparison := _compare(stack, application)).differences and time.monotonic() < deadline:
        time.sleep(float(stack.settings["SETTLE_SECONDS"]))
        try:
            report = reconcile(stack, mode="deep", max_deletes=DOCUMENTS)
        except StackError as error:
            said = str(error)
        else:
            _count(result, report)
            said = f"{report['state']}: {' '.join(filter(None, (each['message'] for each in report['containers'])))}"
    if comparison.differences:
        yield from map(str, comparison.differences)
        yield f"the last reconcile said {said}"
        return
    time.sleep(float(stack.settings["SETTLE_SECONDS"]) + 1)
    report = reconcile(stack, mode="deep")
    if any(count_drift(report).values()) or report["state"] != "completed":
        yield f"the last reconcile is {report['state']} and found {count_drift(report)}"


def _keys(tuples: list[tuple[object, ...]]) -> list[bytes]:
    return [key for _, key, *_ in tuples if isinstance(key, bytes)]


def _wait_until_equal(stack: Stack, application: Application) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _compare(stack, application).differences:
        if time.monotonic() > deadline:
            raise StackError("The documents do not arrive.")
        time.sleep(0.5)


def _compare(stack: Stack, application: Application) -> Comparison:
    return compare_settings(stack.settings, application.name)


def _tuples(stack: Stack, application: Application) -> list[tuple[object, ...]]:
    """Read where every row stands and which transaction wrote it: table, key in the ledger, and both."""
    tables = ("cdc.document", *(table for each in application.tables.values() for table in each))
    with psycopg.connect(stack.administrator) as connection:
        return [
            row
            for table in tables
            for row in connection.execute(
                f"select '{table}', {'key' if '.' in table else 'null::bytea'}, "  # noqa: S608 - our own names
                f"'{table}', xmin::text, ctid::text from {table}"
            ).fetchall()
        ]
