"""Ids that the SDK refuses to create exist on the service: raw requests and older SDKs create them."""

from typing import Any

import pytest
from azure.cosmos import ContainerProxy
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceNotFoundError

from local.cosmos import CosmosServer
from tests.local.cosmos.test_documents import post


def create(server: CosmosServer, container: ContainerProxy, document_id: str, **more: Any) -> None:
    """Create a document with an id of any characters."""
    key = {"x-ms-documentdb-partitionkey": '["x"]'}
    answer = post(server, container, {"id": document_id, "pk": "x", **more}, **key)
    assert answer.status_code == 201


@pytest.mark.parametrize("document_id", ["trip/2024", "end/", "/", "a?b", "a#b", "a\\b", "..", "a%2Fb", " end "])
def test_any_id_is_created_and_read_without_a_path(
    server: CosmosServer, container: ContainerProxy, document_id: str
) -> None:
    """Queries, the change feed and batches find it, and so does its resource id, which can also delete it."""
    create(server, container, document_id)

    [document] = container.query_items(
        "SELECT * FROM c WHERE c.id = @id", parameters=[{"name": "@id", "value": document_id}], partition_key="x"
    )
    assert document["id"] == document_id
    assert [change["id"] for change in container.query_items_change_feed(start_time="Beginning")] == [document_id]
    [found] = container.execute_item_batch([("read", (document_id,))], "x")
    assert found["resourceBody"]["id"] == document_id
    container.delete_item(document, "x")
    assert list(container.read_all_items()) == []


@pytest.mark.parametrize("document_id", ["a?b", "a#b", "a\\b", "a%2Fb", "50%"])
def test_id_that_a_path_carries_encoded_is_read(
    server: CosmosServer, container: ContainerProxy, document_id: str
) -> None:
    """The SDK encodes these characters."""
    create(server, container, document_id)

    assert container.read_item(document_id, "x")["id"] == document_id


@pytest.mark.parametrize("document_id", ["trip/2024", "trip/2024/05", "trip%2F2024/x"])
def test_id_with_a_slash_asks_for_another_resource(
    server: CosmosServer, container: ContainerProxy, document_id: str
) -> None:
    """Reading it by its path is 404 without a sub-status, although it is there, and so are all writes to it."""
    create(server, container, document_id)

    for operation in (
        lambda: container.read_item(document_id, "x"),
        lambda: container.replace_item(document_id, {"id": document_id.replace("/", "_"), "pk": "x"}),
        lambda: container.delete_item(document_id, "x"),
        lambda: container.patch_item(document_id, "x", [{"op": "add", "path": "/a", "value": 1}]),
    ):
        with pytest.raises(CosmosResourceNotFoundError) as absence:
            operation()
        assert absence.value.sub_status in (None, 0)
    assert [document["id"] for document in container.read_all_items()] == [document_id]


def test_slash_at_the_end_reads_another_document(server: CosmosServer, container: ContainerProxy) -> None:
    """The SDK trims it, and so asks for the id without it."""
    create(server, container, "end/", which="with")
    with pytest.raises(CosmosResourceNotFoundError):
        container.read_item("end/", "x")

    create(server, container, "end", which="without")

    assert container.read_item("end/", "x")["which"] == "without"


def test_dots_ask_for_the_container(server: CosmosServer, container: ContainerProxy) -> None:
    """Clients resolve them in the path, and then the signature is of another path."""
    create(server, container, "..")

    with pytest.raises(CosmosHttpResponseError) as refusal:
        container.read_item("..", "x")

    assert refusal.value.status_code == 401
