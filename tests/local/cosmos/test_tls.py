"""The account is served over https."""

import gc
import socket

import pytest
import requests
from azure.cosmos import CosmosClient, PartitionKey

from local.cosmos import CosmosServer

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
        requests.get(server.endpoint.replace("https", "http"), timeout=10)


def test_a_client_that_never_finishes_its_handshake_does_not_outlive_the_server() -> None:
    """Half a connection is closed with the server, and no socket is left to the collector."""
    with CosmosServer(tls=True) as server:
        host, port = server.endpoint.removeprefix("https://").rstrip("/").split(":")
        with socket.create_connection((host, int(port))) as half, CosmosClient(server.endpoint, server.key) as client:
            client.create_database("things")
            server.stop()
            half.settimeout(5)

            assert half.recv(1) == b""

    gc.collect()
