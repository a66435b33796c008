"""Order types by what they refer to."""

from collections.abc import Sequence

from cdc.core.conventions import fold
from cdc.modelling.naming import name_class
from cdc.modelling.profile import TypeProfile


def order_types(types: Sequence[TypeProfile]) -> list[TypeProfile]:
    """Return the types in an order in which those come first that others refer to, by a property such as `OrderId`."""
    classes = {each.name: fold(name_class(each.name or "")) for each in types}
    left, ordered = {each.name: each for each in types}, []
    while left:
        there = {classes[name] for name in left}
        free = [name for name, each in left.items() if not (_find_references(each) & there) - {classes[name]}]
        # Types that refer to each other come as they are.
        ordered += [left.pop(name) for name in free or [next(iter(left))]]
    return ordered


def _find_references(type_: TypeProfile) -> set[str]:
    return {fold(name)[: -len("id")] for name in type_.root.fields if fold(name).endswith("id")}
