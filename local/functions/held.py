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
        self.is_lost = False
        threading.Thread(target=self._renew, name=f"renewal of {lease.token}", daemon=True).start()

    @property
    def lease(self) -> Lease:
        """Return the lease as it was last written."""
        return self._lease

    def checkpoint(self, continuation: str) -> None:
        """Write down how far the range was delivered."""
        with self._writing:
            self._write(lambda: self._store.checkpoint(self._lease, continuation))

    def release(self) -> None:
        """Stop renewing, and leave the lease to the next host."""
        with self._writing:
            self._ended.set()
            self._store.release(self._lease)

    def _renew(self) -> None:
        seconds = self._renew_seconds / 2
        while not self._ended.wait(seconds):
            seconds = self._renew_seconds
            with self._writing:
                if self._ended.is_set():
                    return
                try:
                    self._write(lambda: self._store.renew(self._lease))
                except LeaseLostError:
                    return
                except UNAVAILABLE:  # the lease expires unless a later renewal succeeds
                    continue

    def _write(self, write: Callable[[], Lease]) -> None:
        try:
            self._lease = write()
        except LeaseLostError:
            self.is_lost = True
            self._ended.set()
            raise
