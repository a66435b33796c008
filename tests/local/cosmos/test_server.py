"""The server starts, holds, serves many at once and ends cleanly."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from azure.cosmos import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosResourceNotFoundError

from local.cosmos import CosmosServer, auth
from local.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
WAIT = PATIENCE_SECONDS


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the server's command line."""
    line = [sys.executable, "-m", "local.cosmos", *arguments]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_held_request_is_executed_when_released(server: CosmosServer, container: ContainerProxy) -> None:
    """Until the release the server has not executed it; afterwards nothing is held."""
    hold = server.hold(method="POST", path=r"/colls/things/docs/$")
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(container.create_item, {"id": "a", "pk": "x"})
        assert hold.entered.wait(WAIT)
        with pytest.raises(CosmosResourceNotFoundError):
            container.read_item("a", "x")

        hold.release()

        assert writing.result(WAIT)["id"] == "a"
    container.create_item({"id": "b", "pk": "x"})


def test_hold_leaves_other_requests_alone(server: CosmosServer, container: ContainerProxy) -> None:
    """Method and path must both match."""
    with server.hold(method="PUT", path="/docs/") as hold:
        container.create_item({"id": "a", "pk": "x"})

        assert not hold.entered.is_set()


def test_threads_that_write_at_once_lose_nothing(container: ContainerProxy) -> None:
    """Every write gets its own LSN and the feed holds them all."""

    def write(thread: int) -> None:
        for number in range(25):
            container.upsert_item({"id": f"{thread}-{number}", "pk": f"pk-{number}"})
            container.upsert_item({"id": "shared", "pk": "x", "by": thread})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))

    changes = list(container.query_items_change_feed(start_time="Beginning"))
    assert len({change["id"] for change in changes}) == len(changes) == 101


def test_stop_releases_what_is_held(container: ContainerProxy, server: CosmosServer) -> None:
    """A forgotten hold does not keep the server from ending."""
    hold = server.hold(method="DELETE", path="/docs/")
    container.create_item({"id": "a", "pk": "x"})
    deleting = threading.Thread(target=container.delete_item, args=("a", "x"))
    deleting.start()
    assert hold.entered.wait(WAIT)

    server.stop()

    deleting.join(WAIT)
    assert not deleting.is_alive()
    hold.release()
    server.stop()


def test_taken_port_is_an_error(server: CosmosServer) -> None:
    """Two servers cannot share a port."""
    taken = int(server.endpoint.rstrip("/").rpartition(":")[2])

    with pytest.raises(OSError, match=str(taken)):
        CosmosServer(port=taken).start()


@pytest.mark.parametrize("arguments", [{"physical_partitions": 0}, {"key": "no base64!"}])
def test_impossible_settings_are_an_error(arguments: dict[str, object]) -> None:
    """Wrong arguments are found before anything starts."""
    with pytest.raises(ValueError, match="must be"):
        CosmosServer(**arguments)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command_serves_until_a_signal(number: signal.Signals) -> None:
    """One line says where; the signal ends it with exit code 0."""
    with command("--port", "0", "--physical-partitions", "2") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        endpoint = line.split()[1]
        assert line == f"cosmos: {endpoint} (key: the emulator's published one)\n"
        with CosmosClient(endpoint, auth.EMULATOR_KEY) as client:
            client.create_database("one")

        process.send_signal(number)
        _, errors = process.communicate(timeout=WAIT)

        assert (process.returncode, errors) == (0, "")


def test_signal_ends_the_command_while_it_computes() -> None:
    """A request that takes for ever is not waited for."""
    script = (
        "import sys; from local.cosmos import __main__, routes\n"
        "def compute(*_):\n    while True: pass\n"
        "routes.answer = compute; sys.exit(__main__.main(['--port', '0']))"
    )
    date = "Tue, 14 Nov 2023 22:13:20 GMT"
    token = f"type=master&ver=1.0&sig={auth.signature(auth.EMULATOR_KEY, auth.signed_text('GET', (), date))}"
    request = f"GET / HTTP/1.1\r\nHost: here\r\nx-ms-date: {date}\r\nAuthorization: {quote(token)}\r\n\r\n"
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = urlsplit(process.stdout.readline().split()[1])
            with socket.create_connection((str(address.hostname), int(address.port or 0))) as connection:
                connection.sendall(request.encode())
                time.sleep(1)  # by now it computes
                process.send_signal(signal.SIGTERM)

                assert process.wait(WAIT) == 0
        finally:
            process.kill()


def test_command_says_that_its_port_is_taken() -> None:
    """One sentence, no traceback, exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken, command("--port", str(taken.getsockname()[1])) as process:
        output, errors = process.communicate(timeout=WAIT)

    assert (process.returncode, output) == (1, "")
    assert errors.startswith("cosmos: cannot serve on port")
    assert errors.count("\n") == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process that its parent ended")
def test_command_ends_with_its_parent() -> None:
    """A server started with --with-parent does not outlive the one that started it."""
    read_end, write_end = os.pipe()
    script = (
        "import subprocess, sys; "
        "line = [sys.executable, '-m', 'local.cosmos', '--port', '0', '--with-parent']; "
        f"child = subprocess.Popen(line, stdout=subprocess.PIPE, pass_fds=[{write_end}]); "
        "child.stdout.readline(); import os; os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, pass_fds=[write_end], check=True, timeout=WAIT)
    os.close(write_end)

    with os.fdopen(read_end) as pipe:
        assert pipe.read() == ""  # comes to its end once the server, its last writer, is gone


def test_a_client_that_dies_while_it_sends_is_no_error(
    server: CosmosServer, client: CosmosClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Its request never happened, and nothing is said of it."""
    address = server.connection_string.partition("//")[2].partition("/")[0].partition(":")
    with socket.create_connection((address[0], int(address[2]))) as dying:
        dying.sendall(b"POST /dbs HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n{")
        list(client.list_databases())  # the server has come past it, and waits for the rest
        dying.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    list(client.list_databases())

    assert not caplog.records
