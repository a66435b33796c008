"""A sink on the test's own database, and eyes to see what it wrote."""

import pytest

from cdc import replicate
from cdc.sink import PostgresSink
from tests.integration.observer import Observer


@pytest.fixture(params=["whole", "pieces"])
def way(request, monkeypatch):
    """Whether a batch is written whole, or document by document in a pipeline, however small it is."""
    size = 1 if request.param == "pieces" else 1_000_000
    monkeypatch.setattr(replicate, "_LEAST", size)
    monkeypatch.setattr(replicate, "_MOST", size)
    return request.param


@pytest.fixture
def sink(database, way):
    """The sink under test."""
    return PostgresSink(database)


@pytest.fixture
def observer(connection):
    """What stands in the test's database, read past the code under test."""
    return Observer(connection)
