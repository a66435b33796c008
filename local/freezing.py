"""Stop processes as SIGSTOP does: they keep their connections, and answer nothing."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from local.postgres import Postgres


def freeze(*pids: int) -> None:
    """Hold up processes; return when each stands."""
    for pid in pids:
        _send(pid, signal.SIGSTOP)
    # A thread that runs when the signal is sent may still answer somebody.
    while any(state in "RSD" for pid in pids for _, state, _ in _read_stats(f"{pid}/task")):
        time.sleep(0.001)


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Hold up processes until the block ends; a session may end in between."""
    try:
        freeze(*pids)
        yield
    finally:
        for pid in pids:
            _send(pid, signal.SIGCONT)


@contextmanager
def frozen_postgres(server: Postgres) -> Iterator[None]:
    """Hold up a server with all of its sessions; the first is the one that would start more."""
    postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
    with frozen(postmaster), frozen(*(pid for pid, _, parent in _read_stats() if parent == postmaster)):
        yield


def _send(pid: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, what)


def _read_stats(folder: str = "") -> Iterator[tuple[int, str, int]]:
    """Read the id, the state and the parent of all processes, or of all threads of one."""
    for path in Path("/proc", folder).glob("[0-9]*/stat"):
        try:
            # The name may have blanks; after it come the state and the parent.
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield int(path.parent.name), state, int(parent)
