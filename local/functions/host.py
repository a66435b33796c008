"""Run an app: start its triggers, wait for a signal, let running invocations end."""

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from local.functions import app, http, log, settings, triggers
from local.functions.admin import Admin
from local.functions.app import Function
from local.functions.change_feed import ChangeFeed
from local.functions.durable import declared, hub, options, session
from local.functions.durable.hub import HubPlan, TaskHub
from local.functions.errors import HostError
from local.functions.follower import Subscription
from local.functions.http import Endpoint, HttpServer
from local.functions.invoke import Invoker
from local.functions.keys import Keys
from local.functions.settings import HostJson
from local.functions.timers import Timer
from local.functions.triggers import CosmosTrigger, TimerTrigger

_log = logging.getLogger(__name__)
_GRACE_SECONDS = 10.0
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedApp:
    """Hold the functions of an app and the host.json beside them."""

    host_json: HostJson
    functions: list[Function]
    endpoints: list[Endpoint]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Hold what an app wants to run, with every setting resolved."""

    functions: list[Function]
    function_timeout: float | None
    endpoints: list[Endpoint]
    timers: list[tuple[Function, TimerTrigger]]
    change_feeds: list[tuple[Function, CosmosTrigger]]
    task_hub: HubPlan | None


def load(root: Path, *, settings_files: Sequence[str] = ("local.settings.json",)) -> LoadedApp:
    """Read an app: its host.json, its local settings and its functions; earlier settings files win."""
    host_json = settings.load_host_json(root)
    for file in settings_files:
        for name, value in settings.load_local_settings(root, file).items():
            os.environ.setdefault(name, value)
    functions = app.load(root, default_retry=host_json.retry)
    endpoints = [http.read_endpoint(found, host_json.route_prefix) for found in _of_type(functions, "httpTrigger")]
    http.refuse_conflicts(endpoints)
    return LoadedApp(host_json=host_json, functions=functions, endpoints=endpoints)


def plan(loaded: LoadedApp, environment: Mapping[str, str]) -> Plan:
    """Resolve the settings of every trigger, and refuse what cannot run."""
    timers = _of_type(loaded.functions, "timerTrigger")
    change_feeds = _of_type(loaded.functions, "cosmosDBTrigger")
    return Plan(
        functions=loaded.functions,
        function_timeout=loaded.host_json.function_timeout,
        endpoints=loaded.endpoints,
        timers=[(found, triggers.read_timer(found, environment)) for found in timers],
        change_feeds=[(found, triggers.read_cosmos(found, environment)) for found in change_feeds],
        task_hub=_plan_task_hub(loaded, environment),
    )


def _plan_task_hub(loaded: LoadedApp, environment: Mapping[str, str]) -> HubPlan | None:
    chosen = options.read(loaded.host_json.durable_task, environment)
    functions = declared.find(loaded.functions, chosen.hub_name)
    return None if functions is None else HubPlan(options=chosen, functions=functions)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Hold how the host runs whatever app it is given."""

    keys: Keys
    threads: int
    answer_seconds: float
    state: Path | None
    drains: bool
    lock_wait_seconds: float


class Host:
    """Run the functions of one app until it is told to stop."""

    def __init__(self, planned: Plan, given: RunOptions) -> None:
        self._stopping = threading.Event()
        self._cancelling = threading.Event()
        self._given = given
        self._stop_requested = asyncio.Event()
        self._keys = given.keys
        self._count = len(planned.endpoints) + len(planned.timers) + len(planned.change_feeds)
        self._invoker = Invoker(threads=given.threads, stopping=self._stopping, timeout=planned.function_timeout)
        state = given.state or hub.default_state(Path.cwd())
        self._task_hub = self._open_task_hub(planned.task_hub, state)
        self._timers = [Timer(*found, self._invoker, self._stopping, state) for found in planned.timers]
        self._http = HttpServer(
            planned.endpoints,
            keys=given.keys,
            invoker=self._invoker,
            grace_seconds=_GRACE_SECONDS,
            answer_seconds=given.answer_seconds,
            more_routes=[*self._admin_routes(planned), *(self._task_hub.webhooks if self._task_hub else ())],
        )
        self._change_feeds = [self._subscribe(*found) for found in planned.change_feeds]
        self._crash: BaseException | None = None

    async def run(self, port: int) -> None:
        """Serve until a signal, then let what runs end within the grace period."""
        self._listen_to_signals()
        threading.excepthook = self._on_crash
        chosen = await self._http.start(port)
        try:
            if self._task_hub:
                await self._task_hub.start(chosen)
            await self._start_change_feeds()
            if not self._stopping.is_set():
                for timer in self._timers:
                    timer.start()
                self._report_ready(chosen)
            await self._stop_requested.wait()
        finally:
            await self._stop()
        self._raise_failure()

    def _report_ready(self, port: int) -> None:
        keys = f"key {self._keys.function}, admin key {self._keys.admin}"
        print(f"functions: http://127.0.0.1:{port}/ ({self._count} functions, {keys})", flush=True)

    def _admin_routes(self, planned: Plan) -> list[web.RouteDef]:
        timers = {timer.name: timer for timer in self._timers}
        return Admin(planned.functions, timers, self._keys).routes

    def _open_task_hub(self, planned: HubPlan | None, state: Path) -> TaskHub | None:
        if planned is None:
            return None
        task_hub = TaskHub(planned, state=state, invoker=self._invoker, keys=self._keys)
        self._invoker.make_client_input = task_hub.client_input
        self._invoker.on_new_worker = session.renew
        self._count += planned.functions.count
        return task_hub

    def _subscribe(self, function: Function, trigger: CosmosTrigger) -> ChangeFeed:
        return ChangeFeed(
            Subscription(
                function=function,
                trigger=trigger,
                invoker=self._invoker,
                stopping=self._stopping,
                cancelling=self._cancelling,
                lock_wait_seconds=self._given.lock_wait_seconds,
            )
        )

    async def _start_change_feeds(self) -> None:
        for change_feed in self._change_feeds:
            change_feed.start(self._note_failure)
        await asyncio.to_thread(self._wait_until_reading)
        self._raise_failure()

    def _wait_until_reading(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        for change_feed in self._change_feeds:
            change_feed.wait_until_reading(deadline)

    def _raise_failure(self) -> None:
        for change_feed in self._change_feeds:
            if change_feed.failure is not None:
                raise change_feed.failure
        if isinstance(self._crash, HostError):
            raise self._crash
        if self._crash is not None:
            place = log.find_place_in_host(self._crash)
            raise HostError(f"the host failed: {log.summarize(self._crash)}{place}")

    def _listen_to_signals(self) -> None:
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        if self._stopping.is_set():
            os._exit(128 + number)
        self._request_stop()

    def _on_crash(self, crash: threading.ExceptHookArgs) -> None:
        if _is_of_host(crash):
            self._crash = crash.exc_value
            self._note_failure()
        elif crash.exc_type is not SystemExit:
            _log.error("a thread of the app failed", exc_info=crash.exc_value)

    def _note_failure(self) -> None:
        self._loop.call_soon_threadsafe(self._request_stop)

    def _request_stop(self) -> None:
        if not self._given.drains:
            self._cancelling.set()
        self._stopping.set()
        self._stop_requested.set()

    async def _stop(self) -> None:
        self._request_stop()
        deadline = time.monotonic() + _GRACE_SECONDS
        if self._task_hub:
            self._task_hub.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._http.stop(), _GRACE_SECONDS)
        await asyncio.to_thread(self._join, deadline)
        self._invoker.close()

    def _join(self, deadline: float) -> None:
        running: list[Timer | ChangeFeed | TaskHub] = [*self._timers, *self._change_feeds]
        if self._task_hub:
            running.append(self._task_hub)
        for found in running:
            found.join(deadline)


def _is_of_host(crash: threading.ExceptHookArgs) -> bool:
    frames = traceback.walk_tb(crash.exc_traceback)
    return any(str(frame.f_globals.get("__name__")).startswith("local.functions.") for frame, _ in frames)


def warn_about_dates(loaded: LoadedApp) -> None:
    """Say that the real host would rewrite dates, where host.json lets it."""
    if not loaded.host_json.keeps_date_strings and _of_type(loaded.functions, "cosmosDBTrigger"):
        _log.warning(
            "host.json does not set extensions.cosmosDB.serializerSettings.dateParseHandling to None: "
            "the real host rewrites strings that look like dates, this one does not"
        )


def _of_type(functions: list[Function], trigger_type: str) -> list[Function]:
    return [function for function in functions if function.trigger["type"] == trigger_type]
