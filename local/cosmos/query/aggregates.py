"""Add up the figures that a query asks for."""

from collections.abc import Callable
from typing import Any

from local.cosmos.query.comparison import SCALARS, kind, number, sort_key
from local.cosmos.values import UNDEFINED

Figure = Callable[[list[Any]], Any]


def figure(name: str, values: list[Any]) -> Any:
    """Compute one figure of all values that are defined; all but COUNT are undefined without any."""
    found = [value for value in values if value is not UNDEFINED]
    return len(found) if name == "COUNT" else FIGURES[name](found) if found else UNDEFINED


def _sum(values: list[Any]) -> Any:
    return number(sum(values)) if all(kind(value) == "number" for value in values) else UNDEFINED


def _average(values: list[Any]) -> Any:
    total = _sum(values)
    return UNDEFINED if total is UNDEFINED else number(total / len(values))


def _least(values: list[Any]) -> Any:
    return min(values, key=sort_key) if all(kind(value) in SCALARS for value in values) else UNDEFINED


def _greatest(values: list[Any]) -> Any:
    return max(values, key=sort_key) if all(kind(value) in SCALARS for value in values) else UNDEFINED


FIGURES: dict[str, Figure] = {"SUM": _sum, "AVG": _average, "MIN": _least, "MAX": _greatest}
