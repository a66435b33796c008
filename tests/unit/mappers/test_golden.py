"""Golden files: a document as the application stores it, and the rows, or the problem, that it becomes."""

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from cdc.core.writes import map_change
from mappers import EXTRA_MAPPERS, MAPPERS
from tests.builders import a_change, by_column
from tests.golden import GOLDEN, name_file, read_bases, read_cases

ALL = (*MAPPERS, *EXTRA_MAPPERS)
FILES = {mapper: name_file(mapper, ALL) for mapper in ALL}
CASES = [
    pytest.param(mapper, case, id=f"{FILES[mapper]}-{name}")
    for mapper in ALL
    for name, case in read_cases(FILES[mapper]).items()
]


def write(value):
    """Write days, instants, durations, exact fractions and UUIDs as JSON can hold them."""
    assert isinstance(value, date | timedelta | Decimal | UUID)
    if isinstance(value, Decimal):
        return float(value)
    return str(value) if isinstance(value, timedelta | UUID) else value.isoformat()


@pytest.mark.parametrize(("mapper", "case"), CASES)
def test_document_becomes_these_rows(mapper, case):
    """A document becomes exactly the expected rows, or is parked with the expected path and words."""
    write_ = map_change(mapper, a_change(container=mapper.container, body=case.document))

    if write_.problem is None:
        rows = by_column(mapper, write_.rows)
        seen = [f"{seen.kind} {seen.path}" for seen in write_.rows.observations]
        if write_.rows.unmapped_type is not None:
            seen.append(f"unmapped {write_.rows.unmapped_type}")
        found = {"root": rows.root, "children": rows.children, "observations": seen}
    else:
        problem = write_.problem
        found = {"problem": f"{problem.kind} {problem.path}: {problem.message}"}
    text = json.dumps(found, default=write)
    assert json.loads(text) == case.expected
    assert "secret" not in text


@pytest.mark.parametrize("mapper", ALL, ids=FILES.get)
def test_rows_fill_every_column(mapper):
    """The rows have the columns of the mapped tables, no more and no fewer."""
    root, *children = mapper.tables
    seen = []

    def spy(document):
        seen.append(mapper.rows(document))
        return seen[-1]

    replace(mapper, rows=spy).map(read_bases(FILES[mapper])["sample"].document)

    (rows,) = seen
    assert rows.root.keys() == set(root.columns.keys())
    assert rows.children.keys() == {table.name for table in children}
    for table in children:
        assert rows.children[table.name]
        assert all(row.keys() == set(table.columns.keys()) for row in rows.children[table.name])


def test_every_golden_file_has_its_mapper():
    """No expectation is left over from a container that is gone."""
    assert {path.name for path in GOLDEN.glob("*.*")} == {"__init__.py", *(f"{each}.json" for each in FILES.values())}


def test_golden_files_fit_the_page():
    """A line has at most 120 columns, so that a case is read without scrolling."""
    for path in GOLDEN.glob("*.json"):
        assert max(map(len, path.read_text(encoding="utf-8").splitlines())) <= 120, path.name
