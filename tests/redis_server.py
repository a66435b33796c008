"""A real redis-server of the test's own; where there is none, its tests are skipped by that name."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import redis

from local.patience import PATIENCE_SECONDS

PROGRAM = shutil.which("redis-server")
needs_redis = pytest.mark.skipif(PROGRAM is None, reason="redis-server is not installed")


def find_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class RedisServer:
    """A server with some options; unless they say otherwise, what it holds is lost when it stops."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = find_port()
        self._folder, self._options = folder, options
        self.start()

    @property
    def connection(self) -> str:
        """The connection string as .NET applications have it."""
        return f"127.0.0.1:{self.port},abortConnect=False,ssl=False"

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        place = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder))
        options = (*place, "--save", "", "--logfile", "log", *self._options)
        self._process = subprocess.Popen([str(PROGRAM), *options])
        self.client = redis.Redis(port=self.port, decode_responses=True)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port)):
                    return
            except OSError:
                assert time.monotonic() < deadline
                assert self._process.poll() is None
                time.sleep(0.01)

    def stop(self) -> None:
        """Kill the server."""
        self.client.close()
        self._process.kill()
        self._process.wait()

    def fill(self, *keys: str) -> None:
        """Cache something under these keys, in the form of .NET's IDistributedCache."""
        for key in keys:
            self.client.hset(key, mapping={"absexp": "-1", "sldexp": "-1", "data": "{}"})

    def keys(self) -> set[str]:
        """Return all keys."""
        return set(self.client.keys())
