"""The change feed of all versions and deletes."""

from typing import Any

import pytest
from azure.cosmos import ContainerProxy, DatabaseProxy, PartitionKey
from azure.cosmos.exceptions import CosmosHttpResponseError

from local.cosmos import CosmosServer
from tests.local.cosmos.conftest import SettableClock

MODE = "AllVersionsAndDeletes"


class Reader:
    """Read what is new since the last time."""

    def __init__(self, container: ContainerProxy) -> None:
        self._container = container
        self._continuation: str | None = None

    def read(self, **options: Any) -> list[dict[str, Any]]:
        """Read from now at first, then from the continuation."""
        if self._continuation is not None:
            options["continuation"] = self._continuation
        changes = list(self._container.query_items_change_feed(mode=MODE, **options))
        self._continuation = self._container.client_connection.last_response_headers["etag"]
        return changes


@pytest.fixture
def versioned(database: DatabaseProxy) -> ContainerProxy:
    """Create a container that keeps all versions for ten minutes."""
    return database.create_container(
        "versioned", PartitionKey(path="/pk"), default_ttl=-1, change_feed_policy={"retentionDuration": 10}
    )


def test_every_version_and_delete_is_told(versioned: ContainerProxy, clock: SettableClock) -> None:
    """Create, replace and delete come one by one, each with what is known of it."""
    reader = Reader(versioned)
    assert reader.read() == []
    versioned.create_item({"id": "a", "pk": "x", "value": 1})
    versioned.upsert_item({"id": "a", "pk": "x", "value": 2})
    versioned.delete_item("a", "x")

    created, replaced, deleted = reader.read()

    assert (created["current"]["value"], replaced["current"]["value"], deleted["current"]) == (1, 2, {})
    now = int(clock.now)
    assert created["metadata"] == {"operationType": "create", "lsn": 1, "crts": now}
    assert replaced["metadata"] == {"operationType": "replace", "lsn": 2, "crts": now, "previousImageLSN": 1}
    assert deleted["metadata"] == {
        "operationType": "delete",
        "lsn": 3,
        "crts": now,
        "previousImageLSN": 2,
        "timeToLiveExpired": False,
        "id": "a",
        "partitionKey": {"pk": "x"},
    }


def test_expiry_is_a_delete(versioned: ContainerProxy, clock: SettableClock) -> None:
    """The feed says that nobody deleted it."""
    reader = Reader(versioned)
    reader.read()
    versioned.create_item({"id": "a", "pk": "x", "ttl": 5})

    clock.now += 5

    _, deleted = reader.read()
    assert deleted["metadata"]["timeToLiveExpired"] is True


def test_history_survives_a_split(server: CosmosServer, database: DatabaseProxy, versioned: ContainerProxy) -> None:
    """Children tell what was changed before they were there."""
    reader = Reader(versioned)
    reader.read()
    for number in range(10):
        versioned.create_item({"id": f"id-{number}", "pk": f"pk-{number}"})
        versioned.delete_item(f"id-{number}", f"pk-{number}")
    server.controls.split(database.id, "versioned", "1")

    changes = reader.read(max_item_count=3)

    assert len(changes) == 20
    assert {change["metadata"]["id"] for change in changes if not change["current"]} == {
        f"id-{number}" for number in range(10)
    }


def test_changes_are_kept_for_the_retention(versioned: ContainerProxy, clock: SettableClock) -> None:
    """An older continuation is refused, never answered with a gap."""
    reader = Reader(versioned)
    reader.read()
    versioned.create_item({"id": "a", "pk": "x"})

    clock.now += 601

    with pytest.raises(CosmosHttpResponseError, match="older than the changes that are kept") as refusal:
        reader.read()
    assert refusal.value.status_code == 400


def test_mode_must_be_enabled(container: ContainerProxy) -> None:
    """A container without a policy keeps no versions, and says so."""
    with pytest.raises(CosmosHttpResponseError, match="All Versions and Deletes must be enabled"):
        Reader(container).read()
