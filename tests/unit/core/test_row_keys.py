"""A row has one key, however its values are written."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import Column, Double, Integer, MetaData, Numeric, Table, Text, Uuid

from cdc.core import row_keys
from cdc.core.row_keys import RowKey

ID = UUID("11111111-1111-4111-8111-11111111aaaa")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_table(name, *types):
    """Declare a table whose first column is no key, with key columns of these types."""
    keys = [Column(f"key{place}", type_, primary_key=True) for place, type_ in enumerate(types)]
    return Table(name, MetaData(schema="public"), Column("other", Text), *keys)


TEXT, NUMBER = a_table("texts", Text), a_table("numbers", Numeric)


def test_the_hash_is_of_table_and_key():
    """The ledger's text stays the array of the key's values; the hash begins with the table."""
    expected = RowKey("public.texts", '["é\\"\\n"]', hashlib.sha256('["public.texts","é\\"\\n"]'.encode()).digest())

    assert row_keys.by_key(TEXT)(['é"\n']) == expected
    assert row_keys.by_row(TEXT)(("x", 'é"\n')) == expected
    assert row_keys.by_key("public.texts")(['é"\n']) == expected
    assert row_keys.read('["public.texts","é\\"\\n"]', [a_table("root", Text)]) == expected
    assert row_keys.read('["","é\\"\\n"]', [TEXT]) == expected


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        (Uuid(), ID, str(ID)),
        (Uuid(), str(ID).upper(), str(ID)),
        (Uuid(), ID.hex, ID),
        (Integer(), 1, 1.0),
        (Numeric(12, 2), Decimal("10.0"), Decimal("1E+1")),
        (Numeric(12, 2), Decimal("10.0"), 10),
        (Numeric(12, 2), "10.00", Decimal("-0") + 10),
        (Numeric(), Decimal("-0"), 0),
        (Double(), 1e-7, Decimal("1e-07")),
        (Double(), 1e23, Decimal("1e+23")),
        (Text(), NOON, NOON.astimezone(timezone(timedelta(hours=2)))),
    ],
)
def test_one_value_has_one_key(type_, one, other):
    """What PostgreSQL takes for one value is one row, alone or among other columns."""
    alone, wide = a_table("one", type_), a_table("two", Text, type_)

    assert row_keys.by_row(alone)(("x", one)) == row_keys.by_row(alone)(("y", other)) == row_keys.by_key(alone)([one])
    assert row_keys.by_row(wide)(("x", "a", one)) == row_keys.by_key(wide)(["a", other])


def test_other_rows_have_other_keys():
    """Neither another table, nor another value, nor the same texts in other columns are the same row."""
    wide = row_keys.by_key(a_table("two", Text, Text))
    keys = [row_keys.by_key(TEXT)(["a"]), row_keys.by_key(a_table("other", Text))(["a"]), row_keys.by_key(TEXT)(["A"])]
    keys += [
        row_keys.by_key(NUMBER)([each])
        for each in (10**39, 10**39 + 1, Decimal("0.1"), Decimal(f"0.{'1' * 40}"), Decimal(f"0.{'1' * 41}"))
    ]
    keys += [wide(["a", "b"]), wide(["b", "a"]), wide(["a,b", ""]), wide(["a", 1]), wide(["a", "1"])]

    assert len({key.hash for key in keys}) == len(keys)


@pytest.mark.parametrize("parent", ["orderId", ("order_id",)])
def test_a_parent_that_is_no_column_is_named(parent):
    """A text is no tuple of names."""
    columns = [Column("id", Text, primary_key=True), Column("orderId", Text)]
    table = Table("item", MetaData(), *columns, info={"parent": parent})

    with pytest.raises(ValueError, match="table item: the parent in its info must be a tuple of its columns"):
        row_keys.key_columns(table)
