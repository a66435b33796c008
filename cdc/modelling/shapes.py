"""Tell which objects become columns, and which arrays become tables."""

from collections import Counter

from cdc.core.conventions import Instants
from cdc.modelling.columns import ENOUGH, JSON, choose
from cdc.modelling.profile import Facts

# Objects with more properties, or with objects inside, become JSON.
_PROPERTIES_AT_MOST = 8
# Items of an array have the same properties if so many of them have each.
_REGULAR = 0.95
_KEY_TYPES = ("text", "uuid", "integer", "bigint")


def is_part(facts: Facts) -> bool:
    """Return whether an object's properties become columns: a few, all of them simple."""
    simple = [
        each.kinds.keys() - {"null"} <= {"string", "number", "boolean"} and len(each.kinds.keys() - {"null"}) <= 1
        for each in facts.fields.values()
    ]
    few = 0 < len(facts.fields) <= _PROPERTIES_AT_MOST
    return facts.kind == "object" and not facts.is_dictionary and not facts.unnamed and few and all(simple)


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
    return key is not None and key.always and len(Counter(key.kinds)) == 1 and _is_key_type(arrays.item_key, key)


def _is_key_type(name: str, facts: Facts) -> bool:
    type_ = choose(name, facts, Instants.ISO)
    return type_ is not JSON and type_.sql in _KEY_TYPES and not type_.marks
