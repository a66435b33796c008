"""A command that is stopped, or whose reader goes away, ends at once and without a traceback."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.patience import PATIENCE_SECONDS
from tests.integration.test_main import COSMOS

ROOT = Path(__file__).parents[2]


def start(*command, cwd=ROOT, **values):
    """Start Python with these arguments and settings alone; what it prints is for the test to read."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | values
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *command], cwd=cwd, env=environment, **pipes)


@pytest.mark.parametrize(
    ("command", "imported"),
    [(["cdc", "status"], "pydantic_core"), (["local", "smoke"], "psycopg")],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_ctrl_c_while_modules_are_imported_says_nothing(command, imported):
    """The interpreter says which modules it has; the others take seconds more."""
    with start("-X", "importtime", "-m", *command) as process:
        while imported not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == -signal.SIGINT  # which a shell shows as 130
    assert (out, [line for line in told.splitlines() if not line.startswith("import time:")]) == ("", [])


def test_ctrl_c_while_a_store_is_awaited_says_nothing(tmp_path):
    """The command closes what it has opened, and ends with the code of an interruption."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/app?sslmode=disable"
        with start("-m", "cdc", "check", cwd=tmp_path, **COSMOS, POSTGRES_CONNECTION=dsn) as process:
            silent.settimeout(PATIENCE_SECONDS)
            with silent.accept()[0]:
                process.send_signal(signal.SIGINT)
                told = process.communicate(timeout=PATIENCE_SECONDS)

    assert (process.returncode, *told) == (130, "", "")


@pytest.mark.parametrize(
    "command",
    [["cdc", "problems"], ["cdc", "phase", "--help"], ["local", "up", "--help"]],
    ids=" ".join,
)
def test_a_reader_that_goes_away_is_no_error(command):
    """As when `head` has seen enough."""
    with start("-m", *command) as process:
        process.stdout.close()
        process.stdout = None
        _, told = process.communicate(timeout=PATIENCE_SECONDS)

    assert (process.returncode, told) == (141, "")


@pytest.mark.parametrize("command", [["cdc", "problems"], ["cdc", "--help"], ["local", "--help"]], ids=" ".join)
def test_a_disk_that_is_full_is_one_sentence(command):
    """Also if all is written at the end; what is in the file is not whole, and the exit code says so."""
    with Path("/dev/full").open("w") as full:
        started = [sys.executable, "-m", *command]
        done = subprocess.run(started, check=False, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)

    assert (done.returncode, done.stderr) == (1, "What the command writes has no room: No space left on device.\n")
