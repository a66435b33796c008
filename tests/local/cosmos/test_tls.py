"""The account is served over https."""

import contextlib
import gc
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from azure.cosmos import CosmosClient, PartitionKey

from local.cosmos import CosmosServer
from local.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")


def test_sdk_connects_over_https() -> None:
    """The SDK accepts a self-signed certificate from this machine, and goes on at the address that is advertised."""
    with CosmosServer(tls=True) as server, CosmosClient.from_connection_string(server.connection_string) as client:
        container = client.create_database("one").create_container("things", PartitionKey(path="/pk"))
        container.create_item({"id": "a", "pk": "x"})

        assert server.endpoint.startswith("https://")
        assert container.read_item("a", "x")["id"] == "a"
        assert client.get_database_account().WritableLocations[0]["databaseAccountEndpoint"] == server.endpoint


def test_http_is_not_answered() -> None:
    """A server with a certificate speaks https alone."""
    with CosmosServer(tls=True) as server, pytest.raises(requests.ConnectionError):
        requests.get(server.endpoint.replace("https", "http"), timeout=PATIENCE_SECONDS)


def test_a_client_that_never_finishes_its_handshake_does_not_outlive_the_server() -> None:
    """Half a connection is closed with the server, and no socket is left to the collector."""
    with CosmosServer(tls=True) as server:
        host, port = server.endpoint.removeprefix("https://").rstrip("/").split(":")
        with socket.create_connection((host, int(port))) as half, CosmosClient(server.endpoint, server.key) as client:
            client.create_database("things")
            server.stop()
            half.settimeout(PATIENCE_SECONDS)

            assert half.recv(1) == b""

    gc.collect()


def shake_hands(context: ssl.SSLContext, plain: socket.socket) -> None:
    """Shake hands as a client; `wrap_socket` leaves the socket open where the other side resets it at once."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing)
    while True:
        try:
            connection.do_handshake()
        except ssl.SSLWantReadError:
            plain.sendall(outgoing.read())
            if received := plain.recv(65_536):
                incoming.write(received)
            else:
                incoming.write_eof()
        else:
            plain.sendall(outgoing.read())
            return


def test_connections_that_arrive_while_the_server_stops_are_closed_with_it() -> None:
    """Clients shake hands until nobody listens, round after round, and no socket is left to the collector."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def knock(port: int, has_begun: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while True:
                with socket.create_connection(("127.0.0.1", port), 10) as plain:
                    shake_hands(context, plain)
                    has_begun.set()

    for _ in range(20):
        has_begun = threading.Event()
        with ThreadPoolExecutor(6) as clients, CosmosServer(tls=True) as server:
            for _ in range(6):
                clients.submit(knock, int(server.endpoint.rstrip("/").rpartition(":")[2]), has_begun)
            assert has_begun.wait(PATIENCE_SECONDS)
        gc.collect()
