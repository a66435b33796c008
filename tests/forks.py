"""Fork the processes of the stack from one that has imported what they need: each would take a second to import it.

A fork is a process as any other, with an id, a session, an environment, files, signals and an exit code of its own.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from local.stack import ROOT

# All of the app, and of its host, but nothing that has a state of its own as soon as it is imported.
_IMPORTED = ["azure.durable_functions", "cdc.runtime", "cdc.cutover.command", "cdc.modelling.init_command", "mappers"]
_IMPORTED += ["local.functions.host", "sqlite3", "tests.forks"]
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(_IMPORTED)


class Fork:
    """A process that runs a module of this repository, with the part of subprocess.Popen that the tests use."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], error: IO[Any] | int | None, *, text: bool
    ) -> None:
        self._command = command
        out, into = os.pipe()
        self.stdout: IO[Any] = os.fdopen(out, "r" if text else "rb")
        given = {None: 2, subprocess.STDOUT: into}.get(error) or error.fileno()
        with Connection(into) as output, Connection(os.dup(given)) as errors:
            self._process = _server.Process(target=_run, args=(command, dict(environment), output, errors), daemon=True)
            self._process.start()
        self.pid = self._process.pid

    def __enter__(self) -> "Fork":
        return self

    def __exit__(self, *_: object) -> None:
        self.stdout.close()
        self.wait()

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends, and return the exit code."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self._command, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Signal it, if it runs."""
        if self.poll() is None and self.pid is not None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self.send_signal(signal.SIGKILL)


def popen(command: Sequence[str], **options: Any) -> "Fork | subprocess.Popen[Any]":
    """Do as subprocess.Popen does, by a fork if it is `python -m MODULE` of this repository with a pipe as its output.

    A release that has a `cdc` of its own is not forked.
    """
    roots = [Path(each.removeprefix("--root=")) for each in command if each.startswith("--root=")]
    is_ours = options["cwd"] == ROOT and not any((root / "cdc").exists() for root in roots)
    if is_ours and command[:2] == [sys.executable, "-m"]:
        return Fork(command[2:], options["env"], options["stderr"], text=options.get("text", False))
    return subprocess.Popen(command, **options)


def _run(command: Sequence[str], environment: dict[str, str], *files: Connection) -> None:
    os.setsid()
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in enumerate(files, start=1):
        os.dup2(file.fileno(), number)
        file.close()
    sys.argv = [*command]
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
