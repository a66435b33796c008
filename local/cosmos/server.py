"""Serve the account over HTTP from a thread of its own."""

import asyncio
import base64
import binascii
import contextlib
import logging
import threading
import time
from types import TracebackType

from aiohttp import web

from local.cosmos import auth, routes, wire
from local.cosmos.container import Clock
from local.cosmos.errors import CosmosError
from local.cosmos.hold import Hold
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
        physical_partitions: int = 1,
        key: str = auth.EMULATOR_KEY,
        clock: Clock = time.time,
    ) -> None:
        _check(physical_partitions, key)
        self.key = key
        self._host = host
        self._port = port
        self._clock = clock
        self._account = Account(clock=clock, physical_partitions=physical_partitions)
        self._holds: list[Hold] = []
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
        return f"http://{self._host}:{self._port}/"

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
        for hold in list(self._holds):
            hold.release()
        with contextlib.suppress(RuntimeError):  # the loop is closed: stopped before
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread.ident is None:
            self._loop.close()
        else:
            self._thread.join()

    def hold(self, *, method: str, path: str) -> Hold:
        """Hold requests of a method whose decoded path matches a pattern, until released.

        One whose client is gone by then is not executed.
        """
        hold = Hold(method, path, self._loop)
        self._holds = [*(other for other in self._holds if not other.released), hold]
        return hold

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
        server = web.Server(self._respond, access_log=None, max_field_size=2**20)
        runner = web.ServerRunner(server, shutdown_timeout=STOP_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
            self._port = runner.addresses[0][1]
            self._ready.set()
            await self._stop.wait()
        finally:
            await runner.cleanup()

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        begun = time.perf_counter()
        body = await request.content.read()
        call = Call(request.method, wire.split_path(request.raw_path), request.headers, body, request.host)
        answer = await self._answer(call, request)
        answer = wire.complete(answer, call, seconds=self._clock(), duration=time.perf_counter() - begun)
        return web.Response(status=answer.status, body=answer.body or None, headers=answer.headers)

    async def _answer(self, call: Call, request: web.BaseRequest) -> Answer:
        try:
            auth.check(self.key, call.method, call.segments, call.headers)
            await self._wait_while_held(call, request)
            return routes.answer(self._account, call)
        except CosmosError as error:
            logger.debug("refused", extra={"action": "refused", "status": error.status, "reason": error.message})
            return wire.refuse(error)

    async def _wait_while_held(self, call: Call, request: web.BaseRequest) -> None:
        path = f"/{'/'.join(call.segments)}/"
        for hold in self._holds:
            if hold.matches(call.method, path):
                await hold.wait()
                if request.transport is None or request.transport.is_closing():
                    raise asyncio.CancelledError  # its client is gone: it never happened


def _check(physical_partitions: int, key: str) -> None:
    if physical_partitions < 1:
        raise ValueError("The number of physical partitions must be 1 or more.")
    try:
        base64.b64decode(key, validate=True)
    except binascii.Error as error:
        raise ValueError("The key must be base64.") from error
