"""Follow one lease: read a page, invoke the function, checkpoint after it returned."""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from azure.functions.meta import Datum

from local.functions.app import Function
from local.functions.feed import Page, RangeReader, RangeSplitError
from local.functions.invoke import Invoker, Outcome
from local.functions.leases import Lease, LeaseLostError, LeaseStore
from local.functions.outage import Outage
from local.functions.triggers import CosmosTrigger

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Hold which function wants which change feed, and what runs and stops it."""

    function: Function
    trigger: CosmosTrigger
    invoker: Invoker
    stopping: threading.Event


class Follower:
    """Deliver the pages of one lease in a thread of its own."""

    def __init__(self, subscription: Subscription, reader: RangeReader, leases: LeaseStore, lease: Lease) -> None:
        self._subscription = subscription
        self._reader = reader
        self._leases = leases
        self._lease = lease
        self._extra = {"function": subscription.function.name}
        self._stopping = subscription.stopping
        self._outage = Outage(subscription.function.name, subscription.stopping)
        self._thread = threading.Thread(target=self._run, name=f"lease {lease.token}", daemon=True)
        self.tried = threading.Event()

    def start(self) -> None:
        """Begin to read in the background; tried is set after the first attempt."""
        self._thread.start()

    def join(self, deadline: float) -> None:
        """Wait for a running invocation and its checkpoint."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        try:
            self._deliver()
        except LeaseLostError as lost:
            _log.warning("another host has taken the lease %s", lost, extra=self._extra)
        except RangeSplitError:
            _log.error(
                "the range of lease %s was split: its changes are read no more", self._lease.token, extra=self._extra
            )
        finally:
            self.tried.set()

    def _deliver(self) -> None:
        acquired = self._persist(lambda: self._leases.acquire(self._lease))
        continuation = self._lease.continuation
        while acquired and not self._stopping.is_set():
            page = self._read(continuation)
            if page is None:
                break
            if page.documents and not self._deliver_page(page):
                break
            continuation = page.continuation
            if not page.documents:
                self._stopping.wait(self._subscription.trigger.poll_seconds)
        self._persist(lambda: self._leases.release(self._lease))

    def _read(self, continuation: str | None) -> Page | None:
        page = self._outage.outlast(lambda: self._reader.read(continuation), on_failure=self.tried.set)
        self.tried.set()
        return page

    def _deliver_page(self, page: Page) -> bool:
        count = len(page.documents)
        outcome = self._subscription.invoker.run(self._subscription.function, _payload(page))
        if outcome is Outcome.ABANDONED:
            return False
        if outcome is Outcome.FAILED:
            _log.error("batch lost: no retry is left, %d document(s) are checkpointed", count, extra=self._extra)
        return self._persist(lambda: self._leases.checkpoint(self._lease, page.continuation))

    def _persist(self, write: Callable[[], Lease]) -> bool:
        lease = self._outage.outlast(write, on_failure=self.tried.set)
        if lease is not None:
            self._lease = lease
        return lease is not None


def _payload(page: Page) -> Datum:
    return Datum(json.dumps(page.documents, ensure_ascii=False, separators=(",", ":")), "string")
