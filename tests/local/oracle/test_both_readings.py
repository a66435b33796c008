"""Two readings of the same documents, written apart, must agree: the mappers' and the comparison's."""

import json

import pytest

from cdc.core.errors import DocumentError
from cdc.core.mapper_groups import by_container
from local.oracle.expected import TYPES
from local.oracle.json_columns import is_equal
from local.oracle.types import find_type
from local.sample import PARTITION_KEYS, Sample
from mappers import EXTRA_MAPPERS, MAPPERS
from tests.builders import by_column
from tests.corpus import corpus
from tests.golden import name_file, read_cases

ALL = (*MAPPERS, *EXTRA_MAPPERS)
EXPECTED = {each.container: [other for other in TYPES if other.container == each.container] for each in TYPES}
MAPPER = {mapper.container: mapper for mapper in by_container(ALL)}


def _sample(seed, count):
    sample = Sample(seed, containers=PARTITION_KEYS)
    yield from sample.create(count)
    for _ in range(count):
        yield sample.change()


def _golden():
    for mapper in ALL:
        for case in read_cases(name_file(mapper, ALL)).values() if mapper.container in EXPECTED else ():
            yield mapper.container, case.document


def _read(types, document):
    """Return the rows that the comparison expects: the root's, and the children's by table and key."""
    type_ = find_type(types, document)
    if type_ is None or type_.find_key(document) is None:
        return None, {}
    return _row(type_.fields, document), {
        child.table: {
            child.fields[child.key](item): {child.parent: type_.fields["id"](document), **_row(child.fields, item)}
            for item in child.items(document)
        }
        for child in type_.children
    }


def _row(fields, document):
    return {column: expected(document) for column, expected in fields.items()}


def _map(types, document):
    """Return the same of the mapper, or None where it parks the document."""
    mapper = MAPPER[types[0].container]
    try:
        mapped = mapper.map(document)
    except (DocumentError, ValueError):
        return None
    if mapped.root is None:
        return None, {}
    part = mapper.part(mapped.root_name)
    rows = by_column(part, mapped)
    type_ = next(each for each in types if each.table == part.tables[0].name)
    return rows.root, {
        child.table: {row[child.key]: row for row in rows.children.get(child.table, ())} for child in type_.children
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
        mapped = _map(EXPECTED[name], document)
        if mapped is not None:
            (row, children), (found_row, found_children) = _read(EXPECTED[name], document), mapped
            missing = sorted({*(row or ())} ^ {*(found_row or ())})
            assert is_equal(row, found_row), f"{missing or 'values'} of {json.dumps(document)}"
            assert is_equal(children, found_children), json.dumps(document)
            read += 1
    assert read >= at_least
