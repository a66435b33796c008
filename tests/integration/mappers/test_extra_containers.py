"""The containers that are off by default: a sample of each arrives in PostgreSQL, and without its mark it is gone."""

import pytest

from cdc.replication.batch import replicate
from mappers import EXTRA_MAPPERS
from tests.builders import a_change, a_version
from tests.golden import name_file, read_bases, read_cases


@pytest.mark.parametrize("mapper", EXTRA_MAPPERS, ids=lambda mapper: name_file(mapper, EXTRA_MAPPERS))
def test_a_sample_arrives_and_goes(sink, observer, mapper):
    """Every table has its rows; a document that is marked as deleted loses all of them."""
    name = name_file(mapper, EXTRA_MAPPERS)
    body = read_bases(name)["sample"].document

    outcome = replicate(mapper, [a_change("a", container=mapper.container, body=body)], sink)

    assert (outcome.applied, outcome.parked) == (1, 0)
    assert all(observer.rows(table.name) for table in mapper.tables)

    for number, case in enumerate(read_cases(name).values()):
        if case.expected.get("root", case) is None and not case.expected.get("observations"):
            version = a_version(2**31 + number)
            replicate(mapper, [a_change("a", container=mapper.container, version=version, body=case.document)], sink)

            assert not any(observer.rows(table.name) for table in mapper.tables)
