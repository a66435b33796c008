"""Follow one lease: read a page, invoke the function, checkpoint after it returned."""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from azure.functions.meta import Datum

from local.functions import outage
from local.functions.app import Function
from local.functions.feed import Page, RangeGoneError, RangeReader
from local.functions.held import HeldLease
from local.functions.invoke import Invoker, Outcome
from local.functions.leases import Lease, LeaseLostError
from local.functions.outage import UNAVAILABLE
from local.functions.triggers import CosmosTrigger

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Hold which function wants which change feed, and what runs and stops it."""

    function: Function
    trigger: CosmosTrigger
    invoker: Invoker
    stopping: threading.Event
    cancelling: threading.Event
    lock_wait_seconds: float


@dataclass(frozen=True, slots=True)
class Handover:
    """Hold what a follower calls at its end: to replace a lease whose range is gone, and to be forgotten."""

    on_gone: Callable[[Lease, str | None], None]
    on_end: Callable[[], None]


class Follower:
    """Deliver the pages of one lease in a thread of its own, until the first error."""

    def __init__(self, subscription: Subscription, reader: RangeReader, held: HeldLease, handover: Handover) -> None:
        self._subscription = subscription
        self._reader = reader
        self._held = held
        self._handover = handover
        self._continuation = held.lease.continuation
        self._extra = {"function": subscription.function.name}
        self._stopping = subscription.stopping
        self._is_loss_reported = False
        self._thread = threading.Thread(target=self._run, name=f"lease {held.lease.token}", daemon=True)
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
            self._guard(self._deliver)
            self.tried.set()
            self._report_loss()
            self._guard(self._held.release)
        finally:
            self.tried.set()
            self._handover.on_end()

    def _guard(self, step: Callable[[], None]) -> None:
        """Report what ends the follower: the next one starts at the lease's continuation."""
        try:
            step()
        except RangeGoneError:
            self._guard(lambda: self._handover.on_gone(self._held.lease, self._continuation))
        except LeaseLostError:
            self._report_loss(noticed=True)
        except UNAVAILABLE as error:
            outage.report(self._held.lease.token, error, self._extra)

    def _report_loss(self, *, noticed: bool = False) -> None:
        if (noticed or self._held.is_lost) and not self._is_loss_reported:
            self._is_loss_reported = True
            _log.warning("another host has taken the lease %s", self._held.lease.token, extra=self._extra)

    def _deliver(self) -> None:
        while not self._is_over():
            page = self._reader.read(self._continuation)
            self.tried.set()
            if self._is_over():
                return
            if page.is_page:
                self._deliver_page(page)
            self._continuation = page.continuation
            if not page.is_page:
                self._stopping.wait(self._subscription.trigger.poll_seconds)

    def _is_over(self) -> bool:
        return self._stopping.is_set() or self._held.is_lost

    def _deliver_page(self, page: Page) -> None:
        """Checkpoint a page after its invocation, also where that failed for good or the lease was lost meanwhile."""
        if page.documents:
            subscription = self._subscription
            cancelled = subscription.cancelling
            outcome = subscription.invoker.run(subscription.function, _payload(page), cancelled=cancelled)
            if outcome is not Outcome.SUCCEEDED:
                _log.warning(
                    "Lease %s encountered an unhandled user exception during processing.",
                    self._held.lease.token,
                    extra=self._extra,
                )
            if cancelled.is_set():  # what succeeded after a stop without drain began comes again, too
                return
            if outcome is Outcome.FAILED:
                count = len(page.documents)
                _log.info("batch lost: no retry is left, %d document(s) are checkpointed", count, extra=self._extra)
        self._held.checkpoint(page.continuation)


def _payload(page: Page) -> Datum:
    return Datum(json.dumps(page.documents, ensure_ascii=False, separators=(",", ":")), "string")
