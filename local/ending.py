"""Wait until a process is told to end."""

import signal
import socket
from types import FrameType

NUMBERS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """Take SIGTERM and SIGINT from now on; only the main thread may make one.

    The handler does nothing. Python runs it between any two steps of the main thread, also while that thread holds the
    lock of an event that it waits for; a handler that sets the event would then wait for that lock forever.
    """

    def __init__(self) -> None:
        self._told, self._tells = socket.socketpair()
        self._tells.setblocking(False)
        # The interpreter itself writes the signal's number, without running any Python code.
        signal.set_wakeup_fd(self._tells.fileno(), warn_on_full_buffer=False)
        for number in NUMBERS:
            signal.signal(number, _do_nothing)

    def wait(self) -> None:
        """Return at the first of these signals, also one that came before."""
        while self._told.recv(1)[0] not in NUMBERS:
            pass


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass
