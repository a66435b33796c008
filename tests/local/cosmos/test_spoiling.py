"""A text that is no UTF-8 is sent as it is, and the SDK meets it."""

from typing import Any

import pytest
import requests
from azure.core.exceptions import DecodeError
from azure.cosmos import ContainerProxy, DatabaseProxy, PartitionKey

from local.cosmos import CosmosServer, auth
from local.patience import PATIENCE_SECONDS
from tests.local.cosmos.test_change_feed import get
from tests.local.cosmos.test_controls import admin
from tests.local.cosmos.test_documents import DATE, post


@pytest.fixture
def spoiled(server: CosmosServer, database: DatabaseProxy, container: ContainerProxy) -> ContainerProxy:
    """Create three documents; the text of the second is spoiled."""
    for name in "abc":
        container.create_item({"id": name, "pk": "x", "text": "was whole"})
    server.controls.spoil(database.id, "things", "b", ["x"], "text")
    return container


def test_bytes_are_sent_wherever_the_document_is(server: CosmosServer, spoiled: ContainerProxy) -> None:
    """Reads, queries, also of the text alone, and the change feed; its version stays."""
    link = f"{spoiled.container_link}/docs/b"
    signature = auth.signature(server.key, f"get\ndocs\n{link}\n{DATE.lower()}\n\n")
    key = {"x-ms-documentdb-partitionkey": '["x"]'}
    headers = {"x-ms-date": DATE, "authorization": f"type=master&ver=1.0&sig={signature}", **key}
    query = {"x-ms-documentdb-isquery": "True", **key}
    answers = [
        requests.get(f"{server.endpoint}{link}", headers=headers, timeout=PATIENCE_SECONDS),
        post(server, spoiled, {"query": "SELECT * FROM c"}, **query),
        post(server, spoiled, {"query": "SELECT VALUE c.text FROM c"}, **query),
        get(server, spoiled, **key),
    ]

    for answer in answers:
        assert answer.status_code == 200
        assert answer.content.count(b'"\xff\xfe\x80"') == 1
        assert b"was whole" in answer.content or answer is answers[0]
    assert f"{answers[0].headers['etag']}".encode().strip(b'"') in answers[3].content


def test_sdk_cannot_read_a_page_with_it(server: CosmosServer, spoiled: ContainerProxy) -> None:
    """Nor the document; its neighbours alone can be read, and the document once it is written again."""
    attempts: list[Any] = [
        lambda: spoiled.read_item("b", "x"),
        lambda: list(spoiled.query_items("SELECT * FROM c", partition_key="x")),
        lambda: list(spoiled.query_items_change_feed(start_time="Beginning")),
    ]
    for attempt in attempts:
        with pytest.raises((UnicodeDecodeError, DecodeError)):
            attempt()
    assert spoiled.read_item("a", "x")["text"] == "was whole"
    assert [row["id"] for row in spoiled.query_items("SELECT c.id FROM c", partition_key="x")] == ["a", "b", "c"]

    spoiled.upsert_item({"id": "b", "pk": "x", "text": "whole again"})

    assert len(list(spoiled.query_items_change_feed(start_time="Beginning"))) == 3


def test_feed_of_all_versions_has_it_too(server: CosmosServer, database: DatabaseProxy) -> None:
    """In the version that was spoiled, after a split as well."""
    policy = {"retentionDuration": 10}
    container = database.create_container("versioned", PartitionKey(path="/pk"), change_feed_policy=policy)
    created = container.create_item({"id": "a", "pk": "x", "text": "was whole"})
    home = created.get_response_headers()["x-ms-documentdb-partitionkeyrangeid"]
    container.upsert_item({"id": "a", "pk": "x", "text": "second"})
    server.controls.spoil(database.id, "versioned", "a", ["x"], "text")
    for child in server.controls.split(database.id, "versioned", home):
        mode = {"A-IM": "Full-Fidelity Feed", "If-None-Match": '"0"', "x-ms-documentdb-partitionkeyrangeid": child}
        content = get(server, container, **mode).content
        assert content == b"" or (b"was whole" in content and b'"text":"\xff\xfe\x80"' in content)


def test_control_is_reached_over_http(server: CosmosServer, database: DatabaseProxy, spoiled: ContainerProxy) -> None:
    """It needs a document that is there, and one of its texts."""
    document = {"database": database.id, "container": "things", "document_id": "a", "partition_key": ["x"]}

    assert admin(server, "POST", "spoil", **document, name="text") == (200, {})
    assert admin(server, "POST", "spoil", **document, name="absent")[0] == 400
    assert admin(server, "POST", "spoil", **document, name="_etag")[0] == 400
    assert admin(server, "POST", "spoil", **(document | {"document_id": "absent"}), name="text")[0] == 404
