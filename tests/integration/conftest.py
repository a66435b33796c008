"""A sink on the test's own database, and eyes to see what it wrote."""

import pytest

from cdc.sink import PostgresSink
from tests.integration.observer import Observer


@pytest.fixture
def sink(database):
    """The sink under test."""
    return PostgresSink(database)


@pytest.fixture
def observer(connection):
    """What stands in the test's database, read past the code under test."""
    return Observer(connection)
