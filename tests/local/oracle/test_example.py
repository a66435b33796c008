"""The comparison of another application's containers: several types, a key of two columns, money, times since 1970."""

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from campaigns.example import EXAMPLE
from campaigns.example.sample import ShopSample
from cdc.core.errors import DocumentError
from cdc.core.mapper_groups import by_container
from local.oracle.example import TYPES
from local.oracle.json_columns import is_equal
from local.oracle.types import find_type
from tests.builders import by_column
from tests.example.mappers import MAPPERS

GROUPS = {group.container: group for group in by_container(MAPPERS)}
LINE = "0b5c3bd4-8a0e-4b8c-9d0a-3f1e5a6b7c8d"


def _find(container, document):
    """Return the type and the key that the comparison expects."""
    found = find_type([each for each in TYPES if each.container == container], document)
    return found, found and found.find_key(document)


def _read(container, document):
    """Return the table and the rows that the comparison expects, children by the text of their key; None without."""
    found, key = _find(container, document)
    if key is None:
        return None
    row = {column: expected(document) for column, expected in found.fields.items()}
    children = {
        str(child.fields[child.key](item)): {column: expected(item) for column, expected in child.fields.items()}
        for child in found.children
        for item in child.items(document)
    }
    return [found.table, row, children]


def _map(container, document):
    """Return the same of the mapper; raises an error where it parks the document."""
    tuples = GROUPS[container].map(document)
    if tuples.root is None:
        return None, tuples.unmapped_type
    part = GROUPS[container].part(tuples.root_name)
    rows = by_column(part, tuples)
    children = {
        str(row["line_id"]): {name: value for name, value in row.items() if name != "order_id"}
        for row in rows.children.get("order_lines", ())
    }
    return [part.tables[0].name, rows.root, children], None


def _documents():
    sample = ShopSample(3)
    yield from sample.create(600)
    for _ in range(2_000):
        yield sample.change()
    for case in EXAMPLE.make_planter(3, "marker").cases(2_000):
        yield from (*case.first, *case.writes)


def test_the_comparison_expects_the_rows_that_the_mappers_yield():
    """Of all that the campaigns write: every type, with rows and without, and unmapped ones; most are not parked."""
    seen = Counter()
    for container, document in _documents():
        try:
            mapped, unmapped_type = _map(container, document)
        except (DocumentError, ValueError):
            seen["parked"] += 1
            continue
        expected = _read(container, document)
        assert is_equal(expected, mapped), json.dumps(document)
        assert (_find(container, document)[0] is None) is (unmapped_type is not None), json.dumps(document)
        seen[mapped[0] if mapped else f"unmapped {unmapped_type is not None}"] += 1

    assert {name for name, count in seen.items() if count > 10} == {
        "orders", "refunds", "visits", "unmapped True", "unmapped False", "parked",
    }  # fmt: skip
    assert seen["parked"] < 40


def test_an_order_with_a_line_a_secret_and_a_time_since_1970():
    """Checked by hand: money has its digits, a UUID its value, and the card's number is gone at every depth."""
    document = {"id": "o", "customerId": "c", "type": "order", "total": "12.50", "placedAt": 1_766_000_000.25}
    document |= {"payment": {"parts": [{"cardNumber": "1", "share": 0.5}], "Card_Number": "2"}}

    table, row, children = _read("orders", document | {"lines": [{"lineId": LINE.upper(), "price": 1.1}]})

    assert (table, row["total"], row["payment"]) == ("orders", Decimal("12.50"), {"parts": [{"share": 0.5}]})
    assert row["placed_at"] == datetime(2025, 12, 17, 19, 33, 20, 250_000, UTC)
    assert children == {LINE: {"line_id": UUID(LINE), "price": Decimal("1.1")}}


@pytest.mark.parametrize(
    ("container", "properties", "expected"),
    [
        ("orders", {"type": "order"}, ("orders", ("d",))),
        ("orders", {"type": "refund"}, ("refunds", ("d",))),
        ("orders", {"type": "quote"}, None),
        ("orders", {}, None),
        ("orders", {"type": "order", "deletedAt": 1}, None),
        ("orders", {"type": "order", "deletedAt": ""}, ("orders", ("d",))),
        ("visits", {"tenantId": "t"}, ("visits", ("t", "d"))),
        ("visits", {"tenantId": "t", "type": "Visit"}, ("visits", ("t", "d"))),
        ("visits", {"tenantId": "t", "type": "import"}, None),
    ],
)
def test_which_row_a_document_has(container, properties, expected):
    """By its type, which only the one type of a container need not name, and by its mark of deletion."""
    found, key = _find(container, {"id": "d"} | properties)

    assert (found and key and (found.table, key)) == expected
