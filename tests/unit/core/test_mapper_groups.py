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


@pytest.mark.parametrize(
    "name", ["Order", "_a1", "order-line", "Shop.Orders.Order", "Outer+Inner", "shop:order", "a" * 64]
)
def test_an_unmapped_type_is_shown_if_it_has_the_form_of_a_name(name):
    """So that whoever adds a mapper for it is told of its documents."""
    assert a_group("mapped").map({"id": "a", "type": name}).unmapped_type == name


@pytest.mark.parametrize(
    "name",
    [
        "lerato@example.com",
        "a1b2c3d4-8a0e-4b8c-9d0a-3f1e5a6b7c8d",
        "Zoë",
        "a b",
        "a-",
        "-a",
        "a..b",
        "a-1",
        "a" * 65,
        "a\n",
    ],
)
def test_an_unmapped_type_without_the_form_of_a_name_is_not_shown(name):
    """It may be anything that somebody wrote into the wrong property."""
    assert a_group("mapped").map({"id": "a", "type": name}).unmapped_type == "other"


@pytest.mark.parametrize("rest", [{"type": "invoice"}, {}, {"type": ""}, {"type": ["order"]}])
def test_what_is_deleted_has_no_rows_whatever_its_type(rest):
    """Where unknown types are parked, too: a parked document would keep the rows that it had."""
    group = a_group("order", "refund", parks_unknown_types=True)

    assert group.map({"id": "a", "deletedAt": 5} | rest).root is None
    with pytest.raises(DocumentError):
        group.map({"id": "a", "deletedAt": None} | rest)


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
