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
from local.functions.held import HeldLease
from local.functions.invoke import Invoker, Outcome
from local.functions.leases import LeaseLostError
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

    def __init__(
        self, subscription: Subscription, reader: RangeReader, held: HeldLease, on_split: Callable[[], None]
    ) -> None:
        self._subscription = subscription
        self._reader = reader
        self._held = held
        self._continuation = held.lease.continuation
        self._on_split = on_split
        self._extra = {"function": subscription.function.name}
        self._stopping = subscription.stopping
        self._outage = Outage(subscription.function.name, subscription.stopping)
        self._thread = threading.Thread(target=self._run, name=f"lease {self.token}", daemon=True)
        self.tried = threading.Event()

    @property
    def token(self) -> str:
        """Return the name of the lease."""
        return self._held.lease.token

    @property
    def is_running(self) -> bool:
        """Tell whether the range is read, or a last invocation runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to read in the background; tried is set after the first attempt."""
        self._thread.start()

    def lose(self) -> None:
        """Checkpoint nothing any more, because the lease has another holder."""
        self._held.lose()

    def join(self, deadline: float) -> None:
        """Wait for a running invocation and its checkpoint."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        try:
            self._deliver_until_split()
        except LeaseLostError as lost:
            _log.warning("another host has taken the lease %s", lost, extra=self._extra)
        finally:
            self.tried.set()

    def _deliver_until_split(self) -> None:
        try:
            self._deliver()
        except RangeSplitError:
            self._split()

    def _deliver(self) -> None:
        while not self._held.is_ended and not self._stopping.is_set():
            page = self._read()
            # Reading may have outlasted an outage that the lease did not.
            if page is None or self._held.is_ended:
                break
            if page.documents and not self._deliver_page(page):
                break
            self._continuation = page.continuation
            if not page.documents:
                self._stopping.wait(self._subscription.trigger.poll_seconds)
        self._write(self._held.release)

    def _read(self) -> Page | None:
        page = self._outage.outlast(lambda: self._reader.read(self._continuation), on_failure=self.tried.set)
        self.tried.set()
        return page

    def _deliver_page(self, page: Page) -> bool:
        count = len(page.documents)
        subscription = self._subscription
        outcome = subscription.invoker.run(subscription.function, _payload(page), is_lost=lambda: self._held.is_ended)
        if outcome is Outcome.ABANDONED:
            return False
        if outcome is Outcome.FAILED:
            _log.error("batch lost: no retry is left, %d document(s) are checkpointed", count, extra=self._extra)
        return self._write(lambda: self._held.checkpoint(page.continuation))

    def _split(self) -> None:
        if self._write(lambda: self._held.split(self._reader.read_parts(), self._continuation)):
            _log.warning("the range of lease %s was split", self.token, extra=self._extra)
            self._outage.outlast(self._on_split)

    def _write(self, write: Callable[[], None]) -> bool:
        def written() -> bool:
            write()
            return True

        return self._outage.outlast(written, on_failure=self.tried.set) is not None


def _payload(page: Page) -> Datum:
    return Datum(json.dumps(page.documents, ensure_ascii=False, separators=(",", ":")), "string")
