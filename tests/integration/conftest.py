"""A sink on the test's own database, and eyes to see what it wrote."""

import pytest

from cdc import stage
from cdc.sink import PostgresSink
from tests.integration.observer import Observer


@pytest.fixture(params=["arrays", "copy"])
def way(request, monkeypatch):
    """How rows reach the server, however few they are."""
    monkeypatch.setattr(stage, "_ENOUGH", 1 if request.param == "copy" else 1_000_000)
    return request.param


@pytest.fixture
def sink(database, way):
    """The sink under test."""
    return PostgresSink(database)


@pytest.fixture
def observer(connection):
    """What stands in the test's database, read past the code under test."""
    return Observer(connection)
