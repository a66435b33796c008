"""Offer a server and the unmodified SDK, connected to it."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from azure.cosmos import ContainerProxy, CosmosClient, DatabaseProxy, PartitionKey

from local.cosmos import CosmosServer


class SettableClock:
    """Tell the time that the test has set."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """Tell the time in seconds since the epoch."""
        return self.now


@pytest.fixture
def clock() -> SettableClock:
    """Stand at a fixed time until the test moves it."""
    return SettableClock(1_700_000_000.75)


@pytest.fixture
def server(clock: SettableClock) -> Iterator[CosmosServer]:
    """Serve an account whose containers have three physical partitions."""
    with CosmosServer(physical_partitions=3, clock=clock) as running:
        yield running


@pytest.fixture
def client(server: CosmosServer) -> Iterator[CosmosClient]:
    """Connect the SDK to the server."""
    with CosmosClient.from_connection_string(server.connection_string) as connected:
        yield connected


@pytest.fixture
def database(client: CosmosClient) -> DatabaseProxy:
    """Create a database."""
    return client.create_database(f"database-{uuid4().hex}")


@pytest.fixture
def container(database: DatabaseProxy) -> ContainerProxy:
    """Create a container whose documents are partitioned by /pk."""
    return database.create_container("things", PartitionKey(path="/pk"))


@pytest.fixture
def filled(container: ContainerProxy) -> ContainerProxy:
    """Fill the container with forty documents in twenty logical partitions."""
    for number in range(40):
        container.create_item({"id": f"id-{number}", "pk": f"pk-{number % 20}", "number": number})
    return container
