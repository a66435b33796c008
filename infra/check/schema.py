"""Microsoft's own types: the models of the azure-mgmt packages, as what a resource may have."""

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

_KINDS: dict[type, str] = {
    str: "string",
    int: "int",
    bool: "bool",
    float: "int",
    timedelta: "string",
    datetime: "string",
}
# How the older generator writes types.
_OLD_TYPES: dict[str, Any] = {"str": str, "bool": bool, "int": int, "float": float}


@dataclass(frozen=True, slots=True)
class Property:
    """One property: its type as Python writes it, and whether it must or cannot be set."""

    type: Any
    required: bool
    readonly: bool


@dataclass(frozen=True, eq=False)
class Group:
    """An object without a class, because the older generator spreads its properties over the outer one."""

    properties: dict[str, Property]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a value may be."""

    # Its type in Bicep; None accepts everything.
    kind: str | None
    # The values of an enum.
    values: tuple[Any, ...] = ()
    # The class of an object.
    model: "type | Group | None" = None
    # The type of an array's members, or of a map's values.
    element: Any = None


@cache
def model(path: str) -> type:
    """Return a class of azure.mgmt by its path, such as `web.Site`."""
    package, name = path.rsplit(".", 1)
    found: type = getattr(importlib.import_module(f"azure.mgmt.{package}.models"), name)
    return found


@cache
def list_properties(found: "type | Group") -> Mapping[str, Property]:
    """Return the properties of an object, by the names of Azure Resource Manager."""
    if isinstance(found, Group):
        return found.properties
    return _read_older(found) if hasattr(found, "_attribute_map") else _read(found)


def choose(annotation: Any) -> Choice:
    """Return what a value of this type may be."""
    if isinstance(annotation, Group):
        return Choice("object", model=annotation)
    options = _list_options(annotation)
    values = [each.value for enum in options if isinstance(enum, type) and issubclass(enum, Enum) for each in enum]
    if values:
        return Choice("string" if isinstance(values[0], str) else "int", tuple(values))
    found = options[0] if len(options) == 1 else Any
    origin = get_origin(found) or found
    if origin in (list, dict):
        return Choice("array" if origin is list else "object", element=(Any, *get_args(found))[-1])
    if found in _KINDS:
        return Choice(_KINDS[found])
    return Choice("object", model=found) if _is_model(found) else Choice(None)


def _list_options(annotation: Any) -> list[Any]:
    if get_origin(annotation) not in (Union, UnionType):
        return [annotation]
    return [each for part in get_args(annotation) for each in _list_options(part) if each is not NoneType]


def _is_model(found: Any) -> bool:
    return isinstance(found, type) and bool(list_properties(found))


def _read(found: type) -> dict[str, Property]:
    listed = {}
    for base in reversed(found.__mro__):
        fields = {name: each for name, each in vars(base).items() if type(each).__name__ == "_RestField"}
        hints = _read_hints(base, base) if fields else {}
        for attribute, field in fields.items():
            readonly = field._visibility == ["read"]  # noqa: SLF001  # there is no public way
            required = NoneType not in get_args(hints[attribute]) and not readonly
            name = field._rest_name_input or attribute  # noqa: SLF001
            listed[name] = Property(hints[attribute], required, readonly)
    return listed


def _read_older(found: Any) -> dict[str, Property]:
    """Read a model whose properties have paths, such as `properties.severity`."""
    hints = _read_hints(found.__init__, found)
    listed: dict[str, Property] = {}
    groups: dict[str, dict[str, Property]] = {}
    for attribute, each in found._attribute_map.items():  # noqa: SLF001
        rule = found._validation.get(attribute, {})  # noqa: SLF001
        annotation = hints.get(attribute, _OLD_TYPES.get(each["type"], Any))
        kept = Property(annotation, "required" in rule, "readonly" in rule)
        outer, dot, inner = each["key"].partition(".")
        (groups.setdefault(outer, {}) if dot else listed)[inner or outer] = kept
    for name, group in groups.items():
        listed[name] = Property(Group(group), any(each.required for each in group.values()), readonly=False)
    return listed


def _read_hints(annotated: Any, owner: type) -> dict[str, Any]:
    # Generated modules name the classes of their package through `_models`, which only type checkers import.
    return get_type_hints(annotated, localns={"_models": sys.modules[owner.__module__.rpartition(".")[0]]})
