"""Tell which objects become columns, and which arrays become tables."""

from cdc.core.conventions import Instants
from cdc.modelling.columns import ENOUGH, JSON, choose
from cdc.modelling.profile import Facts

# Objects with more properties become JSON.
_PROPERTIES_AT_MOST = 8
_COLUMNS_AT_MOST = 16
# Of an object with more than simple values, so many properties are nearly always there, or it becomes JSON.
_MOST = 0.5
# Items of an array have the same properties if so many of them have each.
_REGULAR = 0.95
_KEY_TYPES = ("text", "uuid", "integer", "bigint")


def is_part(facts: Facts) -> bool:
    """Return whether an object's properties become columns: a few, simple ones, or such objects and plain arrays."""
    fields = facts.fields.values()
    few = 0 < len(fields) <= _PROPERTIES_AT_MOST
    if facts.kind != "object" or facts.is_dictionary or facts.unnamed or not few:
        return False
    if all(map(_is_simple, fields)):
        return True
    held = sum(each.present >= _REGULAR * each.parents for each in fields)
    known = all(_is_simple(each) or _is_plain(each) or is_part(each) for each in fields)
    return known and held >= _MOST * len(fields) and _count_columns(facts) <= _COLUMNS_AT_MOST


def _count_columns(facts: Facts) -> int:
    return sum(_count_columns(each) if each.fields else 1 for each in facts.fields.values())


def _is_simple(facts: Facts) -> bool:
    kinds = facts.kinds.keys() - {"null"}
    return kinds <= {"string", "number", "boolean"} and len(kinds) <= 1


def _is_plain(facts: Facts) -> bool:
    """Return whether an array's items are all texts, or all numbers."""
    return facts.kind == "array" and facts.items is not None and facts.items.kinds.keys() in ({"string"}, {"number"})


def is_child(facts: Facts) -> bool:
    """Return whether an array of objects becomes a table: its items have a key, or all the same properties."""
    items = facts.items
    if facts.kind != "array" or facts.arrays is None or items is None:
        return False
    if items.kinds.keys() != {"object"} or items.is_dictionary:
        return False
    return has_key(facts) or _is_regular(items)


def _is_regular(items: Facts) -> bool:
    """Return whether an object's properties are few, simple, and nearly always there."""
    held = all(each.present >= _REGULAR * each.parents for each in items.fields.values())
    return held and items.present >= ENOUGH and is_part(items)


def has_key(facts: Facts) -> bool:
    """Return whether a property tells the items of an array apart."""
    arrays, items = facts.arrays, facts.items
    if arrays is None or items is None or arrays.item_key is None:
        return False
    key = items.fields.get(arrays.item_key)
    if key is None or key.is_secret or key.kind is None or not key.always:
        return False
    return _is_key_type(arrays.item_key, key)


def _is_key_type(name: str, facts: Facts) -> bool:
    type_ = choose(name, facts, Instants.ISO)
    return type_ is not JSON and type_.sql in _KEY_TYPES and not type_.marks
