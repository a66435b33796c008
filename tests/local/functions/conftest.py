"""Run sample apps: in this process to load them, as a process of its own to serve them."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.cosmos import CosmosClient, PartitionKey

from local.cosmos import CosmosServer
from local.functions import host
from local.patience import PATIENCE_SECONDS
from tests import forks

REPOSITORY = Path(__file__).parents[3]
KEY = "the-key"
ADMIN_KEY = "the-admin-key"
HOST_JSON = {
    "version": "2.0",
    "extensions": {"cosmosDB": {"serializerSettings": {"dateParseHandling": "None"}}},
}
HEADER = """
import json, os, pathlib, time
import azure.functions as func
app = func.FunctionApp()
def note(**what):
    with pathlib.Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(json.dumps(what) + chr(10))
"""


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Return the first true value of a condition, or fail.

    What takes long to look at is looked at less often: it takes the processor from what is waited for.
    """
    deadline = time.monotonic() + seconds
    while (begun := time.monotonic()) < deadline:
        if found := condition():
            return found
        time.sleep(0.02 + 2 * (time.monotonic() - begun))
    raise AssertionError(f"{condition} did not come true in {seconds} s")


class App:
    """Hold the folder of a sample app and what its functions noted."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes_file = root / "notes.jsonl"

    def write(self, source: str, *, host_json: Any = HOST_JSON, settings: dict[str, Any] | None = None) -> "App":
        self.root.joinpath("function_app.py").write_text(HEADER + source)
        if host_json is not None:
            self.root.joinpath("host.json").write_text(json.dumps(host_json))
        if settings is not None:
            self.root.joinpath("local.settings.json").write_text(json.dumps(settings))
        return self

    def load(self, **environment: str) -> tuple[host.LoadedApp, host.Plan]:
        """Load the app in this process."""
        path = list(sys.path)
        try:
            loaded = host.load(self.root)
            return loaded, host.plan(loaded, environment)
        finally:
            sys.path[:] = path
            sys.modules.pop("function_app", None)
            sys.path_importer_cache.pop(str(self.root), None)

    def notes(self) -> list[dict[str, Any]]:
        """Return what the functions noted so far."""
        if not self.notes_file.exists():
            return []
        return [json.loads(line) for line in self.notes_file.read_text().splitlines()]


class HostProcess:
    """Run a host as a process of its own."""

    def __init__(self, app: App, *options: str, **environment: str) -> None:
        self.errors_file = app.root / f"stderr-{time.monotonic_ns()}.txt"
        command = [
            sys.executable,
            "-m",
            "local.functions",
            "--root",
            str(app.root),
            "--key",
            KEY,
            "--admin-key",
            ADMIN_KEY,
            "--state",
            str(app.root / "state"),
        ]
        command += options
        if "--port" not in options:
            command += ["--port", "0"]
        with self.errors_file.open("w") as errors:
            self.process = forks.popen(
                command,
                cwd=REPOSITORY,
                env={**os.environ, "NOTES": str(app.notes_file), **environment},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.ready_line = ""

    @property
    def url(self) -> str:
        return self.ready_line.split()[1]

    @property
    def errors(self) -> str:
        return self.errors_file.read_text()

    def wait_ready(self) -> "HostProcess":
        assert self.process.stdout
        self.ready_line = self.process.stdout.readline()
        assert self.ready_line.startswith("functions: http://127.0.0.1:"), self.errors
        return self

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        return self.process.wait(seconds)

    def stop(self) -> int:
        self.process.terminate()
        return self.wait()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        if self.process.stdout:
            self.process.stdout.close()


@pytest.fixture(name="app")
def fixture_app(tmp_path: Path) -> App:
    """Give an empty folder for a sample app."""
    return App(tmp_path)


@pytest.fixture
def start() -> Iterator[Callable[..., HostProcess]]:
    """Give a way to start hosts that end with the test."""
    started: list[HostProcess] = []

    def begin(app: App, *options: str, **environment: str) -> HostProcess:
        started.append(HostProcess(app, *options, **environment))
        return started[-1]

    yield begin
    for running in started:
        running.close()


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Give a way to wait for a condition."""
    return wait_for


class Source:
    """Hold a Cosmos server with a container of two physical partitions and its lease container."""

    def __init__(self, server: CosmosServer, client: CosmosClient) -> None:
        self.server = server
        self.client = client
        self.database = client.create_database("db")
        self.container = self.database.create_container("things", PartitionKey("/id"))
        self.lease_container = self.database.create_container("leases", PartitionKey("/id"))

    def write(self, *ids: str, **properties: Any) -> None:
        for item in ids:
            self.container.upsert_item({"id": item, **properties})

    def leases(self) -> list[dict[str, Any]]:
        return [dict(found) for found in self.lease_container.read_all_items() if "LeaseToken" in found]

    def checkpointed(self) -> list[dict[str, Any]]:
        return [lease for lease in self.leases() if lease["ContinuationToken"] is not None]


class Proxy:
    """Forward a port of its own to a server, until told to cut every connection."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self.is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self.is_cut = True
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.is_cut:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, from_socket: socket.socket, to_socket: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := from_socket.recv(65536):
                to_socket.sendall(data)
            to_socket.shutdown(socket.SHUT_WR)
        from_socket.close()


@pytest.fixture
def proxy(source: "Source") -> Iterator[Proxy]:
    """Give a way to the Cosmos server that can be cut."""
    proxy = Proxy(urllib.parse.urlsplit(source.server.endpoint).port or 0)
    yield proxy
    proxy.close()


@pytest.fixture
def source() -> Iterator[Source]:
    """Give a Cosmos account of two physical partitions."""
    with (
        CosmosServer(port=0, physical_partitions=2) as server,
        CosmosClient.from_connection_string(server.connection_string) as client,
    ):
        yield Source(server, client)
