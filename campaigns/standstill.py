"""Let processes stand still and go on, as on a machine that is starved or being moved."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from local.postgres import Postgres
from local.stack import Part


@contextmanager
def frozen(processes: Sequence[int]) -> Iterator[None]:
    """Stop processes, and let them go on at the end of the block."""
    try:
        for process in processes:
            _send(process, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            _send(process, signal.SIGCONT)


def freeze_part(part: Part, seconds: float) -> None:
    """Let a part stand still for a while."""
    with frozen([part.pid]):
        time.sleep(seconds)


def freeze_postgres(postgres: Postgres, seconds: float) -> None:
    """Let PostgreSQL stand still with all its sessions; its first process stands first, so that it starts no other."""
    server = int((postgres.data / "postmaster.pid").read_text(encoding="ascii").split()[0])
    with frozen([server]):
        sessions = Path(f"/proc/{server}/task/{server}/children").read_text(encoding="ascii").split()
        with frozen([int(session) for session in sessions]):
            time.sleep(seconds)


def _send(process: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # a session that ended in between
        os.kill(process, what)
