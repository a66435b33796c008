"""Answer the host's own endpoints: its status, its functions, and a timer that is run by hand."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version

from aiohttp import web

from local.functions.app import Function
from local.functions.keys import Keys
from local.functions.timers import Timer

_Answer = Callable[[web.Request], Awaitable[web.Response]]


class Admin:
    """Hold what the endpoints under /admin tell and do; all of them ask for the admin key."""

    def __init__(self, functions: Sequence[Function], timers: Mapping[str, Timer], keys: Keys) -> None:
        self._functions = {function.name: function for function in functions}
        self._timers = timers
        self._keys = keys
        self._started = time.monotonic()

    @property
    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints."""
        return [
            web.get("/admin/host/status", self._guard(self._status)),
            web.get("/admin/functions", self._guard(self._list)),
            web.get("/admin/functions/{name}", self._guard(self._show)),
            web.post("/admin/functions/{name}", self._guard(self._run)),
        ]

    def _guard(self, answer: _Answer) -> _Answer:
        async def guarded(request: web.Request) -> web.Response:
            if not self._keys.admits(request, only_admin=True):
                return web.Response(status=401)
            return await answer(request)

        return guarded

    async def _status(self, _: web.Request) -> web.Response:
        uptime = round((time.monotonic() - self._started) * 1000)
        library = version("azure-functions")
        return web.json_response(
            {"id": "local", "state": "Running", "version": f"local, azure-functions {library}", "processUptime": uptime}
        )

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response([_describe(function) for function in self._functions.values()])

    async def _show(self, request: web.Request) -> web.Response:
        function = self._functions.get(request.match_info["name"])
        return web.Response(status=404) if function is None else web.json_response(_describe(function))

    async def _run(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._functions:
            return web.Response(status=404)
        if name not in self._timers:
            return web.Response(status=400, text=f"This host runs only timers by hand, and {name} is none.")
        self._timers[name].run_by_hand()
        return web.Response(status=202)


def _describe(function: Function) -> dict[str, object]:
    return {"name": function.name, "config": {"bindings": function.bindings}, "isDisabled": False, "language": "python"}
