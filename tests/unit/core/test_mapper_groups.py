"""Several mappers of one container: whose a document is."""

from dataclasses import replace

import pytest
from sqlalchemy import Column, MetaData, Table, Text

from cdc.core.conventions import ANYTHING, Conventions, DeleteMark
from cdc.core.document_models import RootDocument
from cdc.core.document_reader import DocumentReader
from cdc.core.errors import DocumentError
from cdc.core.mapper_groups import by_container
from cdc.core.mapping import Mapper, Rows

RULES = Conventions(type_properties=("type",), delete_mark=DeleteMark("deletedAt", ANYTHING))


def a_group(*names, **conventions):
    """Return the group of mappers that take these types."""
    metadata, rules = MetaData(schema="public"), replace(RULES, **conventions)
    mappers = []
    for name in names:
        model = type(name, (RootDocument,), {"conventions": rules, "type_name": name})
        table = Table(name, metadata, Column("id", Text, primary_key=True))
        mappers.append(
            Mapper(container="things", reader=DocumentReader(model), tables=(table,), rows=lambda it: Rows(vars(it)))
        )
    (group,) = by_container(mappers)
    return group


@pytest.mark.parametrize("name", ["other", "order-line", "Shop.Order, Shop", "größer", "a" * 99])
def test_a_type_may_have_any_name(name):
    """Also one that is never shown, and the word for those."""
    assert a_group("order", name).map({"id": "a", "type": name}).root == ("a",)
    assert a_group("order").map({"id": "a", "type": name}).root is None


@pytest.mark.parametrize("rest", [{"type": "invoice"}, {}, {"type": ""}, {"type": ["order"]}])
def test_what_is_deleted_has_no_rows_whatever_its_type(rest):
    """Where unknown types are parked, too: a parked document would keep the rows that it had."""
    group = a_group("order", "refund", parks_unknown_types=True)

    assert group.map({"id": "a", "deletedAt": 5} | rest).root is None
    with pytest.raises(DocumentError):
        group.map({"id": "a", "deletedAt": None} | rest)


@pytest.mark.parametrize("status", ["Deleted", "DELETED", "deleted_"])
def test_a_mark_in_other_capitals_parks_its_document(status):
    """It is unclear whether somebody wanted to delete it; any other value is just another one."""
    group = a_group("order", "refund", delete_mark=DeleteMark("status", "deleted"))
    body = {"id": "a", "type": "order"}

    with pytest.raises(DocumentError) as caught:
        group.map(body | {"status": status})
    assert (caught.value.problem.path, status in caught.value.problem.message) == ("$.status", False)
    assert group.map(body | {"status": "deleted"}).root is None
    for other in ("undeleted", "open", "", None, 5):
        assert group.map(body | {"status": other}).root == ("a",)


@pytest.mark.parametrize(
    ("mark", "value", "marks"),
    [
        (1, 1, True),
        (1, 1.0, True),
        (1.0, 1, True),
        (1, True, False),
        (True, 1, False),
        ("x", "x", True),
        (0, False, False),
    ],
)
def test_a_number_marks_a_document_however_it_is_written(mark, value, marks):
    """Cosmos knows one kind of number; true is none."""
    assert DeleteMark("state", mark).marks(value) is marks
