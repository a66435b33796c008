"""Reconcile holds one page of bodies at a time, however large the documents are."""

import json

import pytest

from cdc.reconcile.tables_side import PostgresTablesSide
from tests.integration.worlds import World

# Cosmos ends a page with the document that reaches 4 MB, and no document is larger than 2 MB.
PAGE_BYTES = 6 * 1024 * 1024


@pytest.fixture
def world(dsn, database, observer):
    """Both sides of a container with forty accounts of 400 kB each: four pages."""
    world = World(dsn, database, observer)
    world.write_apart(40, DisplayName="x" * 400_000)
    world.settle()
    yield world
    world.close()


@pytest.fixture
def held(monkeypatch):
    """How many bytes of bodies are compared at once, each time."""
    sizes, find_different = [], PostgresTablesSide.find_different

    def measure(tables, writes):
        sizes.append(sum(len(json.dumps(write.change.body)) for write in writes))
        return find_different(tables, writes)

    monkeypatch.setattr(PostgresTablesSide, "find_different", measure)
    return sizes


@pytest.mark.parametrize(("mode", "sample"), [("deep", "all"), ("keys", "all"), ("counts", 40)])
def test_no_more_than_a_page_is_held(world, held, mode, sample):
    """Every document is compared, in parts that are no larger than a page."""
    report = world.run(mode=mode, sample=sample)

    assert report["values"] == 40
    assert max(held) <= PAGE_BYTES < sum(held)
