"""Documents are partitioned by up to three paths."""

import pytest
from azure.cosmos import ContainerProxy, DatabaseProxy, PartitionKey
from azure.cosmos.exceptions import CosmosHttpResponseError


@pytest.fixture
def places(database: DatabaseProxy) -> ContainerProxy:
    """Create a container with documents in three states."""
    container = database.create_container("places", PartitionKey(path=["/state", "/city"], kind="MultiHash"))
    for number in range(30):
        container.create_item({"id": f"id-{number}", "state": f"state-{number % 3}", "city": f"city-{number % 10}"})
    return container


def test_document_is_found_by_its_whole_key(places: ContainerProxy) -> None:
    """A prefix is refused for a point read."""
    assert places.read_item("id-4", ["state-1", "city-4"])["id"] == "id-4"

    with pytest.raises(CosmosHttpResponseError) as refusal:
        places.read_item("id-4", ["state-1"])

    assert (refusal.value.status_code, refusal.value.sub_status) == (400, 1001)


def test_prefix_is_a_feed_range(places: ContainerProxy) -> None:
    """All documents below it, and no others, are in its change feed."""
    changes = places.query_items_change_feed(partition_key=["state-1"], start_time="Beginning")

    assert {change["id"] for change in changes} == {f"id-{number}" for number in range(1, 30, 3)}


def test_whole_key_is_a_feed_range(places: ContainerProxy) -> None:
    """One logical partition can be followed alone."""
    changes = places.query_items_change_feed(partition_key=["state-1", "city-4"], start_time="Beginning")

    assert [change["id"] for change in changes] == ["id-4"]


def test_missing_level_is_undefined(places: ContainerProxy) -> None:
    """A document without one of the properties has a key of its own."""
    with pytest.raises(CosmosHttpResponseError):
        places.create_item({"id": "a", "state": "WA"})
    places.create_item({"id": "a", "state": "WA", "city": None})

    assert places.read_item("a", ["WA", None])["city"] is None
