"""The containers that are off by default: a sample of each arrives in PostgreSQL, and without its mark it is gone."""

import pytest

from cdc.replication.batch import replicate
from mappers import EXTRA_MAPPERS
from tests.builders import a_change, a_version
from tests.golden import read_bases


@pytest.mark.parametrize("mapper", EXTRA_MAPPERS, ids=lambda mapper: mapper.container)
def test_a_sample_arrives_and_goes(sink, observer, mapper):
    """Every table has its rows; a document that is marked as deleted loses all of them."""
    body = read_bases(mapper.container)["sample"].document

    outcome = replicate(mapper, [a_change("a", container=mapper.container, body=body)], sink)

    assert (outcome.applied, outcome.parked) == (1, 0)
    assert all(len(observer.rows(table.name)) == 1 for table in mapper.tables)

    gone = a_change("a", container=mapper.container, version=a_version(2**31), body=body | {"IsDeleted": True})
    replicate(mapper, [gone], sink)

    assert not any(observer.rows(table.name) for table in mapper.tables)
