"""A transactional batch happens whole or not at all."""

from typing import Any

import pytest
from azure.cosmos import ContainerProxy, DatabaseProxy, PartitionKey
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosHttpResponseError


def changes(container: ContainerProxy) -> list[tuple[str, int]]:
    """List id and LSN of what is there."""
    feed = container.query_items_change_feed(start_time="Beginning")
    return [(change["id"], change["_lsn"]) for change in feed]


def test_batch_sees_its_own_writes_and_has_one_lsn(container: ContainerProxy) -> None:
    """Each operation works on what the one before has left."""
    container.create_item({"id": "old", "pk": "x"})
    results = container.execute_item_batch(
        [
            ("create", ({"id": "a", "pk": "x", "value": 1},)),
            ("patch", ("a", [{"op": "incr", "path": "/value", "value": 2}])),
            ("read", ("a",)),
            ("upsert", ({"id": "b", "pk": "x"},)),
            ("replace", ("b", {"id": "b", "pk": "x", "more": True})),
            ("delete", ("old",)),
        ],
        "x",
    )

    assert [result["statusCode"] for result in results] == [201, 200, 200, 201, 200, 204]
    assert results[2]["resourceBody"]["value"] == 3
    assert changes(container) == [("a", 2), ("b", 2)]


def test_failed_batch_leaves_nothing(container: ContainerProxy) -> None:
    """The one that failed has its status, the others 424."""
    container.create_item({"id": "a", "pk": "x"})

    with pytest.raises(CosmosBatchOperationError) as failure:
        container.execute_item_batch(
            [
                ("delete", ("a",)),
                ("create", ({"id": "b", "pk": "x"},)),
                ("replace", ("absent", {"id": "absent", "pk": "x"})),
                ("create", ({"id": "c", "pk": "x"},)),
            ],
            "x",
        )

    assert failure.value.error_index == 2
    assert [result["statusCode"] for result in failure.value.operation_responses] == [424, 424, 404, 424]
    assert changes(container) == [("a", 1)]


def test_etag_is_a_condition_of_an_operation(container: ContainerProxy) -> None:
    """A version that is no longer there fails the batch; the current one does not."""
    etag = container.create_item({"id": "a", "pk": "x"})["_etag"]
    replace = ("replace", ("a", {"id": "a", "pk": "x"}), {"if_match_etag": etag})
    container.execute_item_batch([replace], "x")

    with pytest.raises(CosmosBatchOperationError) as failure:
        container.execute_item_batch([("replace", replace[1], {"if_match_etag": etag})], "x")

    assert failure.value.status_code == 412


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        ([], "Batch request has no operations"),
        ([("read", ("a",))] * 101, "more operations than what is supported"),
    ],
)
def test_impossible_batch_is_refused(container: ContainerProxy, operations: Any, message: str) -> None:
    """A batch has from 1 to 100 operations."""
    with pytest.raises(CosmosHttpResponseError, match=message):
        container.execute_item_batch(operations, "x")


def test_hierarchical_key_of_a_batch_is_whole(database: DatabaseProxy) -> None:
    """A prefix names no logical partition."""
    container = database.create_container("places", PartitionKey(path=["/state", "/city"], kind="MultiHash"))
    create = ("create", ({"id": "a", "state": "WA", "city": "Redmond"},))
    container.execute_item_batch([create], ["WA", "Redmond"])

    with pytest.raises(CosmosHttpResponseError, match="doesn't correspond to definition"):
        container.execute_item_batch([create], ["WA"])
