"""Answer every request in time, whatever is away."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from http import HTTPStatus

from pydantic import BaseModel

from cdc.api.answers import Answer, answer, refuse
from cdc.core.deadline import Deadline
from cdc.core.errors import TransientError

# Requests must not use the worker's threads: feeds and activities may hold all of them while a store is away.
_THREADS = 16
# The work gets less time than the answer, so that it can say itself what did not answer. The rest is for the host.
_WORK, _ANSWER = 0.8, 0.9
_BUSY = "Too many requests wait at the same time: try again in a moment."
_LATE = "A store did not answer in time: GET /api/health/ready says which one."

Make = Callable[[], BaseModel]


class Requests:
    """Does the work of requests in threads of its own; every answer comes within `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="request")
        self._shared: dict[str, Future[Answer]] = {}

    async def answer(
        self,
        make: Make,
        status: int = HTTPStatus.OK,
        *,
        look: str | None = None,
        shared: str | None = None,
        then: Callable[[int], Awaitable[None]] | None = None,
    ) -> Answer:
        """Answer with the model that `make` returns, with its error, or with 503 when the time is over.

        `look` says where to see the change that a request makes. Requests with the same `shared` wait for one work.
        `then` is called with the status of the answer, as long as time is left.
        """
        until = Deadline(self._seconds * _WORK)
        work = self._start(shared, until, lambda: answer(make, status, look=look))
        waiting = asyncio.wrap_future(work)
        # asyncio would log a later failure that nobody reads, with its values.
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait([waiting], timeout=self._seconds * _ANSWER)
        if not waiting.done() or waiting.cancelled():
            error = TransientError(_BUSY if work.cancel() else _LATE)
            return refuse(error, until.close(), look)
        made = waiting.result()
        if then is not None:
            with suppress(TimeoutError), until.applies():
                async with asyncio.timeout(until.remaining()):
                    await then(made.status)
        return made

    def close(self) -> None:
        """Start nothing any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _start(self, shared: str | None, until: Deadline, work: Callable[[], Answer]) -> Future[Answer]:
        running = None if shared is None else self._shared.get(shared)
        if running is not None and not running.done():
            return running
        # The context names the function in the log.
        started = self._threads.submit(copy_context().run, _work, until, work)
        if shared is not None:
            self._shared[shared] = started
        return started


def _work(until: Deadline, work: Callable[[], Answer]) -> Answer:
    with until.applies():
        return work()
