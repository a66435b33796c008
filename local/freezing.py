"""Stop processes as SIGSTOP does: they keep their connections, and answer nothing."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from local.postgres import Postgres


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Hold up processes until the block ends; a session may end in between."""
    try:
        for pid in pids:
            _send(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            _send(pid, signal.SIGCONT)


@contextmanager
def frozen_postgres(server: Postgres) -> Iterator[None]:
    """Hold up a server with all of its sessions; the first is the one that would start more."""
    postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
    with frozen(postmaster), frozen(*_children(postmaster)):
        yield


def _send(pid: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, what)


def _children(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name may have blanks; after it come the state and the parent.
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent:
            found.append(int(path.parent.name))
    return found
