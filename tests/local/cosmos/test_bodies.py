"""Requests that are no proper ones are refused in time, and need no memory."""

import gzip
import json
import socket
import zlib
from typing import Any

import pytest
import requests
from azure.cosmos import ContainerProxy, DatabaseProxy
from azure.cosmos.exceptions import CosmosHttpResponseError

from local.cosmos import CosmosServer, auth
from local.patience import PATIENCE_SECONDS
from tests.local.cosmos.test_documents import DATE, post

KEY = {"x-ms-documentdb-partitionkey": '["x"]'}
DOCUMENT = json.dumps({"id": "a", "pk": "x"}).encode()


def connect(server: CosmosServer) -> socket.socket:
    """Open a bare connection."""
    host, _, port = server.endpoint.partition("//")[2].rstrip("/").partition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("path", ["dbs", "_admin/clear"])
def test_unauthenticated_body_is_not_waited_for(server: CosmosServer, path: str) -> None:
    """The 401 comes before the first byte of 400 MB, and with it the end of the connection."""
    with connect(server) as connection:
        connection.sendall(f"POST /{path} HTTP/1.1\r\nHost: here\r\nContent-Length: 400000000\r\n\r\n".encode())

        head = connection.recv(2**16).decode().partition("\r\n\r\n")[0].lower()

    assert head.startswith("http/1.1 401 ")
    assert "connection: close" in head


def test_body_that_is_too_large_is_not_read_to_its_end(server: CosmosServer, container: ContainerProxy) -> None:
    """The 413 comes as soon as 2 MB are exceeded; of what is packed, when it is unpacked."""
    link = container.container_link
    signature = auth.signature(server.key, f"post\ndocs\n{link}\n{DATE.lower()}\n\n")
    head = f"POST /{link}/docs HTTP/1.1\r\nHost: here\r\nx-ms-date: {DATE}\r\nContent-Length: 400000000\r\n"
    head += f"Authorization: {requests.utils.quote(f'type=master&ver=1.0&sig={signature}', safe='')}\r\n\r\n"
    with connect(server) as connection:
        connection.sendall(head.encode() + b"y" * (2**21 + 1))

        assert connection.recv(12) == b"HTTP/1.1 413"

    packed = gzip.compress(b"y" * 2**26)
    assert post(server, container, packed, **KEY, **{"Content-Encoding": "gzip"}).status_code == 413


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", gzip.compress(DOCUMENT, mtime=0), 201),
        ("deflate", zlib.compress(DOCUMENT), 201),
        ("identity", DOCUMENT, 201),
        ("gzip", DOCUMENT, 400),
        ("gzip", gzip.compress(DOCUMENT, mtime=0)[:-9], 400),
        ("deflate", b"", 400),
        ("br", DOCUMENT, 501),
    ],
    ids=["gzip", "deflate", "bare", "not gzip", "cut off", "empty", "unknown"],
)
def test_packed_body_is_unpacked_or_refused(
    server: CosmosServer, container: ContainerProxy, encoding: str, body: bytes, status: int
) -> None:
    """What is not packed as it says is a bad request, and the next request is answered."""
    answer = post(server, container, body, **KEY, **{"Content-Encoding": encoding})

    assert answer.status_code == status
    assert list(container.read_all_items()) == ([answer.json()] if status == 201 else [])


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": b"Bearer \xff\xfe"},
        {"Authorization": "Bearer schlüssel".encode()},
        {"Authorization": b"type=master&ver=1.0&sig=\xff", "x-ms-date": DATE},
        {"Authorization": b"type=master&ver=1.0&sig=x", "x-ms-date": b"\xff"},
        {"x-ms-activity-id": b"\xff"},
    ],
)
@pytest.mark.parametrize("path", ["_admin/clock", "dbs/%FF%0Aa/colls/b"])
def test_headers_that_are_no_ascii_are_unauthorized(server: CosmosServer, headers: dict[str, Any], path: str) -> None:
    """They are wrong keys like others."""
    answer = requests.get(f"{server.endpoint}{path}", headers=headers, timeout=PATIENCE_SECONDS)

    assert (answer.status_code, answer.json()["code"]) == (401, "Unauthorized")


def test_name_that_no_header_carries_is_not_found(server: CosmosServer) -> None:
    """A line break in a name is no error of the server's."""
    signature = auth.signature(server.key, f"get\ndbs\ndbs/a\nb\n{DATE.lower()}\n\n")
    headers = {"x-ms-date": DATE, "authorization": f"type=master&ver=1.0&sig={signature}"}

    answer = requests.get(f"{server.endpoint}dbs/a%0Ab", headers=headers, timeout=PATIENCE_SECONDS)

    assert answer.status_code == 404


def test_batch_of_more_than_two_megabytes_is_refused(container: ContainerProxy) -> None:
    """As a whole, like a document."""
    half = {"pk": "x", "text": "y" * 1_100_000}

    with pytest.raises(CosmosHttpResponseError) as refusal:
        container.execute_item_batch([("create", ({"id": name, **half},)) for name in "ab"], "x")

    assert refusal.value.status_code == 413
    assert list(container.read_all_items()) == []


def test_change_of_a_throughputs_kind_is_not_imitated(server: CosmosServer, database: DatabaseProxy) -> None:
    """The service can do it, and so nothing is said against the request."""
    container = database.create_container("paid", {"paths": ["/pk"], "kind": "Hash"}, offer_throughput=1000)
    offer = container.get_throughput().properties
    signature = auth.signature(server.key, f"put\noffers\n{offer['id'].lower()}\n{DATE.lower()}\n\n")
    headers = {"x-ms-date": DATE, "authorization": f"type=master&ver=1.0&sig={signature}"}
    headers |= {"x-ms-cosmos-migrate-offer-to-autopilot": "true"}

    url = f"{server.endpoint}offers/{offer['id']}"
    answer = requests.put(url, json=offer, headers=headers, timeout=PATIENCE_SECONDS)

    assert (answer.status_code, "not imitated" in answer.json()["message"]) == (501, True)
