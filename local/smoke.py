"""Run the whole system once: write documents and changes, wait until they have arrived, compare both sides."""

import tempfile
import time
import urllib.error
import urllib.request

from local.compare import Comparison
from local.reconcile import count_drift, damage_row, reconcile
from local.sample import Sample, Source
from local.stack import Stack, running

DOCUMENTS = 2_000
CHANGES = 500
POISON = 2
_PATIENCE_SECONDS = 120


def main() -> int:
    """Return 0 when both sides are equal and exactly the poison documents are parked."""
    print("smoke: starting PostgreSQL, the Cosmos server and the Functions host")
    with tempfile.TemporaryFile() as log, running(log=log) as stack:
        source = stack.open_source()
        _write(source)
        source.close()
        comparison = _wait_until_equal(stack)
        complaints = [*_complaints(comparison), *_check_ready(stack), *_check_reconcile(stack)]
        if complaints:
            log.seek(0)
            print(log.read().decode(), *complaints, sep="\n")
    print(f"smoke: {comparison}")
    return int(bool(complaints))


def _write(source: Source) -> None:
    sample = Sample(seed=1)
    print(f"smoke: writing {DOCUMENTS} documents, {CHANGES} changes of them and {POISON} poison documents to Cosmos")
    for document in sample.create(DOCUMENTS):
        source.write(*document)
    for _ in range(CHANGES):
        source.write(*sample.change())
    for _ in range(POISON):
        source.write(*sample.poison())


def _wait_until_equal(stack: Stack) -> Comparison:
    print("smoke: waiting until PostgreSQL has them")
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (comparison := stack.compare()).differences and time.monotonic() < deadline:
        time.sleep(0.5)
    return comparison


def _complaints(comparison: Comparison) -> list[str]:
    complaints = [str(difference) for difference in comparison.differences[:20]]
    if comparison.parked != POISON:
        complaints.append(f"smoke: {POISON} documents are poison, {comparison.parked} are parked")
    return complaints


def _check_ready(stack: Stack) -> list[str]:
    url = f"{stack.functions.url}api/health/ready"
    try:
        with urllib.request.urlopen(url):  # noqa: S310 - our own address
            return []
    except urllib.error.HTTPError as error:
        return [f"smoke: {url} answers {error.code}: {error.read().decode()}"]


def _check_reconcile(stack: Stack) -> list[str]:
    """Edit a row by hand: reconcile must find it and nothing else, and write it again."""
    print("smoke: editing a row by hand, and reconciling")
    time.sleep(float(stack.settings["SETTLE_SECONDS"]) + 1)  # what is younger is not judged
    damage_row(stack)
    found = count_drift(reconcile(stack, mode="deep"))
    print(f"smoke: reconcile found {found}")
    complaints = [str(difference) for difference in stack.compare().differences[:20]]
    if found != {**dict.fromkeys(found, 0), "different": 1}:
        complaints.append(f"smoke: one row was edited by hand, reconcile found {found}")
    return complaints
