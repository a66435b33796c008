"""Invoke functions: convert payloads, run in the thread pool or on the loop, retry by policy."""

import asyncio
import inspect
import itertools
import logging
import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum, auto
from typing import Any

from azure.functions.meta import Datum, get_binding_registry

from local.functions.app import Function
from local.functions.context import Context, RetryContext
from local.functions.log import current_function

_log = logging.getLogger(__name__)


class Outcome(Enum):
    """Say how an invocation with its retries ended."""

    SUCCEEDED = auto()
    FAILED = auto()
    ABANDONED = auto()


class Invoker:
    """Run sync functions in one thread pool and async functions on one event loop, as the worker does."""

    def __init__(self, *, threads: int, stopping: threading.Event) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="invocation")
        self._loop = asyncio.new_event_loop()
        self._loop_thread = threading.Thread(target=self._loop.run_forever, name="async invocations", daemon=True)
        self._loop_thread.start()
        self._stopping = stopping
        self._running: set[Future[Datum | None]] = set()

    def submit(self, function: Function, payload: Datum, retry: RetryContext | None = None) -> "Future[Datum | None]":
        """Start an invocation and return its coming answer."""
        invocation_id = str(uuid.uuid4())
        arguments = (function, payload, invocation_id, retry or RetryContext())
        started = time.monotonic()
        if inspect.iscoroutinefunction(function.call):
            future = asyncio.run_coroutine_threadsafe(_call_async(*arguments), self._loop)
        else:
            future = self._pool.submit(_call, *arguments)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        future.add_done_callback(lambda done: _report(function, done, time.monotonic() - started))
        return future

    def run(self, function: Function, payload: Datum) -> Outcome:
        """Invoke a function until it returns, its retries are spent, or the host stops."""
        policy = function.retry
        error: BaseException | None = None
        for retry_count in itertools.count():
            limit = policy.max_retry_count if policy else 0
            retry = RetryContext(retry_count=retry_count, max_retry_count=limit, error=error)
            error = self.submit(function, payload, retry).exception()
            if error is None:
                return Outcome.SUCCEEDED
            if self._stopping.is_set():
                return Outcome.ABANDONED
            if policy is None or policy.is_spent(retry_count):
                return Outcome.FAILED
            if self._stopping.wait(policy.delay(retry_count)):
                return Outcome.ABANDONED
        raise AssertionError

    def close(self) -> None:
        """Accept no more invocations."""
        if self._running:
            _log.warning("%d invocations did not end within the grace period", len(self._running))
        self._pool.shutdown(wait=False, cancel_futures=True)


def _call(function: Function, payload: Datum, invocation_id: str, retry: RetryContext) -> Datum | None:
    token = current_function.set(function.name)
    try:
        return _encode(function, function.call(**_arguments(function, payload, invocation_id, retry)))
    finally:
        current_function.reset(token)


async def _call_async(function: Function, payload: Datum, invocation_id: str, retry: RetryContext) -> Datum | None:
    current_function.set(function.name)
    return _encode(function, await function.call(**_arguments(function, payload, invocation_id, retry)))


def _arguments(function: Function, payload: Datum, invocation_id: str, retry: RetryContext) -> dict[str, Any]:
    arguments = {function.trigger["name"]: _decode(function, payload)}
    if function.takes_context:
        arguments["context"] = Context(
            function_name=function.name,
            invocation_id=invocation_id,
            directory=function.directory,
            retry=retry,
        )
    return arguments


def _decode(function: Function, payload: Datum) -> Any:
    if function.takes_text:
        return payload.value
    converter = get_binding_registry().get(function.trigger["type"])  # type: ignore[no-untyped-call]
    return converter.decode(payload, trigger_metadata={})


def _encode(function: Function, result: Any) -> Datum | None:
    if result is None:
        return None
    if function.output is None:
        raise RuntimeError(f"function {function.name} without a $return binding returned a non-None value")
    converter = get_binding_registry().get(function.output["type"])  # type: ignore[no-untyped-call]
    try:
        encoded: Datum = converter.encode(result, expected_type=None)
    except NotImplementedError:
        raise TypeError(
            f"a value of type {type(result).__name__} is no answer of an {function.output['type']}"
        ) from None
    return encoded


def _report(function: Function, done: "Future[Datum | None]", seconds: float) -> None:
    error = None if done.cancelled() else done.exception()
    extra = {"function": function.name}
    if error is None:
        _log.info("succeeded in %.3f s", seconds, extra=extra)
    else:
        _log.error("failed in %.3f s", seconds, exc_info=error, extra=extra)
