"""A bounded pool of sessions, shared out by use."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from threading import Condition

from cdc.core.errors import TransientError
from cdc.postgres.session import Session
from cdc.telemetry.instruments import connection_wait


class Use(StrEnum):
    """What connections are used for; each use has a share of the pool."""

    FEED = "feed"
    BACKGROUND = "background"
    OPERATORS = "operators"


# psycopg_pool doubles this pause after each failed attempt and each dead connection, for up to minutes.
_PAUSE_SECONDS = 0.5
_LONGEST_IDLE_SECONDS = 600
_LONGEST_LIFE_SECONDS = 3_600
# The name of the pool that no use has a share of.
_WHOLE = "whole"


class RefusedError(TransientError):
    """A server that refuses the login: another attempt at once would be refused as well."""


class BusyError(TransientError):
    """No connection became free in time."""


@dataclass(frozen=True, slots=True)
class Borrower:
    """A use of the pool, None for the whole of it, and the container whose tables it touches, if any."""

    use: Use | None
    container: str | None = None


class Pool:
    """Lends sessions; opens them when needed and replaces dead ones at once.

    A use has a third of the pool; feeds have the first that is left over, background work the second. A container
    never takes the last one of a share, because its tables may be locked.
    """

    def __init__(self, connect: Callable[[float], Session], size: int) -> None:
        """Take a function that opens a session within so many seconds."""
        third, rest = divmod(size, 3)
        self._shares = {
            Use.FEED: max(1, third + (rest > 0)),
            Use.BACKGROUND: max(1, third + (rest > 1)),
            Use.OPERATORS: max(1, third),
        }
        self._connect = connect
        self._size = size
        self._idle: deque[tuple[float, Session]] = deque()
        self._lent: Counter[Borrower] = Counter()
        self._waiting: deque[Borrower] = deque()
        self._changed = Condition()
        self._closed = False

    @contextmanager
    def lend(self, borrower: Borrower, deadline: float) -> Iterator[Session]:
        """Lend a session; wait for it until the deadline, a time of `time.monotonic`."""
        begun = time.monotonic()
        self._wait_for_turn(borrower, deadline)
        session = None
        try:
            session = self._take_idle(deadline) or self._open(deadline)
            connection_wait.record(time.monotonic() - begun, pool=borrower.use or _WHOLE)
            yield session
        finally:
            self._return(borrower, session)

    def close(self) -> None:
        """Close the idle sessions now, and the lent ones when they are returned."""
        with self._changed:
            self._closed = True
            self._drop_idle()

    def _wait_for_turn(self, borrower: Borrower, deadline: float) -> None:
        waiter = Borrower(borrower.use, borrower.container)
        with self._changed:
            self._waiting.append(waiter)
            try:
                while not self._closed and self._first_in_turn() is not waiter:
                    if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                        raise BusyError(_describe_busy(borrower))
                if self._closed:
                    raise BusyError("The app is stopping.")
                self._lent[borrower] += 1
            finally:
                _remove(self._waiting, waiter)
                self._changed.notify_all()

    def _first_in_turn(self) -> Borrower | None:
        if self._lent.total() >= self._size:
            return None
        return next(filter(self._has_share, self._waiting), None)

    def _has_share(self, borrower: Borrower) -> bool:
        if borrower.use is None:
            return True
        share = self._shares[borrower.use]
        if borrower.container is not None and self._lent[borrower] >= max(1, share - 1):
            return False
        return sum(lent for other, lent in self._lent.items() if other.use is borrower.use) < share

    def _take_idle(self, deadline: float) -> Session | None:
        """Return an idle session that answers; if one is dead, the others are not trusted either."""
        with self._changed:
            session = self._idle.pop()[1] if self._idle else None
        # Half of the time is left for a new session.
        if session is None or session.answers((deadline - time.monotonic()) / 2):
            return session
        session.close()
        with self._changed:
            self._drop_idle()
        return None

    def _open(self, deadline: float) -> Session:
        while True:
            try:
                return self._connect(deadline - time.monotonic())
            except RefusedError:
                raise
            except TransientError:
                if time.monotonic() + _PAUSE_SECONDS >= deadline:
                    raise
            time.sleep(_PAUSE_SECONDS)

    def _return(self, borrower: Borrower, session: Session | None) -> None:
        now = time.monotonic()
        with self._changed:
            self._lent[borrower] -= 1
            if session is not None:
                if session.is_idle and not self._closed and now - session.opened_at < _LONGEST_LIFE_SECONDS:
                    self._idle.append((now, session))
                else:
                    session.close()
            while self._idle and now - self._idle[0][0] > _LONGEST_IDLE_SECONDS:
                self._idle.popleft()[1].close()
            self._changed.notify_all()

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()


def _remove(waiting: deque[Borrower], waiter: Borrower) -> None:
    """Remove this very waiter: others may be equal."""
    del waiting[next(place for place, other in enumerate(waiting) if other is waiter)]


def _describe_busy(borrower: Borrower) -> str:
    use = "" if borrower.use is None else f" for {borrower.use.value}"
    of = "" if borrower.container is None else f" of {borrower.container}"
    return (
        f"All connections to PostgreSQL{use}{of} are busy, or it does not answer: see in pg_stat_activity what blocks "
        "them, or raise POSTGRES_POOL_SIZE."
    )
