"""Hold a lease: renew it in the background while its range is delivered."""

import threading
from collections.abc import Callable

from local.functions.leases import Lease, LeaseLostError, LeaseStore
from local.functions.outage import UNAVAILABLE


class HeldLease:
    """Hold one acquired lease until it is released or lost."""

    def __init__(self, store: LeaseStore, lease: Lease, *, renew_seconds: float) -> None:
        self._store = store
        self._lease = lease
        self._renew_seconds = renew_seconds
        self._writing = threading.Lock()
        self._ended = threading.Event()
        threading.Thread(target=self._renew, name=f"renewal of {lease.token}", daemon=True).start()

    @property
    def lease(self) -> Lease:
        """Return the lease as it was last written."""
        return self._lease

    @property
    def is_ended(self) -> bool:
        """Tell whether the lease was released, split or lost."""
        return self._ended.is_set()

    def lose(self) -> None:
        """Take note that somebody else owns the lease, or nobody."""
        self._ended.set()

    def checkpoint(self, continuation: str) -> None:
        """Write down how far the range was delivered."""
        self._write(lambda: self._store.checkpoint(self._lease, continuation))

    def release(self) -> None:
        """Leave the lease to whoever comes next."""
        self._write(lambda: self._store.release(self._lease))
        self._ended.set()

    def split(self, ranges: list[tuple[str, str]], continuation: str | None) -> None:
        """Replace the lease by leases of the parts of its range."""
        with self._writing:
            self._check()
            self._store.split(self._lease, ranges, continuation)
            self._ended.set()

    def _renew(self) -> None:
        while not self._ended.wait(self._renew_seconds):
            try:
                self._write(lambda: self._store.renew(self._lease))
            except LeaseLostError:
                return
            except UNAVAILABLE:  # whoever reads the range says so
                continue

    def _write(self, write: Callable[[], Lease]) -> None:
        with self._writing:
            self._check()
            try:
                self._lease = write()
            except LeaseLostError:
                self._ended.set()
                raise

    def _check(self) -> None:
        if self._ended.is_set():
            raise LeaseLostError(self._lease.token)
