"""Let tests and demos change what happens: splits, faults, throttling, time; and let them count."""

import asyncio
import json
import threading
from typing import Any

from local.cosmos import spoiling, values
from local.cosmos.access import Access
from local.cosmos.budget import TOO_MANY_REQUESTS
from local.cosmos.clock import SettableClock
from local.cosmos.counters import Counters
from local.cosmos.faults import RETRY_AFTER_MS, Fault, Rate
from local.cosmos.hold import Hold
from local.cosmos.matching import Match, Request
from local.cosmos.store import Account
from local.cosmos.transaction import Transaction
from local.cosmos.values import JsonObject


class Controls:
    """Control one account; every method may be called from any thread.

    Requests are matched by `method`, by `path`, a pattern searched in /dbs/NAME/colls/NAME/docs/ID/, and by
    `operation`, one of `routes.name`.
    """

    def __init__(self, account: Account, clock: SettableClock, lock: threading.RLock) -> None:
        self.clock = clock
        self.counters = Counters()
        self.spoils = False
        self.access = Access()
        self._account = account
        self._lock = lock
        self._faults: list[Fault] = []
        self._rates: list[Rate] = []
        self._holds: list[Hold] = []

    def list_ranges(self, database: str, container: str) -> list[str]:
        """Return the ids of a container's physical partitions, in the order of their ranges."""
        with self._lock:
            return [partition.id for partition in self._account.container(database, container).partitions]

    def split(self, database: str, container: str, range_id: str = "0", *, pieces: int = 2) -> list[str]:
        """Split a physical partition and name its children."""
        with self._lock:
            children = self._account.container(database, container).split(range_id, pieces)
            return [child.id for child in children]

    def merge(self, database: str, container: str, range_id: str = "0") -> str:
        """Merge a physical partition with the next one and name the one that takes their place."""
        with self._lock:
            return self._account.container(database, container).merge(range_id).id

    def write(self, database: str, container: str, document: JsonObject) -> JsonObject:
        """Upsert a document without a request, which costs a client far more than it costs the server; return it."""
        with self._lock:
            found = self._account.container(database, container)
            value = values.parse(json.dumps(document).encode())
            transaction = Transaction(found, found.definition.from_document(value))
            written, _ = transaction.upsert(value)
            transaction.commit()
            return dict(json.loads(written.text()))

    def spoil(self, database: str, container: str, document_id: str, partition_key: list[Any], name: str) -> None:
        """Send one text of a document as bytes that are no UTF-8, until the document is written again."""
        with self._lock:
            found = self._account.container(database, container)
            spoiling.spoil(found, document_id, json.dumps(partition_key), name)
            self.spoils = True

    def fail(
        self,
        status: int,
        *,
        substatus: int = 0,
        times: int = 1,
        share: float = 1.0,
        method: str | None = None,
        path: str = "",
        operation: str | None = None,
    ) -> Fault:
        """Refuse the next requests that match, unexecuted; or a share of them."""
        match = Match(method=method, path=path, operation=operation)
        return self._add(Fault(match, times, status=status, substatus=substatus, share=share))

    def throttle(
        self,
        times: int = 1,
        *,
        share: float = 1.0,
        retry_after_ms: int = RETRY_AFTER_MS,
        method: str | None = None,
        path: str = "",
        operation: str | None = None,
    ) -> Fault:
        """Answer 429 to the next requests that match, or to a share of them, and say when to come again."""
        match = Match(method=method, path=path, operation=operation)
        return self._add(Fault(match, times, status=TOO_MANY_REQUESTS, share=share, retry_after_ms=retry_after_ms))

    def delay(
        self,
        seconds: float,
        *,
        times: int = 1,
        method: str | None = None,
        path: str = "",
        operation: str | None = None,
    ) -> Fault:
        """Let the next requests that match wait before they are executed."""
        return self._add(Fault(Match(method=method, path=path, operation=operation), times, seconds=seconds))

    def drop(
        self,
        *,
        times: int = 1,
        executed: bool = False,
        share: float = 1.0,
        method: str | None = None,
        path: str = "",
        operation: str | None = None,
    ) -> Fault:
        """Close the connection of the next requests that match, or of a share, without an answer; `executed` or not."""
        match = Match(method=method, path=path, operation=operation)
        return self._add(Fault(match, times, drop=True, executed=executed, share=share))

    def limit(
        self,
        *,
        requests: float | None = None,
        request_units: float | None = None,
        method: str | None = None,
        path: str = "",
        operation: str | None = None,
    ) -> None:
        """Answer 429 to what exceeds so many requests, or request units, per second."""
        match = Match(method=method, path=path, operation=operation)
        self._rates = [*self._rates, Rate(match, requests=requests, request_units=request_units)]

    def hold(self, loop: asyncio.AbstractEventLoop, match: Match) -> Hold:
        """Hold the requests that match until released."""
        hold = Hold(match, loop)
        self._holds = [*(other for other in self._holds if not other.released), hold]
        return hold

    def clear(self) -> None:
        """End all faults and limits and release what is held."""
        self._faults = []
        self._rates = []
        for hold in self._holds:
            hold.release()

    def count_hits(self) -> list[int]:
        """Count the requests that each fault has met, in the order in which the faults were asked for."""
        with self._lock:
            return [fault.hits for fault in self._faults]

    def holds_of(self, request: Request) -> list[Hold]:
        """List what holds a request."""
        return [hold for hold in self._holds if hold.matches(request)]

    def faults_of(self, request: Request) -> list[Fault]:
        """Take the faults that a request meets."""
        with self._lock:
            met = [fault for fault in self._faults if fault.meets(request)]
            self._faults = [fault for fault in self._faults if fault.hits < fault.times]
        return met

    def admit(self, request: Request) -> None:
        """Raise 403 for a write that is refused, and 429 when a limit is exceeded."""
        self.access.check(request)
        for rate in self._rates:
            rate.admit(request)

    def account_for(self, request: Request, *, refused: bool, documents: int, charge: float) -> None:
        """Count a request that was answered, and charge what was executed to the limits."""
        self.counters.add(request.operation, refused=refused, documents=documents, charge=charge)
        for rate in () if refused else self._rates:
            rate.spend(request, charge)

    def _add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault
