"""Wait out a Cosmos account that cannot be reached."""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from azure.core.exceptions import AzureError, ServiceRequestError

from local.functions import log

_log = logging.getLogger(__name__)
_SHORTEST = 0.25
_LONGEST = 10.0
_TRANSIENT = {408, 503}
# The SDK answers some lasting failures with a bare KeyError, with a RecursionError while a range is gone, and with a
# RuntimeError when one thread changes the headers of the last answer while another one copies them.
UNAVAILABLE = (AzureError, KeyError, RuntimeError)

T = TypeVar("T")


class Outage:
    """Repeat calls until they succeed or the host stops; log the first failure and the recovery only."""

    def __init__(self, function: str, stopping: threading.Event) -> None:
        self._extra = {"function": function}
        self._stopping = stopping
        self._delay = 0.0

    def outlast(self, call: Callable[[], T], *, on_failure: Callable[[], None] = lambda: None) -> T | None:
        """Return what a call returns once it succeeds, or nothing when the host stops first."""
        while True:
            result = self.attempt(call)
            if not self._delay:
                return result
            on_failure()
            if self._stopping.wait(self._delay):
                return None

    def attempt(self, call: Callable[[], T]) -> T | None:
        """Return what a call returns, or nothing when it fails."""
        try:
            result = call()
        except UNAVAILABLE as error:
            self._note(error)
            return None
        self._recover()
        return result

    def _note(self, error: Exception) -> None:
        if not self._delay:
            _log.warning("Cosmos is not available, trying again: %s", _describe(error), extra=self._extra)
        self._delay = min(max(self._delay * 2, _SHORTEST), _LONGEST)

    def _recover(self) -> None:
        # At the end leases are given back: that says nothing of what could not be read.
        if self._delay and not self._stopping.is_set():
            _log.warning("Cosmos is available again", extra=self._extra)
        self._delay = 0.0


def report(lease: str, error: Exception, extra: dict[str, str]) -> None:
    """Say what ended the follower of a lease, in the words and at the levels of the real extension."""
    status = getattr(error, "status_code", None)
    if status is None or status in _TRANSIENT:
        text = "Lease %s experiencing transient connectivity issues. (%s)"
        _log.warning(text, lease, _describe(error), extra=extra)
    else:
        _log.error("Lease %s experienced an error during processing. (%s)", lease, _describe(error), extra=extra)


def _describe(error: Exception) -> str:
    if isinstance(error, ServiceRequestError):
        # It never left this machine: its text says where to and why not, and quotes no document.
        return log.summarize(error)
    status = getattr(error, "status_code", None)
    return f"{type(error).__name__} {status}" if status else type(error).__name__
