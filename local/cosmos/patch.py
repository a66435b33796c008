"""Apply a partial update to a document."""

import copy
from collections.abc import Callable
from typing import Any

from local.cosmos import errors, values
from local.cosmos.query import parser
from local.cosmos.query.rows import Statement
from local.cosmos.values import UNDEFINED, JsonObject

MOST_OPERATIONS = 10
SYSTEM_PROPERTIES = ("_rid", "_self", "_etag", "_attachments", "_ts")

Parent = JsonObject | list[Any]


def apply(value: JsonObject, body: Any) -> JsonObject:
    """Make the document that a patch asks for; 412 when its condition does not hold.

    The body is an object with the operations and a condition, or only the array of operations.
    """
    given = body if isinstance(body, dict) else {"operations": body}
    operations = given.get("operations")
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        raise errors.bad_request("A patch needs a list of operations.")
    if not 0 < len(operations) <= MOST_OPERATIONS:
        raise errors.bad_request(f"A patch has from 1 to {MOST_OPERATIONS} operations.")
    _check_condition(value, given.get("condition"))
    patched = copy.deepcopy(value)
    for operation in operations:
        _apply(patched, operation)
    return patched


def _check_condition(value: JsonObject, condition: Any) -> None:
    if condition is None:
        return
    if not isinstance(condition, str):
        raise errors.bad_request("A patch's condition must be a text.")
    query = parser.parse(f"SELECT * {condition}")
    if not Statement(query, {}).matches(value):
        raise errors.precondition_failed()


def _apply(document: JsonObject, operation: JsonObject) -> None:
    kind = operation.get("op")
    if kind == "move":
        source = _path(operation.get("from"))
        moved = _read(document, source)
        _remove(document, source, None)
        _add(document, _path(operation.get("path")), moved)
        return
    step = STEPS.get(kind) if isinstance(kind, str) else None
    if step is None:
        raise errors.bad_request(f"A patch's operation {kind!r} is none of add, set, replace, remove, incr, move.")
    if kind != "remove" and "value" not in operation:
        raise errors.bad_request(f"A patch's operation {kind!r} needs a value.")
    step(document, _path(operation.get("path")), operation.get("value"))


def _path(text: Any) -> list[str]:
    if not isinstance(text, str) or not text.startswith("/") or text == "/":
        raise errors.bad_request(f"A patch's path must begin with / and name a property, not be {text!r}.")
    parts = [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]
    if parts[0] in SYSTEM_PROPERTIES:
        raise errors.bad_request(f"The system property {parts[0]} cannot be patched.")
    return parts


def _parent(document: JsonObject, path: list[str]) -> Parent:
    here: Any = document
    for name in path[:-1]:
        here = _item(here, name)
    if not isinstance(here, dict | list):
        raise errors.bad_request(f"A patch's path /{'/'.join(path)} leads nowhere.")
    return here


def _item(parent: Any, name: str) -> Any:
    if isinstance(parent, dict):
        return parent.get(name, UNDEFINED)
    if isinstance(parent, list):
        return parent[_index(parent, name)]
    return UNDEFINED


def _index(parent: list[Any], name: str, *, end: bool = False) -> int:
    if end and name == "-":
        return len(parent)
    if not name.isdecimal() or int(name) >= len(parent) + end:
        raise errors.bad_request(f"A patch's path has the index {name!r}, which is out of the array's bounds.")
    return int(name)


def _read(document: JsonObject, path: list[str]) -> Any:
    found = _item(_parent(document, path), path[-1])
    if found is UNDEFINED:
        raise errors.bad_request(f"A patch's path /{'/'.join(path)} does not exist.")
    return found


def _add(document: JsonObject, path: list[str], value: Any) -> None:
    parent = _parent(document, path)
    if isinstance(parent, list):
        parent.insert(_index(parent, path[-1], end=True), value)
    else:
        parent[path[-1]] = value


def _set(document: JsonObject, path: list[str], value: Any) -> None:
    parent = _parent(document, path)
    if not isinstance(parent, list):
        parent[path[-1]] = value
    elif path[-1] == "-":
        parent.append(value)
    else:
        parent[_index(parent, path[-1])] = value


def _replace(document: JsonObject, path: list[str], value: Any) -> None:
    _read(document, path)
    _set(document, path, value)


def _remove(document: JsonObject, path: list[str], _value: Any) -> None:
    _read(document, path)
    parent = _parent(document, path)
    if isinstance(parent, list):
        del parent[_index(parent, path[-1])]
    else:
        del parent[path[-1]]


def _increment(document: JsonObject, path: list[str], value: Any) -> None:
    before = _item(_parent(document, path), path[-1])
    if not values.is_number(value) or not (before is UNDEFINED or values.is_number(before)):
        raise errors.bad_request("A patch can only increment a number by a number.")
    _set(document, path, value if before is UNDEFINED else before + value)


STEPS: dict[str, Callable[[JsonObject, list[str], Any], None]] = {
    "add": _add,
    "set": _set,
    "replace": _replace,
    "remove": _remove,
    "incr": _increment,
}
