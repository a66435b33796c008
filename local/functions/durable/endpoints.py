"""Answer the HTTP requests by which a task hub is used."""

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from local.functions.durable import status
from local.functions.durable.client import Client, RequestError
from local.functions.durable.instances import Instance, Status
from local.functions.durable.urls import Urls
from local.functions.keys import Keys

_Answer = Callable[[web.Request, bytes], web.Response | Awaitable[web.Response]]
_POLL_SECONDS = 0.05


class Endpoints:
    """Serve the same requests to the app itself, and with a key to everyone."""

    def __init__(self, client: Client, urls: Callable[[], Urls]) -> None:
        self._client = client
        self._urls = urls

    def routes(self, prefix: str, *, keys: Keys | None) -> list[web.RouteDef]:
        """Return the routes below a prefix, which demand one of the keys if there are any."""
        table: list[tuple[str, str, _Answer]] = [
            ("POST", "orchestrators/{name}", self._start),
            ("POST", "orchestrators/{name}/", self._start),
            ("POST", "orchestrators/{name}/{id}", self._start),
            ("GET", "instances", self._list),
            ("GET", "instances/", self._list),
            ("DELETE", "instances", self._purge_all),
            ("DELETE", "instances/", self._purge_all),
            ("GET", "instances/{id}", self._show),
            ("DELETE", "instances/{id}", self._purge),
            ("POST", "instances/{id}/raiseEvent/{event}", self._raise_event),
            ("POST", "instances/{id}/{operation}", self._operate),
        ]
        return [web.route(method, f"{prefix}/{path}", self._guard(answer, keys)) for method, path, answer in table]

    def _guard(self, answer: _Answer, keys: Keys | None) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if keys is not None and not keys.admits(request):
                return web.Response(status=401)
            try:
                self._check_hub(request)
                answered = await asyncio.to_thread(answer, request, await request.read())
                return answered if isinstance(answered, web.Response) else await answered
            except RequestError as error:
                return _refuse(error)

        return guarded

    def _check_hub(self, request: web.Request) -> None:
        hub_name = self._urls().hub_name
        other = request.query.get("taskHub") or hub_name
        if other.casefold() != hub_name.casefold():
            raise RequestError(400, f"This host has the task hub {hub_name}, not {other}.")

    def _start(self, request: web.Request, body: bytes) -> web.Response | Awaitable[web.Response]:
        raw_input = _read_json(body)
        match = request.match_info
        version = request.query.get("version")
        instance_id = self._client.start(match["name"], match.get("id"), raw_input, version)
        timeout = request.query.get("timeout")
        if timeout is not None and "pollingInterval" in request.query:
            return self._wait(instance_id, _read_seconds(timeout), request)
        return self._show_urls(instance_id)

    async def _wait(self, instance_id: str, seconds: float, request: web.Request) -> web.Response:
        # No thread waits: it would keep the others, and the host's end, from theirs.
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            instance = await asyncio.to_thread(self._client.find, instance_id)
            if instance.status is Status.COMPLETED:
                return web.json_response(status.show(instance, {})["output"])
            if instance.status.is_final:
                return web.json_response(status.show(instance, request.query))
            await asyncio.sleep(_POLL_SECONDS)
        return self._show_urls(instance_id)

    def _show_urls(self, instance_id: str) -> web.Response:
        urls = self._urls().management(instance_id)
        headers = {"Location": urls["statusQueryGetUri"], "Retry-After": "10"}
        return web.json_response(urls, status=202, headers=headers)

    def _list(self, request: web.Request, _body: bytes) -> web.Response:
        found = self._client.query(status.read_filter(request.query))
        return web.json_response([status.show(instance, request.query) for instance in found])

    def _show(self, request: web.Request, _body: bytes) -> web.Response:
        instance = self._client.find(request.match_info["id"])
        events = self._client.history(instance.id) if status.is_true(request.query, "showHistory") else None
        content = status.show(instance, request.query, events)
        if not instance.status.is_final:
            headers = {"Location": str(request.url), "Retry-After": "5"}
            return web.json_response(content, status=202, headers=headers)
        return web.json_response(content, status=_final_status(instance, request))

    def _purge(self, request: web.Request, _body: bytes) -> web.Response:
        return web.json_response({"instancesDeleted": self._client.purge(request.match_info["id"])})

    def _purge_all(self, request: web.Request, _body: bytes) -> web.Response:
        if "createdTimeFrom" not in request.query:
            raise RequestError(400, "Please provide value for 'createdTimeFrom' parameter.")
        count = self._client.purge_all(status.read_filter(request.query))
        return web.json_response({"instancesDeleted": count}) if count else web.Response(status=404)

    def _raise_event(self, request: web.Request, body: bytes) -> web.Response:
        instance_id = request.match_info["id"]
        if not request.content_type.lower() == "application/json":
            raise RequestError(400, "Only application/json request content is supported")
        self._client.raise_event(instance_id, request.match_info["event"], _read_json(body) or "null")
        return web.Response(status=202)

    def _operate(self, request: web.Request, _body: bytes) -> web.Response:
        instance_id, operation = request.match_info["id"], request.match_info["operation"].lower()
        if operation == "restart":
            same = request.query.get("restartWithNewInstanceId", "").lower() == "false"
            return self._show_urls(self._client.restart(instance_id, with_new_id=not same))
        operations: dict[str, Callable[[str], None]] = {
            "terminate": partial(self._client.terminate, reason=request.query.get("reason", "")),
            "suspend": self._client.suspend,
            "resume": self._client.resume,
            "rewind": self._client.rewind,
        }
        if operation not in operations:
            return web.Response(status=404)
        operations[operation](instance_id)
        return web.Response(status=202)


def _refuse(error: RequestError) -> web.Response:
    if error.status in {404, 410}:
        return web.Response(status=error.status)
    reason: dict[str, Any] = {"Message": str(error), "ExceptionMessage": str(error)}
    return web.json_response(reason, status=error.status)


def _final_status(instance: Instance, request: web.Request) -> int:
    shows_failure = status.is_true(request.query, "returnInternalServerErrorOnFailure")
    return 500 if shows_failure and instance.status is Status.FAILED else 200


def _read_json(body: bytes) -> str | None:
    if not body:
        return None
    try:
        text = body.decode()
        json.loads(text)
    except ValueError as error:
        raise RequestError(400, f"Invalid JSON content: {error}") from None
    return text


def _read_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise RequestError(400, f"The timeout {text!r} is no number of seconds.")
    return seconds
