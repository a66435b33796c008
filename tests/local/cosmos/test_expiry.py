"""Documents expire."""

from typing import Any

import pytest
from azure.cosmos import ContainerProxy, DatabaseProxy, PartitionKey
from azure.cosmos.exceptions import CosmosHttpResponseError

from tests.local.cosmos.conftest import SettableClock


def identities(container: ContainerProxy) -> list[str]:
    """List the documents that are there."""
    return [document["id"] for document in container.read_all_items()]


def test_document_expires_after_its_last_write(database: DatabaseProxy, clock: SettableClock) -> None:
    """The container's time to live counts from _ts; a document's own comes before it."""
    container = database.create_container("short", PartitionKey(path="/pk"), default_ttl=100)
    container.create_item({"id": "default", "pk": "x"})
    container.create_item({"id": "own", "pk": "x", "ttl": 10})
    container.create_item({"id": "never", "pk": "x", "ttl": -1})
    container.create_item({"id": "renewed", "pk": "x"})

    clock.now += 10
    assert identities(container) == ["default", "never", "renewed"]
    clock.now += 80
    container.upsert_item({"id": "renewed", "pk": "x"})
    clock.now += 10
    assert identities(container) == ["never", "renewed"]
    clock.now += 90
    assert identities(container) == ["never"]


def test_nothing_expires_where_it_is_off(container: ContainerProxy, clock: SettableClock) -> None:
    """A document's own time to live means nothing without the container's."""
    container.create_item({"id": "a", "pk": "x", "ttl": 1})

    clock.now += 1_000_000

    assert identities(container) == ["a"]


def test_expiry_follows_the_containers_properties(
    database: DatabaseProxy, container: ContainerProxy, clock: SettableClock
) -> None:
    """Switching it on makes expire what is old already."""
    container.create_item({"id": "a", "pk": "x"})
    clock.now += 50

    database.replace_container(container, PartitionKey(path="/pk"), default_ttl=10)

    assert identities(container) == []


@pytest.mark.parametrize("ttl", [0, -2, None, "10", 1.5, True])
def test_impossible_time_to_live_is_refused(database: DatabaseProxy, ttl: Any) -> None:
    """It is -1 or a number of seconds."""
    container = database.create_container("short", PartitionKey(path="/pk"), default_ttl=-1)

    with pytest.raises(CosmosHttpResponseError) as refusal:
        container.create_item({"id": "a", "pk": "x", "ttl": ttl})

    assert refusal.value.status_code == 400
