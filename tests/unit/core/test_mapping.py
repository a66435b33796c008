"""A mapper's rows must fit its tables: a mistake there parks the document instead of losing rows."""

from types import SimpleNamespace

import pytest
from pydantic import BaseModel
from sqlalchemy import Column, MetaData, Table, Text

from cdc.core.errors import DocumentError, ProblemKind
from cdc.core.mapping import NO_ROWS, Mapper, Observation, ObservationKind, Read, Rows, Tuples

METADATA = MetaData()
ROOT = Table("roots", METADATA, Column("id", Text, primary_key=True), Column("name", Text))
CHILD = Table("children", METADATA, Column("root_id", Text, primary_key=True), Column("id", Text, primary_key=True))
GOOD_ROOT = {"id": "a", "name": None}


class Document(BaseModel):
    """Any document."""


def a_mapper(rows):
    """Return a mapper that yields these rows, whatever the document."""
    reader = SimpleNamespace(read=lambda _: Read(Document()))
    return Mapper(container="Things", reader=reader, tables=(ROOT, CHILD), rows=lambda _: rows)


@pytest.mark.parametrize(
    ("rows", "tuples"),
    [
        pytest.param(Rows(), Tuples(root_name="roots"), id="none"),
        pytest.param(Rows(root=GOOD_ROOT), Tuples(("a", None), root_name="roots"), id="a root"),
        pytest.param(
            Rows(root={"name": None, "id": "a"}, children={"children": [{"id": "1", "root_id": "a"}]}),
            Tuples(("a", None), {"children": [("a", "1")]}, root_name="roots"),
            id="a root with a child, columns in any order",
        ),
    ],
)
def test_rows_that_fit_become_tuples(rows, tuples):
    """A document may have no rows, a root row, and children of that root; values get the order of the columns."""
    assert a_mapper(rows).map({}) == tuples


@pytest.mark.parametrize(
    ("rows", "table"),
    [
        pytest.param(Rows(root={"id": "a"}), "roots", id="a column is missing"),
        pytest.param(Rows(root=GOOD_ROOT | {"age": 1}), "roots", id="an unknown column"),
        pytest.param(Rows(root=GOOD_ROOT, children={"childs": []}), "childs", id="an undeclared table"),
        pytest.param(
            Rows(root=GOOD_ROOT, children={"children": [{"root_id": "b", "id": "1"}]}), "children", id="another parent"
        ),
        pytest.param(Rows(children={"children": [{"root_id": "a", "id": "1"}]}), "children", id="no parent"),
        pytest.param(Rows(root=GOOD_ROOT, children={"children": [{"root_id": "a"}]}), "children", id="half a child"),
    ],
)
def test_rows_that_do_not_fit_are_a_problem_of_the_mapping(rows, table):
    """The problem names the table."""
    with pytest.raises(DocumentError) as refusal:
        a_mapper(rows).map({})

    assert (refusal.value.problem.kind, refusal.value.problem.path) == (ProblemKind.MAPPING, table)


def test_a_document_without_rows_is_not_mapped():
    """Its reader says so; what was noticed in it is kept."""
    seen = Observation(ObservationKind.UNKNOWN, "$.Type")
    reads = iter([Read(None), Read(None, (seen,))])
    reader = SimpleNamespace(read=lambda _: next(reads))
    mapper = Mapper(container="Things", reader=reader, tables=(ROOT, CHILD), rows=None)

    assert (mapper.map({}), mapper.map({})) == (NO_ROWS, Tuples(observations=(seen,)))


def test_what_reader_and_mapper_notice_is_noticed_once():
    """In the order in which it was seen."""
    one, two, three = (Observation(ObservationKind.AMBIGUOUS, f"$.{name}") for name in "abc")
    reader = SimpleNamespace(read=lambda _: Read(Document(), (one, two)))
    rows = Rows(observations=(two, three))
    mapper = Mapper(container="Things", reader=reader, tables=(ROOT, CHILD), rows=lambda _: rows)

    assert mapper.map({}).observations == (one, two, three)
