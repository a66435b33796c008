"""Put the parts of a task hub together, and run it."""

import hashlib
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import web

from local.functions.durable import urls
from local.functions.durable.client import Client
from local.functions.durable.declared import DurableFunctions
from local.functions.durable.dispatcher import Dispatcher
from local.functions.durable.endpoints import Endpoints
from local.functions.durable.options import Options
from local.functions.durable.store import Store
from local.functions.durable.urls import Urls
from local.functions.invoke import Invoker
from local.functions.keys import Keys
from local.functions.locks import HostLock

_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubPlan:
    """Hold what a task hub is to run."""

    options: Options
    functions: DurableFunctions


class TaskHub:
    """Run the orchestrations of an app, and let it and others reach them over HTTP."""

    def __init__(self, planned: HubPlan, *, state: Path, invoker: Invoker, keys: Keys) -> None:
        path = state / f"{planned.options.hub_name.lower()}.sqlite"
        self._store = Store(path)
        place = HostLock(state, f"hub-{planned.options.hub_name.lower()}")
        self._dispatcher = Dispatcher(self._store, place, planned.functions, planned.options, invoker)
        client = Client(self._store, planned.functions, self._dispatcher.wake)
        self._endpoints = Endpoints(client, lambda: self._urls)
        self._urls = Urls(origin="", rpc_origin="", hub_name=planned.options.hub_name, key=keys.function)
        self._keys = keys

    @property
    def webhooks(self) -> list[web.RouteDef]:
        """Return the routes for everyone who has the key."""
        return self._endpoints.routes(urls.WEBHOOKS, keys=self._keys)

    async def start(self, port: int) -> None:
        """Listen to the app on a port of its own, and begin to run what waits."""
        application = web.Application()
        application.add_routes(self._endpoints.routes(urls.RPC, keys=None))
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, _HOST, 0).start()
        rpc_port = self._runner.addresses[0][1]
        origin = f"http://{_HOST}:{port}"
        self._urls = replace(self._urls, origin=origin, rpc_origin=f"http://{_HOST}:{rpc_port}")
        self._dispatcher.start()

    def client_input(self) -> str:
        """Return the text of a durable client input."""
        return self._urls.binding()

    def stop(self) -> None:
        """Begin nothing more."""
        self._dispatcher.stop()

    def join(self, deadline: float) -> None:
        """Wait for what runs, and save how it ends."""
        self._dispatcher.join(deadline)


def default_state(root: Path) -> Path:
    """Return the folder in which the state of an app is kept unless another is named."""
    user = str(getattr(os, "getuid", lambda: "")())
    digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"local-functions-{user}" / digest
