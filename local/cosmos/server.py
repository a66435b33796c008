"""Serve the account over HTTP from a thread of its own."""

import asyncio
import base64
import binascii
import contextlib
import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus
from types import TracebackType
from typing import Any
from weakref import WeakSet

from aiohttp import web

from local.cosmos import admin, auth, body, charges, errors, routes, spoiling, wire
from local.cosmos import tls as certificate
from local.cosmos.clock import Clock, SettableClock
from local.cosmos.controls import Controls
from local.cosmos.errors import CosmosError
from local.cosmos.faults import Fault
from local.cosmos.hold import Hold
from local.cosmos.matching import Match, Request
from local.cosmos.store import Account
from local.cosmos.wire import Answer, Call

logger = logging.getLogger(__name__)

STOP_SECONDS = 5.0


class CosmosServer:
    """Imitate one Cosmos DB account on this machine; every method may be called from any thread."""

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        tls: bool = False,
        physical_partitions: int = 1,
        key: str = auth.EMULATOR_KEY,
        throttles: bool = True,
        clock: Clock = time.time,
    ) -> None:
        _check(physical_partitions, key)
        self.key = key
        self._host = host
        self._port = port
        self._tls = certificate.server_context() if tls else None
        self._clock = SettableClock(clock)
        self._account = Account(clock=self._clock, physical_partitions=physical_partitions, throttles=throttles)
        self._lock = threading.RLock()
        self.controls = Controls(self._account, self._clock, self._lock)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="local.cosmos", daemon=True)

    def __enter__(self) -> "CosmosServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """Tell the URL that clients connect to."""
        return f"{self._scheme}://{self._host}:{self._port}/"

    @property
    def connection_string(self) -> str:
        """Tell endpoint and key as the SDK reads them."""
        return f"AccountEndpoint={self.endpoint};AccountKey={self.key};"

    def start(self) -> None:
        """Accept connections; OSError when the port is taken."""
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop(self) -> None:
        """Answer what is under way, held requests too, and end the thread."""
        self.controls.clear()
        with contextlib.suppress(RuntimeError):  # the loop is closed: stopped before
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread.ident is None:
            self._loop.close()
        else:
            self._thread.join()

    def hold(self, *, method: str | None = None, path: str = "", operation: str | None = None) -> Hold:
        """Hold requests that match a method, a pattern in the decoded path and an operation, until released.

        One whose client is gone by then is not executed.
        """
        return self.controls.hold(self._loop, Match(method=method, path=path, operation=operation))

    @property
    def _scheme(self) -> str:
        return "https" if self._tls else "http"

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:
            self._failure = error
        finally:
            self._loop.close()
            self._ready.set()

    async def _serve(self) -> None:
        # A session token names every physical partition and outgrows the usual limit of a header.
        server = _Server(self._respond, access_log=None, max_field_size=2**20, auto_decompress=False)
        runner = web.ServerRunner(server, shutdown_timeout=STOP_SECONDS)
        await runner.setup()
        try:
            listener = await self._loop.create_server(server, self._host, self._port, ssl=self._tls)
            self._port = listener.sockets[0].getsockname()[1]
            self._ready.set()
            await self._stop.wait()
            await _close(listener)
        finally:
            await runner.cleanup()
            await _abort(server.transports)

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        begun = time.perf_counter()
        segments = wire.split_path(request.raw_path)
        call = Call(request.method, segments, request.headers, b"", request.host, self._scheme)
        try:
            self._authenticate(call)  # before the body is read: nobody else's needs any memory
            answer = await self._answer(replace(call, body=await body.read(request)), request)
        except CosmosError as error:
            logger.debug("refused", extra={"action": "refused", "status": error.status, "reason": error.message})
            answer = wire.refuse(error)
        answer = wire.complete(answer, call, seconds=self._clock(), duration=time.perf_counter() - begun)
        content = spoiling.spoiled(answer.body) if self.controls.spoils else answer.body
        response = web.Response(status=answer.status, body=content or None, headers=answer.headers)
        if not request.content.at_eof():
            response.force_close()
        return response

    def _authenticate(self, call: Call) -> None:
        if call.segments[:1] == (admin.ROOT,):
            admin.check(self.key, call)
        else:
            auth.check(self.key, call.method, call.segments, call.headers)

    async def _answer(self, call: Call, transport: web.BaseRequest) -> Answer:
        if call.segments[:1] == (admin.ROOT,):
            return admin.answer(self.controls, call)
        named = routes.named(self._account, call)
        request = Request(call.method, f"/{'/'.join(named.segments)}/", routes.name(named))
        for hold in self.controls.holds_of(request):
            await hold.wait()
            _check_client(transport)
        faults = self.controls.faults_of(request)
        for fault in faults:
            await asyncio.sleep(fault.seconds)
            _check_client(transport)
        _drop(transport, faults, executed=False)
        answer = wire.price(self._execute(call, request, faults), named)
        self.controls.account_for(
            request,
            refused=answer.status >= HTTPStatus.BAD_REQUEST,
            documents=wire.documents(answer, request.operation),
            charge=float(answer.headers[charges.HEADER]),
        )
        _drop(transport, faults, executed=True)
        return answer

    def _execute(self, call: Call, request: Request, faults: list[Fault]) -> Answer:
        try:
            for error in filter(None, (fault.error() for fault in faults)):
                raise error
            wire.check_size(call)
            self.controls.admit(request)
            with self._lock:  # also around the names of resource ids, which may move while a request is held
                return routes.answer(self._account, routes.named(self._account, call))
        except CosmosError as error:
            return wire.refuse(error)
        except (RecursionError, ArithmeticError):
            return wire.refuse(errors.bad_request("The request nests too deeply, or holds a number that is too large."))


class _Server(web.Server):
    """Remember every connection, also those that aiohttp has let go but not yet closed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.transports: WeakSet[asyncio.Transport] = WeakSet()

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self.transports.add(transport)


async def _close(listener: asyncio.Server) -> None:
    # asyncio forgets to close a connection whose handshake has not begun when its listener is closed.
    for accepting in listener.sockets:
        asyncio.get_running_loop().remove_reader(accepting)
    await _take_turns()
    listener.close()


async def _abort(transports: Iterable[asyncio.Transport]) -> None:
    while True:
        # A polite end waits for the client to read or, over TLS, to agree: it may be gone, or never do either.
        for transport in list(transports):
            transport.abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if not tasks:
            break
        for task in tasks:
            task.cancel()
        # A handshake that ends meanwhile leaves another connection, with a task of its own.
        await asyncio.gather(*tasks, return_exceptions=True)
    await _take_turns()


async def _take_turns() -> None:
    # What was accepted gets its transport in the next turn of the loop and its protocol in the one after; what was
    # aborted is closed in the next.
    for _ in range(2):
        await asyncio.sleep(0)


def _check_client(request: web.BaseRequest) -> None:
    if request.transport is None or request.transport.is_closing():
        raise asyncio.CancelledError  # its client is gone: it never happened


def _drop(request: web.BaseRequest, faults: list[Fault], *, executed: bool) -> None:
    if any(fault.drop and fault.executed == executed for fault in faults):
        if request.transport is not None:
            request.transport.abort()
        raise asyncio.CancelledError  # nobody is there to answer


def _check(physical_partitions: int, key: str) -> None:
    if physical_partitions < 1:
        raise ValueError("The number of physical partitions must be 1 or more.")
    try:
        base64.b64decode(key, validate=True)
    except binascii.Error as error:
        raise ValueError("The key must be base64.") from error
