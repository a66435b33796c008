"""Compare, sort and tell apart the values of the query language."""

import math
from typing import Any

from local.cosmos.values import DOUBLE_EXACT, UNDEFINED

# Types in the order in which the service sorts them.
TYPE_ORDER = ("undefined", "null", "boolean", "number", "string", "array", "object")
SCALARS = frozenset({"null", "boolean", "number", "string"})
KINDS = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}


def kind(value: Any) -> str:
    """Name a value's JSON type."""
    return "null" if value is None else KINDS.get(type(value), "undefined")


def number(value: float) -> Any:
    """Keep a computed number as the service does, as a double; what is no number is undefined."""
    if isinstance(value, int):
        return value if abs(value) <= DOUBLE_EXACT else float(value)
    if not math.isfinite(value):
        return UNDEFINED
    return int(value) if value.is_integer() and abs(value) < DOUBLE_EXACT else value


def equal(first: Any, second: Any) -> Any:
    """Compare two values; of different types they are different, and undefined compares with nothing."""
    return UNDEFINED if first is UNDEFINED or second is UNDEFINED else _deep_equal(first, second)


def canonical(value: Any) -> Any:
    """Make what equal values have in common and can be looked up."""
    if isinstance(value, list):
        return "array", tuple(map(canonical, value))
    if isinstance(value, dict):
        return "object", tuple(sorted((name, canonical(item)) for name, item in value.items()))
    return kind(value), value


def sort_key(value: Any) -> tuple[int, Any]:
    """Make what values are sorted by; arrays and objects have no order among themselves."""
    found = kind(value)
    return TYPE_ORDER.index(found), value if found in ("boolean", "number", "string") else 0


def _deep_equal(first: Any, second: Any) -> bool:
    if kind(first) != kind(second):  # in Python true equals 1
        return False
    if isinstance(first, list):
        return len(first) == len(second) and all(map(_deep_equal, first, second))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_deep_equal(first[name], second[name]) for name in first)
    return bool(first == second)
