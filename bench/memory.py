"""Measure the peak resident memory of the host.

Copy many documents and a tenth of them; and compare all values of 300 documents that are almost as large as Cosmos
lets them be, against copying them.
"""

import re
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.goals import Figure, report
from bench.sessions import CONTAINER, fill
from local.cosmos.auth import EMULATOR_KEY
from local.operator import Operator
from local.postgres import Postgres
from local.stack import Part, make_settings, prepare

GOAL = 1.3
DEEP_GOAL = 1.5
LARGE_DOCUMENTS = 300
LARGE_BYTES = 1_850_000


def run(documents: int, path: Path | None) -> int:
    """Print the peaks and their ratios, and return 1 when one is more than its goal."""
    few, many = (_measure(count)[0] for count in (documents // 10, documents))
    copied, compared = _measure(LARGE_DOCUMENTS, LARGE_BYTES, deep=True)
    figures = [_compare("backfill memory", few, many, GOAL), _compare("deep memory", copied, compared, DEEP_GOAL)]
    report(figures, {"few": few, "many": many, "copied": copied, "compared": compared}, path)
    return 0 if all(figure.met for figure in figures) else 1


def _compare(name: str, less: dict[str, Any], more: dict[str, Any], goal: float) -> Figure:
    parts = {"less": less["peak_megabytes"], "more": more["peak_megabytes"]}
    return Figure(name, more["peak_megabytes"] / less["peak_megabytes"], at_most=goal, parts=parts)


def _measure(documents: int, size: int = 0, *, deep: bool = False) -> list[dict[str, Any]]:
    """Return the peak after a backfill and, if asked for, after a deep reconcile by another host."""
    cosmos = Part(["local.cosmos", "--physical-partitions", "2"], {})
    try:
        with Postgres() as postgres, tempfile.TemporaryDirectory() as state:
            settings = make_settings(f"AccountEndpoint={cosmos.url};AccountKey={EMULATOR_KEY};", postgres.dsn())
            fill(settings["COSMOS_CONNECTION"], documents, size)
            # The live feed has nothing to do.
            settings["CHANGE_FEED_START"] = datetime.fromtimestamp(time.time() + 1, UTC).isoformat()
            # Everything is old enough to be compared at once.
            settings["SETTLE_SECONDS"] = "1"
            settings = prepare(settings)
            works = [_copy, _deepen] if deep else [_copy]
            return [_run_host(settings, f"{state}/{work.__name__}", documents, work) for work in works]
    finally:
        cosmos.stop()


def _run_host(
    settings: dict[str, str], state: str, documents: int, work: Callable[[Operator, int], float]
) -> dict[str, Any]:
    host = Part(["local.functions", "--key", "key", "--state", state], settings)
    try:
        seconds = work(Operator(host.url, "key"), documents)
        return {"documents": documents, "peak_megabytes": _peak(host.pid), "seconds": round(seconds, 1)}
    finally:
        host.stop()


def _copy(operator: Operator, documents: int) -> float:
    begun = time.monotonic()
    id_ = _begin(operator, "backfills", {"containers": [CONTAINER], "unlimited": True})
    while (progress := operator.ask("GET", f"backfills/{id_}")[1])["state"] == "running":
        time.sleep(0.5)
    if progress["totals"]["applied"] != documents:
        raise SystemExit(f"memory: not everything was copied: {progress['totals']}")
    return time.monotonic() - begun


def _deepen(operator: Operator, documents: int) -> float:
    begun = time.monotonic()
    id_ = _begin(operator, "reconciliations", {"containers": [CONTAINER], "mode": "deep", "max_request_units": 10**9})
    while (report := operator.ask("GET", f"reconciliations/{id_}")[1])["state"] == "running":
        time.sleep(0.5)
    if report["containers"][0]["values"] != documents:
        raise SystemExit(f"memory: not everything was compared: {report}")
    return time.monotonic() - begun


def _begin(operator: Operator, work: str, body: dict[str, Any]) -> str:
    status, answer = operator.ask("POST", work, body)
    if status != 202:
        raise SystemExit(f"memory: POST {work} was refused: {answer}")
    return str(answer["id"])


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    kilobytes = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    if kilobytes is None:
        raise SystemExit("memory: this system does not tell a process's peak memory")
    return round(int(kilobytes[1]) / 1024, 1)
