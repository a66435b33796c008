"""Documents of every generation arrive in PostgreSQL as their mappers say."""

import pytest

from cdc.core.writes import map_change
from cdc.replication.batch import replicate
from mappers import EXTRA_MAPPERS, MAPPERS
from tests.builders import a_change, by_column
from tests.corpus import CONTAINERS, corpus


@pytest.fixture(scope="module")
def documents():
    """Fifteen hundred documents with their containers."""
    return list(corpus(seed=20260109, count=1_500))


@pytest.mark.parametrize(
    "mapper",
    [each for each in (*MAPPERS, *EXTRA_MAPPERS) if each.container in CONTAINERS],
    ids=lambda mapper: mapper.container,
)
def test_the_corpus_arrives_value_by_value(sink, observer, documents, mapper):
    """Nothing is parked, and the tables hold exactly the rows that the mapper returned."""
    changes = [
        a_change(body["id"], container=mapper.container, body=body)
        for container, body in documents
        if container == mapper.container
    ]
    mapped = [by_column(mapper, map_change(mapper, change).rows) for change in changes]
    rows = {
        table.name: [row for each in mapped for row in each.children.get(table.name, [])] for table in mapper.tables
    }
    rows[mapper.tables[0].name] = [each.root for each in mapped if each.root is not None]

    outcomes = [replicate(mapper, changes[start : start + 200], sink) for start in range(0, len(changes), 200)]

    assert sum(outcome.applied for outcome in outcomes) == len(changes) > 50
    for table in mapper.tables:
        assert rows[table.name]
        assert by_key(table, observer.rows(table.name)) == by_key(table, rows[table.name])


def by_key(table, rows):
    """Return rows by their primary key; no two have one."""
    keyed = {tuple(row[column.name] for column in table.primary_key.columns): row for row in rows}
    assert len(keyed) == len(rows)
    return keyed
