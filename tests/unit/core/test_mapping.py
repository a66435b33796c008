"""A mapper's rows must fit its tables: a mistake there parks the document instead of losing rows."""

import pytest
from pydantic import BaseModel
from sqlalchemy import Column, MetaData, Table, Text

from cdc.core.errors import DocumentError, ProblemKind
from cdc.core.mapping import Mapper, Rows, Tuples

METADATA = MetaData()
ROOT = Table("roots", METADATA, Column("id", Text, primary_key=True), Column("name", Text))
CHILD = Table("children", METADATA, Column("root_id", Text, primary_key=True), Column("id", Text, primary_key=True))
GOOD_ROOT = {"id": "a", "name": None}


class Document(BaseModel):
    """Any document."""


def a_mapper(rows):
    """Return a mapper that yields these rows, whatever the document."""
    return Mapper(container="Things", document=Document, tables=(ROOT, CHILD), rows=lambda _: rows)


@pytest.mark.parametrize(
    ("rows", "tuples"),
    [
        pytest.param(Rows(), Tuples(), id="none"),
        pytest.param(Rows(root=GOOD_ROOT), Tuples(("a", None)), id="a root"),
        pytest.param(
            Rows(root={"name": None, "id": "a"}, children={"children": [{"id": "1", "root_id": "a"}]}),
            Tuples(("a", None), {"children": [("a", "1")]}),
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
