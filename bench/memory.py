"""Copy many documents and a tenth of them, and compare the peak resident memory of the host."""

import re
import tempfile
import time
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


def run(documents: int, path: Path | None) -> int:
    """Print both peaks and their ratio, and return 1 when it is more than the goal."""
    few, many = (_measure(count) for count in (documents // 10, documents))
    ratio = many["peak_megabytes"] / few["peak_megabytes"]
    parts = {"few": few["peak_megabytes"], "many": many["peak_megabytes"]}
    figure = Figure("backfill memory", ratio, at_most=GOAL, parts=parts)
    report([figure], {"ratio": round(ratio, 3), "few": few, "many": many}, path)
    return 0 if figure.met else 1


def _measure(documents: int) -> dict[str, Any]:
    cosmos = Part(["local.cosmos", "--physical-partitions", "2"], {})
    try:
        with Postgres() as postgres, tempfile.TemporaryDirectory() as state:
            settings = make_settings(f"AccountEndpoint={cosmos.url};AccountKey={EMULATOR_KEY};", postgres.dsn())
            fill(settings["COSMOS_CONNECTION"], documents)
            # The live feed has nothing to do.
            settings["CHANGE_FEED_START"] = datetime.fromtimestamp(time.time() + 1, UTC).isoformat()
            prepare(settings)
            host = Part(["local.functions", "--key", "key", "--state", state], settings)
            try:
                seconds = _copy(Operator(host.url, "key"), documents)
                return {"documents": documents, "peak_megabytes": _peak(host.pid), "seconds": round(seconds, 1)}
            finally:
                host.stop()
    finally:
        cosmos.stop()


def _copy(operator: Operator, documents: int) -> float:
    begun = time.monotonic()
    id_ = operator.ask("POST", "backfills", {"containers": [CONTAINER]})[1]["id"]
    while (progress := operator.ask("GET", f"backfills/{id_}")[1])["state"] == "running":
        time.sleep(0.5)
    if progress["totals"]["applied"] != documents:
        raise SystemExit(f"memory: not everything was copied: {progress['totals']}")
    return time.monotonic() - begun


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    kilobytes = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    if kilobytes is None:
        raise SystemExit("memory: this system does not tell a process's peak memory")
    return round(int(kilobytes[1]) / 1024, 1)
