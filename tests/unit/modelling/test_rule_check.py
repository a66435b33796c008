"""Keys and rules among the rows of many documents."""

import pytest
from sqlalchemy import Column, MetaData, Table, Text

from cdc.core.application import ParentRule, UniqueRule
from cdc.core.mapping import Mapper
from cdc.modelling import rule_check
from cdc.modelling.rule_check import RuleCheck

METADATA = MetaData()
SHOPS = Table("shops", METADATA, Column("id", Text, primary_key=True), Column("mail", Text))
LINES = Table("lines", METADATA, Column("shop", Text, primary_key=True), Column("id", Text, primary_key=True))
ORDERS = Table("orders", METADATA, Column("id", Text, primary_key=True), Column("shop", Text), Column("tags", Text))
RULES = (UniqueRule("ux_mail", SHOPS, ("mail",)),)
PARENTS = (ParentRule("fk_shop", ORDERS, "shop", SHOPS), UniqueRule("ux_tags", ORDERS, ("tags", "shop")))


def a_check():
    """A check of two mappers."""
    common = {"reader": None, "rows": None}
    return RuleCheck(
        [
            Mapper(container="Shops", tables=(SHOPS, LINES), rules=RULES, **common),
            Mapper(container="Orders", tables=(ORDERS,), rules=PARENTS, **common),
        ]
    )


def breaches(check, complete=("shops", "orders")):
    """Return the breaches by rule."""
    return {breach.rule: (breach.keys, breach.exact) for breach in check.find_breaches(complete)[0]}


def test_rows_that_keep_every_rule():
    """Null is no duplicate and no missing parent; a document that was read twice is one document."""
    check = a_check()
    for document in (1, 1, 2):
        check.see("shops", [(f"s{document}", None)], document)
        assert not check.see("lines", [(f"s{document}", "1"), (f"s{document}", "2")], document)
    check.see("orders", [("o1", "s1", ["a"])], 9)
    check.see("orders", [("o2", None, ["a"])], 10)

    assert breaches(check) == {}


def test_each_breach_is_counted_by_its_keys():
    """One key of two documents, one value of two rows, one parent that is not there."""
    check = a_check()
    check.see("shops", [("s1", "m")], 1)
    check.see("shops", [("s1", "other")], 2)
    check.see("shops", [("s2", "m")], 3)
    for number in range(3):
        check.see("orders", [(f"o{number}", "nowhere", [])], 10 + number)

    assert breaches(check) == {
        "primary key of shops": (1, True),
        "ux_mail": (1, True),
        "fk_shop": (1, True),
        "ux_tags": (1, True),
    }


def test_two_rows_of_one_document_with_one_key_are_told_at_once():
    """PostgreSQL would park the document."""
    assert a_check().see("lines", [("s1", "1"), ("s1", "1")], 1)


def test_a_parent_rule_is_judged_only_if_every_parent_was_read():
    """A sample shows no absence."""
    check = a_check()
    check.see("orders", [("o1", "nowhere", [])], 1)

    assert check.find_breaches(["orders"]) == ([], ["fk_shop"])


@pytest.mark.parametrize("missing", [0, 500])
def test_many_keys_are_judged_by_a_part_of_them(monkeypatch, missing):
    """Nothing is missing where nothing is; else about as much as is missing."""
    monkeypatch.setattr(rule_check, "_KEYS_AT_MOST", 200)
    check = a_check()
    for number in range(1_000):
        check.see("shops", [(f"s{number + missing}", f"m{number}")], number)
        check.see("orders", [(f"o{number}", f"s{number}", [number])], number)
    found = breaches(check)

    assert found.keys() == ({"fk_shop"} if missing else set())
    assert not missing or (250 < found["fk_shop"][0] < 750 and not found["fk_shop"][1])
