"""Tell properties from dictionaries: objects whose keys are data, such as dates or the names of players."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdc.modelling.nodes import Node

_PROPERTY = re.compile(r"[^\W\d][\w.:-]{0,63}|[$@][\w.:-]{1,63}|[A-Za-z][A-Za-z /()-]{1,40}")
# Parts of an id, a date or a number.
_DATA = re.compile(r"[0-9]{4}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}|^(?=.*[0-9])[0-9a-f-]{12,}$")
_PLAIN = re.compile(r"[^\W\d][\w.:-]*|[$@][\w.:-]+")
# `TotalsByPlayer`, `by_day`: the name says that keys are data.
_BY = re.compile(r"[a-z]By[A-Z]|_by_")
# So many objects that a name of several words must be in half of them.
_ENOUGH = 20
_COMMON = 0.5
_RARE = 0.2


def choose_data_keys(node: "Node", *, is_root: bool, overflows: bool) -> list[str]:
    """Return the names of an object's properties that are data."""
    objects = node.kinds["object"]
    counts = {name: child.present for name, child in node.fields.items()}
    data = {name for name, count in counts.items() if _is_data(name, count, objects)}
    rest = {name: count for name, count in counts.items() if name not in data}
    rare = {name: count for name, count in rest.items() if count < _RARE * objects}
    if not is_root and _varies(rest, objects, node.fields):
        data |= rest.keys()
    elif data and not is_root:  # keys of one dictionary may look like names
        data |= {name for name, count in rest.items() if count < _COMMON * objects}
    elif _varies(rare, objects, node.fields) or (overflows and rare):
        data |= rare.keys()
    elif overflows and not data and not is_root:
        data |= rest.keys()
    return [name for name in counts if name in data]


def says_dictionary(name: str) -> bool:
    """Return whether the name of a property says that the keys below it are data."""
    return bool(_BY.search(name))


def _is_data(name: str, count: int, objects: int) -> bool:
    if not _PROPERTY.fullmatch(name) or _DATA.search(name):
        return True
    if _PLAIN.fullmatch(name):
        return False
    return objects < _ENOUGH or count < _COMMON * objects


def _varies(counts: Mapping[str, int], objects: int, fields: Mapping[str, "Node"]) -> bool:
    """Return whether names come and go as keys do, and properties do not."""
    names, found = len(counts), sum(counts.values())
    if objects < 2 or names < 5:
        return False
    share, once = found / (names * objects), sum(count == 1 for count in counts.values()) / names
    kind = _find_kind(fields[name] for name in counts)
    if kind in ("number", "object", "array") and share <= 0.5:
        return True
    if kind is not None and share <= 0.5 and once >= 0.5:
        return True
    return objects >= 5 and names >= 10 and share <= 0.3 and once >= 0.3


def _find_kind(nodes: Iterable["Node"]) -> str | None:
    """Return the one kind of all values, or None."""
    kinds: Counter[str] = Counter()
    for node in nodes:
        kinds.update(node.kinds)
    del kinds["null"]
    return next(iter(kinds)) if len(kinds) == 1 else None
