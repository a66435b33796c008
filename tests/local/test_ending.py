"""A process that waits to be told to end is told by every signal."""

import subprocess
import sys
from pathlib import Path

from local.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]

MANY_TIMES = """
import os, random, signal, sys, threading
from local.ending import Ending

sys.setswitchinterval(1e-6)  # so that signals come between any two steps

def tell():
    [None for _ in range(random.randrange(300))]
    os.kill(os.getpid(), random.choice((signal.SIGTERM, signal.SIGINT)))

for _ in range(5_000):
    ending = Ending()
    telling = threading.Thread(target=tell)
    telling.start()
    ending.wait()
    telling.join()
print("ended")
"""


def run(script: str) -> str:
    """Run Python code in a process of its own."""
    line = [sys.executable, "-c", script]
    return subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS).stdout


def test_every_signal_ends_the_wait() -> None:
    """At whatever moment it comes: five thousand times in a row."""
    assert run(MANY_TIMES) == "ended\n"


def test_a_signal_that_came_before_ends_the_wait() -> None:
    """Nothing has to wait for it yet, and more than one are as good as one."""
    script = "import os; from local.ending import Ending; ending = Ending()\n"
    script += "for _ in range(100_000): os.kill(os.getpid(), 15)\nending.wait(); print('ended')"

    assert run(script) == "ended\n"
