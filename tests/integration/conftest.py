"""A sink on the test's own database, eyes to see what it wrote, and a source."""

import pytest

from cdc.core.source_container import SourceContainer
from cdc.postgres.containers import PostgresFeedStates, confirm
from cdc.replication import planning
from cdc.replication.sink import PostgresSink
from local.cosmos import CosmosServer
from tests.integration.observer import Observer


@pytest.fixture(params=["whole", "pieces"])
def way(request, monkeypatch):
    """Whether a batch is written whole, or document by document in a pipeline, however small it is."""
    size = 1 if request.param == "pieces" else 1_000_000
    monkeypatch.setattr(planning, "_LEAST", size)
    monkeypatch.setattr(planning, "_MOST", size)
    return request.param


@pytest.fixture
def sink(database, way):
    """The sink under test."""
    return PostgresSink(database)


@pytest.fixture
def observer(connection):
    """What stands in the test's database, read past the code under test."""
    return Observer(connection)


@pytest.fixture
def cosmos():
    """A Cosmos server with two physical partitions."""
    with CosmosServer(port=0, physical_partitions=2) as server:
        yield server


@pytest.fixture
def feeds(database):
    """The feeds of a container that was seen."""
    confirm(database, SourceContainer("Accounts", "account", "AAAAAIAAAAA=", ("/id",)))
    return PostgresFeedStates(database)
