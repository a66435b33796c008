"""Run timer functions on their schedules."""

import json
import logging
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from azure.functions.meta import Datum

from local.functions.app import Function
from local.functions.cron import Cron
from local.functions.invoke import Invoker
from local.functions.locks import HostLock
from local.functions.triggers import TimerTrigger

_log = logging.getLogger(__name__)


class Timer:
    """Run one function again and again, never two at a time, in one of the hosts that run the app."""

    def __init__(
        self, function: Function, trigger: TimerTrigger, invoker: Invoker, stopping: threading.Event, state: Path
    ) -> None:
        self._function = function
        self._trigger = trigger
        self._invoker = invoker
        self._stopping = stopping
        self._last: datetime | None = None
        self._lock = HostLock(state, f"timer-{function.name}")
        self._is_standby = False
        self._by_hand: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._run, name=function.name, daemon=True)

    @property
    def name(self) -> str:
        """Return the name of the function."""
        return self._function.name

    def start(self) -> None:
        """Begin to wait in the background."""
        self._thread.start()

    def run_by_hand(self) -> None:
        """Run the function now, whatever its schedule says and whoever else runs it."""
        payload = self._payload(datetime.now(UTC))
        self._by_hand.append(threading.Thread(target=self._invoker.run, args=(self._function, payload), daemon=True))
        self._by_hand[-1].start()

    def join(self, deadline: float) -> None:
        """Wait for running invocations."""
        for thread in (self._thread, *self._by_hand):
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        if self._trigger.run_on_startup and self._has_lock():
            self._fire(datetime.now(UTC))
        while not self._stopping.is_set():
            due = self._trigger.schedule.next_after(datetime.now(UTC))
            # Whoever holds the lock runs the timer until it ends; another host asks again when it is due.
            if self._wait_until(due) and self._has_lock():
                self._fire(due)
        self._lock.release()

    def _has_lock(self) -> bool:
        has_lock = self._lock.acquire()
        if not has_lock and not self._is_standby:
            _log.warning("another host of this app runs the timer: this one waits", extra={"function": self.name})
        self._is_standby = not has_lock
        return has_lock

    def _wait_until(self, due: datetime) -> bool:
        while (seconds := (due - datetime.now(UTC)).total_seconds()) > 0:
            if self._stopping.wait(min(seconds, 3600)):
                return False
        return not self._stopping.is_set()

    def _fire(self, due: datetime) -> None:
        self._invoker.run(self._function, self._payload(due))
        self._last = due

    def _payload(self, due: datetime) -> Datum:
        last = self._last.isoformat() if self._last else "0001-01-01T00:00:00+00:00"
        upcoming = self._trigger.schedule.next_after(due).isoformat()
        content = {
            "Schedule": {"AdjustForDST": isinstance(self._trigger.schedule, Cron)},
            "ScheduleStatus": {"Last": last, "Next": upcoming, "LastUpdated": last},
            "IsPastDue": False,
        }
        return Datum(json.dumps(content), "json")
