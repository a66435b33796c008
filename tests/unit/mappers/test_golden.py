"""Golden pairs: a document as the application stores it, and the rows, or the problem, that it becomes."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from cdc.core.writes import map_change
from mappers import EXTRA_MAPPERS, MAPPERS
from tests.builders import a_change, by_column

GOLDEN = Path(__file__).parents[2] / "golden"
ALL = (*MAPPERS, *EXTRA_MAPPERS)
PAIRS = [
    pytest.param(mapper, path, id=f"{mapper.container}-{path.stem}")
    for mapper in ALL
    for path in sorted((GOLDEN / mapper.container).glob("*.json"))
    if not path.name.endswith(".rows.json")
]


def read(path):
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write(value):
    """Write days, instants and durations as JSON can hold them."""
    assert isinstance(value, date | timedelta)
    return str(value) if isinstance(value, timedelta) else value.isoformat()


@pytest.mark.parametrize(("mapper", "path"), PAIRS)
def test_document_becomes_these_rows(mapper, path):
    """A document becomes exactly the rows beside it, or is parked with the path and words beside it."""
    write_ = map_change(mapper, a_change(container=mapper.container, body=read(path)))

    if write_.problem is None:
        rows = by_column(mapper, write_.rows)
        found = {"root": rows.root, "children": rows.children}
        if write_.rows.observations:
            found["observations"] = [f"{seen.kind} {seen.path}" for seen in write_.rows.observations]
    else:
        problem = write_.problem
        found = {"problem": {"kind": problem.kind, "path": problem.path, "message": problem.message}}
    text = json.dumps(found, default=write)
    assert json.loads(text) == read(path.with_suffix(".rows.json"))
    assert "secret" not in text


@pytest.mark.parametrize("mapper", ALL, ids=lambda mapper: mapper.container)
def test_rows_fill_every_column(mapper):
    """The rows have the columns of the mapped tables, no more and no fewer."""
    root, *children = mapper.tables
    seen = []

    def spy(document):
        seen.append(mapper.rows(document))
        return seen[-1]

    replace(mapper, rows=spy).map(read(GOLDEN / mapper.container / "sample.json"))

    (rows,) = seen
    assert rows.root.keys() == set(root.columns.keys())
    assert rows.children.keys() == {table.name for table in children}
    for table in children:
        assert rows.children[table.name]
        assert all(row.keys() == set(table.columns.keys()) for row in rows.children[table.name])


def test_every_golden_file_has_its_pair():
    """No expectation is left over from a document that is gone."""
    names = {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*.json")}

    documents = {name for name in names if not name.endswith(".rows.json")}

    assert names - documents == {name.replace(".json", ".rows.json") for name in documents}
    assert len(documents) == len(PAIRS)
