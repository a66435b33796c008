"""A fork is to a test what a process of subprocess.Popen is."""

import json
import os
import signal
import subprocess
import sys

import pytest

from local.stack import ROOT
from tests import forks

TELL = """
import json, os, random, sys
import cdc.runtime
print(json.dumps([os.getpid() == os.getsid(0), os.getcwd(), dict(os.environ), sys.argv[-1], sys.path[0]]))
print(json.dumps([os.getpid(), random.random()]), flush=True)
print("an error", file=sys.stderr, flush=True)
os._exit(3)
"""
WAIT = "import time; print('begun', flush=True); time.sleep(600)"


def begin(popen, code, error=None, *more):
    """Run a text of Python with a module that does so; it is not imported anywhere yet."""
    command = [sys.executable, "-m", "timeit", "-n1", "-r1", *more, code]
    options = {"stdout": subprocess.PIPE, "stderr": error, "start_new_session": True, "text": True}
    return popen(command, cwd=ROOT, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, **options)


def test_it_has_what_a_process_of_its_own_has(tmp_path):
    """Its session, folder, environment, arguments, output and exit code are equal; its random numbers are its own."""
    told, own = [], set()
    for popen in (subprocess.Popen, forks.popen, forks.popen):
        with (tmp_path / "errors").open("w+") as errors:
            with begin(popen, TELL, errors) as begun:
                said, (pid, number) = (json.loads(line) for line in begun.stdout)
            told.append((begun.wait(), begun.pid == pid, said, (tmp_path / "errors").read_text()))
            own |= {pid, number}

    assert told[0][:2] == (3, True)
    assert told == [told[0]] * 3
    assert len(own) == 6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_it(number):
    """It runs until then, and its exit code tells."""
    with begin(forks.popen, WAIT) as begun:
        assert begun.stdout.readline() == "begun\n"
        with pytest.raises(subprocess.TimeoutExpired):
            begun.wait(0.01)
        assert begun.poll() is None

        begun.send_signal(number)

        assert begun.wait() == begun.poll() == -number
        begun.send_signal(number)


def test_errors_and_output_may_be_one():
    """As of a command whose every word is read."""
    with begin(forks.popen, TELL, subprocess.STDOUT) as begun:
        assert begun.stdout.readlines()[-1] == "an error\n"


def test_a_release_with_modules_of_its_own_is_not_forked(tmp_path):
    """Those of the working tree are imported in every fork."""
    (tmp_path / "cdc").mkdir()

    with begin(forks.popen, TELL, None, f"--root={tmp_path}") as begun:
        assert isinstance(begun, subprocess.Popen)
        begun.communicate()
