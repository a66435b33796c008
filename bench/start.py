"""Measure how long a worker needs to import the app: Flex Consumption gives it 30 seconds.

The app is unpacked anew each time, so that none of it is compiled; the packages are, as pip leaves them. What is judged
is the time of one processor, which an instance with 2048 MB has; the clock also counts what else the machine does.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from bench.goals import Figure, report
from local import package
from local.stack import ROOT, make_settings

LIMIT_SECONDS = 30.0
GOAL = 0.1
_CODE = """
import time
begun = time.perf_counter()
import function_app
print(time.process_time(), time.perf_counter() - begun)
"""


def run(rounds: int, path: Path | None) -> int:
    """Print the median share of the limit, and return 1 when it is more than the goal."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "app.zip")
        package.build(ROOT, archive)
        times = [_import_once(archive, Path(folder, str(number))) for number in range(rounds)]
    median, clock = map(statistics.median, zip(*times, strict=True))
    figure = Figure("start", median / LIMIT_SECONDS, at_most=GOAL, parts={"processor": median, "clock": clock})
    report([figure], {"rounds": rounds}, path)
    return 0 if figure.met else 1


def _import_once(archive: Path, folder: Path) -> list[float]:
    zipfile.ZipFile(archive).extractall(folder)
    settings = make_settings("AccountEndpoint=https://localhost:1/;AccountKey=a2V5;", "postgresql://localhost:1/none")
    environment = {**os.environ, **settings, "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", _CODE], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return [*map(float, done.stdout.split())]
