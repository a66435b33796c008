"""Own the leases that a host holds: take them, follow them, replace those whose range is gone."""

import contextlib
import logging
import threading
import time
from dataclasses import dataclass

from azure.cosmos import ContainerProxy

from local.functions import outage, successors
from local.functions.feed import RangeReader
from local.functions.follower import Follower, Handover, Subscription
from local.functions.held import HeldLease
from local.functions.leases import Lease, LeaseLostError, LeaseStore, NewLease
from local.functions.outage import UNAVAILABLE
from local.functions.ranges import PartitionRanges

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """Hold an opened container, its physical partitions and the leases of its change feed."""

    container: ContainerProxy
    rid: str
    ranges: PartitionRanges
    leases: LeaseStore

    def read_first_leases(self) -> list[NewLease]:
        """Return the leases that a container begins with: one for each physical partition."""
        return [successors.of_partition(found) for found in self.ranges.read()]


class Controller:
    """Follow each lease of one change feed at most once."""

    def __init__(self, subscription: Subscription, source: Source) -> None:
        self._subscription = subscription
        self._source = source
        self._extra = {"function": subscription.function.name}
        self._changing = threading.Lock()
        self._owned: dict[str, Follower | None] = {}

    @property
    def followers(self) -> list[Follower]:
        """Return what follows a lease now."""
        with self._changing:
            return [follower for follower in self._owned.values() if follower is not None]

    def join(self, deadline: float) -> None:
        """Wait for the running invocations and their checkpoints."""
        for follower in self.followers:
            follower.join(deadline)

    def wait_until_reading(self, deadline: float) -> None:
        """Return once every lease that was taken was read for the first time, or cannot be read."""
        for follower in self.followers:
            follower.tried.wait(max(0.0, deadline - time.monotonic()))

    def take(self, lease: Lease) -> None:
        """Acquire a lease and follow it; only renew it where it is followed already."""
        try:
            if self._claim(lease.token):
                self._follow(lease)
            else:
                self._source.leases.renew(lease)
        except LeaseLostError:
            return
        except UNAVAILABLE as error:
            outage.report(lease.token, error, self._extra)

    def _claim(self, token: str) -> bool:
        with self._changing:
            if token in self._owned:
                return False
            self._owned[token] = None
            return True

    def _forget(self, token: str) -> None:
        with self._changing:
            self._owned.pop(token, None)

    def _follow(self, lease: Lease) -> None:
        try:
            acquired = self._source.leases.acquire(lease)
        except (LeaseLostError, *UNAVAILABLE):
            # The answer may have got lost after the lease was written.
            with contextlib.suppress(LeaseLostError, *UNAVAILABLE):
                self._source.leases.release(lease)
            self._forget(lease.token)
            raise
        trigger, source = self._subscription.trigger, self._source
        held = HeldLease(source.leases, acquired, renew_seconds=trigger.renew_seconds)
        reader = RangeReader(source.container, source.ranges, trigger, acquired, rid=source.rid)
        handover = Handover(self._replace, lambda: self._forget(lease.token))
        follower = Follower(self._subscription, reader, held, handover)
        with self._changing:
            self._owned[lease.token] = follower
        follower.start()

    def _replace(self, lease: Lease, continuation: str | None) -> None:
        """Write the leases that follow one whose range is gone, take them all, and delete it.

        A host that dies in between leaves the old lease behind, and the next owner does this again.
        """
        source = self._source
        new = successors.find(lease, source.ranges.read(lease.low, lease.high))
        properties = lease.document.get("properties")
        made = [source.leases.create(each, continuation, properties) for each in new]
        for each in made:
            if each is not None and not self._subscription.stopping.is_set():
                self.take(each)
        if new:
            source.leases.delete(lease)
            what = "was split" if len(new) > 1 else "is part of a larger partition after a merge"
            _log.warning("the range of lease %s %s", lease.token, what, extra=self._extra)
