"""Write the changes of a campaign to Cosmos, as an application would, in a thread of its own."""

import random
import threading
import time
from collections.abc import Iterator, Mapping

from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.cosmos.exceptions import CosmosHttpResponseError

from campaigns.application import Application
from campaigns.planted import Identity, Planter, Write
from campaigns.stage import Stage
from local.sample import Source
from local.sample.values import Document

_SHARE_OF_CREATES = 0.4
# These are changed again and again, as games that are being played.
_BUSY = 12
_SHARE_OF_BUSY = 0.7


class Ledger:
    """Remember the newest version that Cosmos has of each document; any thread may write."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.newest: dict[Identity, str] = {}
        self.writes = 0
        self._lock = threading.Lock()

    def write(self, source: Source, container: str, document: Document) -> None:
        """Write a document until Cosmos says that it has it."""
        while True:
            try:
                etag = source.write(container, document)["_etag"]
            except (ServiceRequestError, ServiceResponseError):
                continue  # it may be written and it may not: write it again
            except CosmosHttpResponseError as error:
                if error.status_code not in (408, 429, 503):
                    raise
                continue
            with self._lock:
                self.newest[self._application.identify(container, document)] = etag
                self.writes += 1
            return


class Writer:
    """Write what the sample makes and what was planted; never runs ahead of what it is allowed."""

    def __init__(
        self, stage: Stage, ledger: Ledger, seed: int, planter: Planter, planted: Mapping[int, list[Write]], pace: float
    ) -> None:
        self.done = 0
        self.error: BaseException | None = None
        self._source, self._ledger = stage.source, ledger
        self._dice = random.Random(seed)
        application = stage.application
        self._sample = application.make_sample(seed, (*application.containers, *application.extra))
        self._busy = application.make_sample(~seed, application.containers)
        self._planter = planter
        self._planted = planted
        self._pace = pace
        self._allowed = 0
        self._moved = threading.Condition()

    def allow(self, changes: int) -> None:
        """Let it go on until so many changes are written."""
        with self._moved:
            self._allowed = changes
            self._moved.notify_all()

    def wait_for(self, changes: int) -> None:
        """Wait until so many changes are written."""
        with self._moved:
            self._moved.wait_for(lambda: self.done >= changes or self.error)
        if self.error:
            raise self.error

    def run(self, changes: int) -> None:
        """Write all changes, each in its turn."""
        try:
            stream = self._stream(changes - sum(map(len, self._planted.values())))
            for number in range(changes):
                with self._moved:
                    self._moved.wait_for(lambda: self.done < self._allowed)
                for write in [*self._planted.get(number, ()), *self._next(stream)]:
                    self._ledger.write(self._source, *write)
                with self._moved:
                    self.done = number + 1
                    self._moved.notify_all()
                time.sleep(self._dice.uniform(0, 2 / self._pace))
            for write in self._planter.restore([*self._sample.documents, *self._busy.documents]):
                self._ledger.write(self._source, *write)
        except BaseException as error:  # noqa: BLE001 - raised again where somebody waits
            with self._moved:
                self.error = error
                self._moved.notify_all()

    def _next(self, stream: Iterator[Write]) -> list[Write]:
        write = next(stream, None)
        return [] if write is None else [write]

    def _stream(self, changes: int) -> Iterator[Write]:
        created, busy = self._sample.create(changes), self._busy.create(_BUSY)
        for number in range(changes):
            if number < _BUSY:
                yield self._planter.adapt(*next(busy))
            elif number < changes / 10 or self._dice.random() < _SHARE_OF_CREATES:
                yield self._planter.adapt(*next(created))
            else:
                yield (self._busy if self._dice.random() < _SHARE_OF_BUSY else self._sample).change()
