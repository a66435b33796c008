"""Run invocations as one worker process does, and end it as the host ends a worker."""

import asyncio
import contextlib
import ctypes
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from typing import Any

from azure.functions.meta import Datum

Answer = Future[Datum | None]


class WorkerEndedError(Exception):
    """Say why a worker was ended while an invocation ran in it."""


class Worker:
    """Run sync functions in one thread pool and async functions on one event loop."""

    def __init__(self, *, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="invocation")
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="async invocations", daemon=True).start()
        self._threads: dict[Answer, int] = {}
        self._running: set[Answer] = set()

    @property
    def running(self) -> int:
        """Count the invocations that were started and have not ended."""
        return len(self._running)

    def run(self, call: Callable[[], Datum | None]) -> Answer:
        """Run a sync function."""
        answer = self._admit()

        def run() -> Datum | None:
            self._threads[answer] = threading.get_ident()
            try:
                return call()
            finally:
                del self._threads[answer]

        self._pool.submit(run).add_done_callback(lambda done: _settle(answer, done))
        return answer

    def run_async(self, call: Coroutine[Any, Any, Datum | None]) -> Answer:
        """Run an async function."""
        answer = self._admit()
        asyncio.run_coroutine_threadsafe(call, self._loop).add_done_callback(lambda done: _settle(answer, done))
        return answer

    def end(self, error: Callable[[Answer], BaseException]) -> None:
        """Fail whatever runs; a thread cannot be killed, so that its code goes on to its next Python instruction."""
        for answer in list(self._running):
            with contextlib.suppress(InvalidStateError):  # it has just returned
                answer.set_exception(error(answer))
        self.close()
        for thread in list(self._threads.values()):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(SystemExit))
        self._loop.call_soon_threadsafe(self._cancel_all)

    def close(self) -> None:
        """Accept no more invocations."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _admit(self) -> Answer:
        answer: Answer = Future()
        self._running.add(answer)
        answer.add_done_callback(self._running.discard)
        return answer

    def _cancel_all(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()


def _settle(answer: Answer, done: Answer) -> None:
    with contextlib.suppress(InvalidStateError):  # the worker was ended meanwhile
        if done.cancelled():
            answer.set_exception(WorkerEndedError("the host stops"))
        elif (error := done.exception()) is not None:
            answer.set_exception(error)
        else:
            answer.set_result(done.result())
