"""Run the whole system once: copy what was there before, replicate changes, compare both sides."""

import tempfile
import time
import urllib.error
import urllib.request
from functools import partial

import psycopg

from local.demo import backfill, cutover, dead_letters
from local.demo.reconcile import count_drift, damage_row, describe_drift, reconcile
from local.oracle.compare import Comparison
from local.patience import PATIENCE_SECONDS
from local.sample import Sample, Source
from local.stack import LATEST_VERSION, Stack, StackError, running

DOCUMENTS = 1_000
CHANGES = 300
POISON = 2


def main(mode: str = LATEST_VERSION) -> int:
    """Return 0 when both sides are equal, everything was copied, and exactly the poison documents are parked."""
    sample = Sample(seed=1)
    print(
        f"smoke: Starting PostgreSQL, the Cosmos server with {DOCUMENTS + POISON} documents ({POISON} of them poison), "
        "and the Functions host.",
        flush=True,
    )
    with tempfile.TemporaryFile() as log, running(log=log, mode=mode, preload=partial(_preload, sample)) as stack:
        print("smoke: Everything runs. Copying what was in Cosmos before the app.", flush=True)
        complaints = [*_check_nothing_copied(stack), *_copy(stack)]
        _change(stack, sample)
        comparison = _wait_until_equal(stack)
        complaints += [
            *_complaints(comparison),
            *_check_ready(stack),
            *_check_dead_letters(stack),
            *_check_reconcile(stack),
            *_cut_over(stack, sample),
        ]
        comparison = stack.compare()
        if complaints:
            log.seek(0)
            print(log.read().decode(), *complaints, sep="\n")
    print(f"smoke: {comparison}")
    return int(bool(complaints))


def _preload(sample: Sample, source: Source) -> None:
    for document in sample.create(DOCUMENTS):
        source.write(*document)
    for _ in range(POISON):
        source.write(*sample.poison())


def _copy(stack: Stack) -> list[str]:
    """Copy what was there before the app; return what was wrong with that."""
    *_, progress = backfill.copy(stack)
    print(f"smoke: {backfill.describe(progress)}.", flush=True)
    totals = progress["totals"]
    # What the live feed has brought meanwhile is stale to the backfill.
    if totals["applied"] + totals["parked"] != DOCUMENTS + POISON - totals["stale"]:
        return [f"smoke: Cosmos held {DOCUMENTS + POISON} documents, but the backfill counted {totals}."]
    return []


def _check_nothing_copied(stack: Stack) -> list[str]:
    with psycopg.connect(stack.settings["POSTGRES_CONNECTION"]) as connection:
        if connection.execute("select 1 from cdc.document").fetchone() is not None:
            return ["smoke: The ledger holds documents before the backfill was started."]
    return []


def _change(stack: Stack, sample: Sample) -> None:
    print(f"smoke: Writing {CHANGES} changes to Cosmos.", flush=True)
    source = stack.open_source()
    for _ in range(CHANGES):
        source.write(*sample.change())
    source.close()


def _wait_until_equal(stack: Stack) -> Comparison:
    print("smoke: Waiting until PostgreSQL has these changes.", flush=True)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (comparison := stack.compare()).differences and time.monotonic() < deadline:
        time.sleep(0.5)
    return comparison


def _complaints(comparison: Comparison) -> list[str]:
    complaints = [str(difference) for difference in comparison.differences[:20]]
    if comparison.parked != POISON:
        complaints.append(f"smoke: {POISON} documents are poison, but {comparison.parked} are parked.")
    return complaints


def _check_ready(stack: Stack) -> list[str]:
    url = f"{stack.functions.url}api/health/ready"
    try:
        with urllib.request.urlopen(url):  # noqa: S310 - our own address
            return []
    except urllib.error.HTTPError as error:
        return [f"smoke: {url} answered {error.code}: {error.read().decode()}"]


def _check_dead_letters(stack: Stack) -> list[str]:
    """Park, correct and delete documents; nothing of them is left on either side."""
    try:
        for sentence in dead_letters.show(stack):
            print(f"smoke: {sentence}")
    except StackError as error:
        return [f"smoke: {error}"]
    return _complaints(stack.compare())


def _cut_over(stack: Stack, sample: Sample) -> list[str]:
    """Go on to phase 3; both sides are still equal, and the same documents are parked."""
    try:
        for sentence in cutover.show(stack, sample):
            print(f"smoke: {sentence}", flush=True)
    except StackError as error:
        return [f"smoke: {error}"]
    return _complaints(stack.compare())


def _check_reconcile(stack: Stack) -> list[str]:
    """Edit a row by hand: reconcile must find it and nothing else, and write it again."""
    print("smoke: We edit one account by hand in PostgreSQL. A deep reconcile compares every value and must find it.")
    time.sleep(float(stack.settings["SETTLE_SECONDS"]) + 1)  # what is younger is not judged
    damage_row(stack)
    found = count_drift(reconcile(stack, mode="deep"))
    print(f"smoke: Reconcile found this drift and repaired it: {describe_drift(found)}.")
    complaints = [str(difference) for difference in stack.compare().differences[:20]]
    if found != {**dict.fromkeys(found, 0), "different": 1}:
        complaints.append(f"smoke: One row was edited by hand, but reconcile found {describe_drift(found)}.")
    return complaints
