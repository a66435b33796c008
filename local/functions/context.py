"""Build the context argument of an invocation."""

import re
import secrets
import threading

import azure.functions as func
from azure.functions import _abc

# A W3C traceparent: version, trace, span and flags.
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")


class _TraceContext(_abc.TraceContext):
    def __init__(self, caller: str | None) -> None:
        found = _TRACEPARENT.fullmatch(caller or "")
        trace, flags = found.groups() if found else (secrets.token_hex(16), "00")
        self._parent = f"00-{trace}-{secrets.token_hex(8)}-{flags}"

    @property
    def trace_state(self) -> str:
        return ""

    @property
    def trace_parent(self) -> str:
        return self._parent

    @property
    def attributes(self) -> dict[str, str]:
        return {}


class _Failure(_abc.RpcException):
    def __init__(self, error: BaseException | None) -> None:
        self._error = error

    @property
    def source(self) -> str:
        return ""

    @property
    def stack_trace(self) -> str:
        return ""

    @property
    def message(self) -> str:
        return "" if self._error is None else f"{type(self._error).__name__}: {self._error}"


class RetryContext(_abc.RetryContext):
    """Say which attempt of a batch this is, and why the one before it failed."""

    def __init__(self, *, retry_count: int = 0, max_retry_count: int = 0, error: BaseException | None = None) -> None:
        self._retry_count = retry_count
        self._max_retry_count = max_retry_count
        self._failure = _Failure(error)

    @property
    def retry_count(self) -> int:
        """Return how many attempts came before this one."""
        return self._retry_count

    @property
    def max_retry_count(self) -> int:
        """Return how many retries the policy admits; -1 is no limit."""
        return self._max_retry_count

    @property
    def exception(self) -> _abc.RpcException:
        """Return the failure of the attempt before."""
        return self._failure


class Context(func.Context):
    """Tell a function about the invocation that it runs in."""

    _local = threading.local()

    def __init__(
        self,
        *,
        function_name: str,
        invocation_id: str,
        directory: str,
        retry: RetryContext,
        caller: str | None = None,
    ) -> None:
        self._function_name = function_name
        self._invocation_id = invocation_id
        self._directory = directory
        self._retry = retry
        self._trace = _TraceContext(caller)

    @property
    def invocation_id(self) -> str:
        """Return the identifier of this invocation."""
        return self._invocation_id

    @property
    def thread_local_storage(self) -> type[threading.local]:
        """Return the storage by which threads of the app may name their invocation."""
        return self._local  # type: ignore[return-value]

    @property
    def function_name(self) -> str:
        """Return the name of the function."""
        return self._function_name

    @property
    def function_directory(self) -> str:
        """Return the folder of the app."""
        return self._directory

    @property
    def trace_context(self) -> _abc.TraceContext:
        """Return the trace of the caller's header `traceparent`, else one of its own."""
        return self._trace

    @property
    def retry_context(self) -> _abc.RetryContext:
        """Return the counts of the retry policy."""
        return self._retry
