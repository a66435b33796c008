"""Serve HTTP functions."""

import asyncio
import errno
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web
from azure.functions.meta import Datum

from local.functions import routes
from local.functions.app import Function
from local.functions.errors import HostError
from local.functions.invoke import Invoker
from local.functions.keys import Keys
from local.functions.routes import Route, RouteError

_log = logging.getLogger(__name__)
_HOST = "127.0.0.1"
_LARGEST_BODY = 100 * 1024 * 1024
_RESERVED = ("admin", "runtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Hold which requests one function answers."""

    function: Function
    route: Route
    methods: frozenset[str]
    auth_level: str


def read_endpoint(function: Function, route_prefix: str) -> Endpoint:
    """Read the trigger of an HTTP function."""
    trigger = function.trigger
    template = trigger.get("route") or function.name
    if template.strip("/").lower().startswith(_RESERVED):
        raise HostError(
            f"function {function.name}: the route {template!r} begins with admin or runtime, which the host keeps"
        )
    try:
        route = routes.parse(route_prefix, template)
    except RouteError as error:
        raise HostError(f"function {function.name}: {error}") from None
    return Endpoint(
        function=function,
        route=route,
        methods=frozenset(str(method).upper() for method in trigger.get("methods") or ()),
        auth_level=str(trigger.get("authLevel") or "function").lower(),
    )


def refuse_conflicts(endpoints: Sequence[Endpoint]) -> None:
    """Refuse two functions that answer the same requests."""
    for number, endpoint in enumerate(endpoints):
        for other in endpoints[:number]:
            if _share_route(endpoint, other) and _share_method(endpoint, other):
                name, taken_by = endpoint.function.name, other.function.name
                raise HostError(f"function {name}: its route conflicts with that of function {taken_by}")


def _share_route(one: Endpoint, other: Endpoint) -> bool:
    return one.route.template.lower() == other.route.template.lower()


def _share_method(one: Endpoint, other: Endpoint) -> bool:
    return not one.methods or not other.methods or bool(one.methods & other.methods)


class HttpServer:
    """Answer requests on one port with the functions that declare their routes."""

    def __init__(
        self,
        endpoints: list[Endpoint],
        *,
        keys: Keys,
        invoker: Invoker,
        grace_seconds: float,
        answer_seconds: float,
        more_routes: Sequence[web.RouteDef] = (),
    ) -> None:
        self._endpoints = sorted(endpoints, key=lambda endpoint: endpoint.route.rank)
        self._keys = keys
        self._invoker = invoker
        self._answer_seconds = answer_seconds
        application = web.Application(client_max_size=_LARGEST_BODY)
        application.add_routes(more_routes)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=grace_seconds)

    async def start(self, port: int) -> int:
        """Listen, and return the port."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, _HOST, port).start()
        except OSError as error:
            await self._runner.cleanup()
            reason = (
                "is in use, choose another with --port"
                if error.errno == errno.EADDRINUSE
                else f"cannot be opened: {error.strerror}"
            )
            raise HostError(f"port {port} {reason}") from None
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Accept no more requests, and give those that run the time to end."""
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        reason = "404: no function has a route for the path of a request, --list shows their URLs"
        for endpoint in self._endpoints:
            parameters = endpoint.route.match(request.rel_url.raw_path)
            if parameters is None:
                continue
            if endpoint.methods and request.method not in endpoint.methods:
                reason = f"404: {endpoint.function.name} answers {_list(endpoint.methods)}, not {request.method}"
                continue
            if not self._admits(endpoint, request):
                _log.info("401: a request without a key that opens it", extra={"function": endpoint.function.name})
                return web.Response(status=401)
            return await self._invoke(endpoint.function, request, parameters)
        _log.info(reason)
        return web.Response(status=404)

    def _admits(self, endpoint: Endpoint, request: web.Request) -> bool:
        if endpoint.auth_level == "anonymous":
            return True
        return self._keys.admits(request, only_admin=endpoint.auth_level == "admin")

    async def _invoke(self, function: Function, request: web.Request, parameters: dict[str, str]) -> web.Response:
        future = self._invoker.submit(function, await _read(request, parameters))
        answer = asyncio.wrap_future(future)
        # The invoker logs how it ends; asyncio would quote an exception that nobody asks for.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait([answer], timeout=self._answer_seconds)
        if not answer.done():
            # The function goes on, as it does behind the load balancer of Azure.
            _log.warning("no answer within %g s", self._answer_seconds, extra={"function": function.name})
            return web.Response(status=504)
        if answer.exception() is not None:
            return web.Response(status=500)
        return _write(answer.result())


def _list(methods: frozenset[str]) -> str:
    return ", ".join(sorted(methods))


async def _read(request: web.Request, parameters: dict[str, str]) -> Datum:
    query = {name: ",".join(request.query.getall(name)) for name in request.query}
    content = {
        "method": Datum(request.method, "string"),
        "url": Datum(str(request.url), "string"),
        "headers": {name.lower(): Datum(",".join(request.headers.getall(name)), "string") for name in request.headers},
        "query": {name: Datum(value, "string") for name, value in query.items() if value},
        "params": {name: Datum(value, "string") for name, value in parameters.items()},
        "body": Datum(await request.read(), "bytes"),
    }
    return Datum(content, "http")


def _write(answer: Datum | None) -> web.Response:
    if answer is None:
        return web.Response(status=204)
    if answer.type == "string":
        return web.Response(text=answer.value)
    content = answer.value
    response = web.Response(status=int(content["status_code"].value), body=content["body"].value)
    for name, value in content["headers"].items():
        response.headers[name] = value.value
    for cookies in content["cookies"] or ():
        for morsel in cookies.values():
            response.headers.add("Set-Cookie", morsel.OutputString())
    return response
