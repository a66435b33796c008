"""The time that a request has: whatever it waits for ends with it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum, auto
from threading import Lock

from cdc.core.errors import TransientError


class Change(Enum):
    """Whether a request has changed anything."""

    NONE = auto()
    UNKNOWN = auto()
    MADE = auto()


class Deadline:
    """The end of a request's time, and what became of the request's change: a transaction in PostgreSQL."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds
        self._lock = Lock()
        self._closed = False
        self.change = Change.NONE

    def remaining(self) -> float:
        """Return how many seconds are left."""
        return max(0.0, self._end - self._clock())

    def close(self) -> Change:
        """Let no further commit begin, because the request is answered now; return what became of its change."""
        with self._lock:
            self._closed = True
            return self.change

    def begin_commit(self) -> None:
        """Note that a commit begins; raise TransientError if the request is answered already."""
        with self._lock:
            if self._closed:
                raise TransientError("The request ran out of time.")
            self.change = Change.UNKNOWN

    def end_commit(self) -> None:
        """Note that the commit succeeded."""
        self.change = Change.MADE

    @contextmanager
    def applies(self) -> Iterator[None]:
        """Bound whatever this thread or task waits for inside the block."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def current() -> Deadline | None:
    """Return the deadline of the request that is worked on, or None outside of requests."""
    return _current.get()


def shorten(seconds: float, share: float = 1.0) -> float:
    """Return these seconds, or a share of what is left of the request's time if that is less."""
    limit = _current.get()
    return seconds if limit is None else min(seconds, limit.remaining() * share)
