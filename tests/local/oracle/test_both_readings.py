"""Two readings of the same documents, written apart, must agree: the mappers' and the comparison's."""

import json

import pytest

from cdc.core.errors import DocumentError
from local.oracle.expected import TYPES
from local.oracle.json_columns import is_equal
from local.oracle.types import find_type
from local.sample import PARTITION_KEYS, Sample
from mappers import EXTRA_MAPPERS, MAPPERS
from tests.builders import by_column
from tests.corpus import corpus
from tests.golden import read_cases

EXPECTED = {each.container: each for each in TYPES}
MAPPER = {mapper.container: mapper for mapper in (*MAPPERS, *EXTRA_MAPPERS)}


def _sample(seed, count):
    sample = Sample(seed, containers=PARTITION_KEYS)
    yield from sample.create(count)
    for _ in range(count):
        yield sample.change()


def _golden():
    for container in EXPECTED:
        for case in read_cases(container).values():
            yield container, case.document


def _read(container, document):
    """Return the rows that the comparison expects: the root's, and the children's by table and key."""
    if find_type((container,), document) is None or container.find_key(document) is None:
        return None, {child.table: {} for child in container.children}
    return _row(container.fields, document), {
        child.table: {
            child.fields[child.key](item): {child.parent: container.fields["id"](document), **_row(child.fields, item)}
            for item in child.items(document)
        }
        for child in container.children
    }


def _row(fields, document):
    return {column: expected(document) for column, expected in fields.items()}


def _map(container, document):
    """Return the same of the mapper, or None where it parks the document."""
    try:
        rows = by_column(MAPPER[container.container], MAPPER[container.container].map(document))
    except (DocumentError, ValueError):
        return None
    return rows.root, {
        child.table: {row[child.key]: row for row in rows.children.get(child.table, ())} for child in container.children
    }


@pytest.mark.parametrize(
    ("documents", "at_least"),
    [
        pytest.param(_golden(), 200, id="golden documents"),
        pytest.param(_sample(1, 1_500), 3_000, id="the sample and its changes"),
        pytest.param(corpus(1, 4_000), 3_500, id="odd but legal values"),
    ],
)
def test_the_comparison_expects_the_rows_that_the_mappers_yield(documents, at_least):
    """Whatever the mappers do not park, both read alike."""
    read = 0
    for name, document in documents:
        container = EXPECTED[name]
        mapped = _map(container, document)
        if mapped is not None:
            (row, children), (found_row, found_children) = _read(container, document), mapped
            assert is_equal(row, found_row), json.dumps(document)
            assert is_equal(children, found_children), json.dumps(document)
            read += 1
    assert read >= at_least
