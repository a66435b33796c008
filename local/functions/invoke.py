"""Invoke functions: convert payloads, run in the thread pool or on the loop, retry by policy."""

import functools
import inspect
import itertools
import logging
import threading
import time
import uuid
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from azure.functions.meta import Datum, get_binding_registry

from local.functions.app import Function
from local.functions.context import Context, RetryContext
from local.functions.log import current_function
from local.functions.worker import Answer, Worker, WorkerEndedError

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)


class Outcome(Enum):
    """Say how an invocation with its retries ended."""

    SUCCEEDED = auto()
    FAILED = auto()
    ABANDONED = auto()


class FunctionTimeoutError(Exception):
    """Say that an invocation took longer than functionTimeout admits."""


class Invoker:
    """Run invocations in a worker, and put a new worker in its place when one of them takes too long."""

    def __init__(self, *, threads: int, stopping: threading.Event, timeout: float | None = None) -> None:
        self._threads = threads
        self._stopping = stopping
        self._timeout = timeout
        self._worker = Worker(threads=threads)
        self._replacing = threading.Lock()
        self._started: dict[Answer, tuple[Function, float]] = {}
        self.make_client_input: Callable[[], str] = lambda: ""
        self.on_new_worker: Callable[[], None] = lambda: None
        if timeout is not None:
            threading.Thread(target=self._watch, args=(timeout,), name="function timeout", daemon=True).start()

    def submit(self, function: Function, payload: Datum, retry: RetryContext | None = None) -> Answer:
        """Start an invocation and return its coming answer."""
        invocation_id = str(uuid.uuid4())
        clients = {name: self.make_client_input() for name in function.durable_clients}
        arguments = (function, payload, invocation_id, retry or RetryContext(), clients)
        started = time.monotonic()
        with self._replacing:
            if inspect.iscoroutinefunction(function.call):
                answer = self._worker.run_async(_call_async(*arguments))
            else:
                answer = self._worker.run(functools.partial(_call, *arguments))
            self._started[answer] = function, started
        answer.add_done_callback(self._started.pop)
        answer.add_done_callback(lambda done: _report(function, done, time.monotonic() - started))
        return answer

    def run(self, function: Function, payload: Datum, *, cancelled: threading.Event | None = None) -> Outcome:
        """Invoke a function until it returns, its retries are spent, or it is cancelled: by default as the host stops.

        What runs then runs to its end; it is not tried again.
        """
        ended = cancelled or self._stopping
        policy = function.retry
        error: BaseException | None = None
        for retry_count in itertools.count():
            limit = policy.max_retry_count if policy else 0
            retry = RetryContext(retry_count=retry_count, max_retry_count=limit, error=error)
            error = self.submit(function, payload, retry).exception()
            if error is None:
                return Outcome.SUCCEEDED
            if ended.is_set():
                return Outcome.ABANDONED
            if policy is None or policy.is_spent(retry_count):
                return Outcome.FAILED
            delay = policy.delay(retry_count)
            count = f"{retry_count + 1} of {limit}" if limit > 0 else f"{retry_count + 1}"
            _log.info("trying again in %.1f s, retry %s", delay, count, extra={"function": function.name})
            if ended.wait(delay):
                return Outcome.ABANDONED
        raise AssertionError

    def close(self) -> None:
        """Accept no more invocations."""
        if running := self._worker.running:
            _log.warning("%d invocation(s) did not end within the grace period", running)
        self._worker.close()

    def _watch(self, timeout: float) -> None:
        while True:
            time.sleep(min(1.0, timeout / 4))
            latest = time.monotonic() - timeout
            overdue = {answer for answer, (_, started) in list(self._started.items()) if started < latest}
            if overdue:
                self._replace_worker(overdue, timeout)

    def _replace_worker(self, overdue: set[Answer], timeout: float) -> None:
        names = ", ".join(sorted({self._started[answer][0].name for answer in overdue if answer in self._started}))
        _log.error(
            "%s ran for longer than functionTimeout, %g s: the worker and all that runs in it end", names, timeout
        )

        def explain(answer: Answer) -> BaseException:
            if answer in overdue:
                return FunctionTimeoutError(f"the invocation ran for longer than functionTimeout, {timeout:g} s")
            return WorkerEndedError(f"the worker was ended, because {names} ran for longer than functionTimeout")

        with self._replacing:
            ended, self._worker = self._worker, Worker(threads=self._threads)
            self.on_new_worker()
        ended.end(explain)


def _call(
    function: Function, payload: Datum, invocation_id: str, retry: RetryContext, clients: dict[str, str]
) -> Datum | None:
    token = current_function.set(function.name)
    try:
        return _encode(function, function.call(**clients, **_arguments(function, payload, invocation_id, retry)))
    finally:
        current_function.reset(token)


async def _call_async(
    function: Function, payload: Datum, invocation_id: str, retry: RetryContext, clients: dict[str, str]
) -> Datum | None:
    current_function.set(function.name)
    return _encode(function, await function.call(**clients, **_arguments(function, payload, invocation_id, retry)))


def _arguments(function: Function, payload: Datum, invocation_id: str, retry: RetryContext) -> dict[str, Any]:
    arguments = {function.trigger["name"]: _decode(function, payload)}
    if function.takes_context:
        arguments["context"] = Context(
            function_name=function.name,
            invocation_id=invocation_id,
            directory=function.directory,
            retry=retry,
            caller=_find_caller(payload),
        )
    return arguments


def _find_caller(payload: Datum) -> str | None:
    """Return the trace that a request belongs to, as its caller says."""
    header = payload.value["headers"].get("traceparent") if payload.type == "http" else None
    return None if header is None else str(header.value)


def _decode(function: Function, payload: Datum) -> Any:
    if function.takes_text:
        return payload.value
    converter = get_binding_registry().get(function.trigger["type"])  # type: ignore[no-untyped-call]
    return converter.decode(payload, trigger_metadata={})


def _encode(function: Function, result: Any) -> Datum | None:
    if result is None:
        return None
    if function.output is None:
        raise RuntimeError(
            f"function {function.name} without a $return binding returned a non-None value: let it return nothing"
        )
    converter = get_binding_registry().get(function.output["type"])  # type: ignore[no-untyped-call]
    try:
        encoded: Datum = converter.encode(result, expected_type=None)
    except NotImplementedError:
        raise TypeError(
            f"a value of type {type(result).__name__} is no answer: return a str or an azure.functions.HttpResponse"
        ) from None
    return encoded


def _report(function: Function, done: Answer, seconds: float) -> None:
    error = None if done.cancelled() else done.exception()
    extra = {"function": function.name}
    if error is None:
        _log.info("succeeded in %.3f s", seconds, extra=extra)
    else:
        _log.error("failed in %.3f s", seconds, exc_info=error, extra=extra)
