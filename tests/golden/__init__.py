"""Golden files, one for each mapper: documents, and what each becomes.

A base is a document of one generation. A case has the name of one edge case and says only what is different, in the
document and in what is expected:

    "email_null": {"set": {"Email": null}, "expect": {"problem": "mapping $.Email: Input should be a valid string"}}

base      the base that the case changes; without it, `sample`
set       new values by path, such as `Settings.Theme` or `EarnedBadges[0].Id`; the index behind the last appends
remove    paths of properties that the document does not have
keep      instead of `set` and `remove`: values of the base, when the base itself shows the edge case
expect    new values by path: `root.email`, `children.user_badges[0].id`, `observations`; or a problem; or "same".
          The last observation of a document of another type is `unmapped` and the type as it is shown
document  instead of all these: a whole document, when no base is like it. It expects whole rows, or a problem

A base can also be a change, of a base above it. In place of a value can stand a marker:

{"@json": value}           the value as JSON in a string
{"@repeat": [text, times]} a long text
{"@copy": path}            what the base has there
"""

import copy
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from cdc.core.documents import JsonObject
from cdc.core.mapping import Mapper

GOLDEN = Path(__file__).parent
_PATH = re.compile(r"[^.\[\]]+(?:\.[^.\[\]]+|\[\d+\])*")
_MARKERS = ("@json", "@repeat", "@copy")
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


class Case(NamedTuple):
    """A document, and the rows, or the problem, that it becomes."""

    document: JsonObject
    expected: JsonObject


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Rows(_Strict):
    root: JsonObject | None
    children: dict[str, list[JsonObject]]
    observations: list[str] = []


class _Problem(_Strict):
    problem: str


class _Whole(_Strict):
    document: JsonObject
    expect: _Problem | _Rows


class _Change(_Strict):
    base: str = "sample"
    set: JsonObject = {}
    remove: list[str] = []
    keep: JsonObject = {}
    expect: Literal["same"] | _Problem | JsonObject


class _File(_Strict):
    bases: dict[str, _Whole | _Change]
    cases: dict[str, _Whole | _Change]


def name_file(mapper: Mapper[Any], mappers: Iterable[Mapper[Any]]) -> str:
    """Return the name of a mapper's file: its container, and its type where the container has several mappers."""
    several = [each.container for each in mappers].count(mapper.container) > 1
    return ".".join([mapper.container, *(mapper.types if several else ())])


def read_bases(container: str) -> dict[str, Case]:
    """Read the documents of every generation of a container, by their names."""
    return _read(container)[0]


def read_cases(container: str) -> dict[str, Case]:
    """Read every document of a container, the bases first, by their names."""
    bases, cases = _read(container)
    return bases | cases


def parse(text: str) -> tuple[dict[str, Case], dict[str, Case]]:
    """Expand the bases and the cases of a golden file; a case that is unclear, or changes nothing, is an error."""
    file = _File.model_validate(json.loads(text, object_pairs_hook=_build))
    if repeated := file.bases.keys() & file.cases.keys():
        raise ValueError(f"{min(repeated)}: a case needs a name that no base has")
    if list(file.cases) != sorted(file.cases):
        raise ValueError("cases must be sorted by name")
    bases: dict[str, Case] = {}
    for name, entry in file.bases.items():
        bases[name] = _expand(name, entry, bases)
        if "problem" in bases[name].expected:
            raise ValueError(f"{name}: a base must have rows")
    return bases, {name: _expand(name, entry, bases) for name, entry in file.cases.items()}


@cache
def _read(container: str) -> tuple[dict[str, Case], dict[str, Case]]:
    path = GOLDEN / f"{container}.json"
    try:
        return parse(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"tests/golden/{path.name}: {error}") from error


def _build(pairs: list[tuple[str, Any]]) -> JsonObject:
    """Build an object from its members, each of which has its own name."""
    built = dict(pairs)
    if len(built) < len(pairs):
        raise ValueError(f"a name stands twice: {', '.join(name for name, _ in pairs)}")
    return built


def _expand(name: str, entry: _Whole | _Change, bases: Mapping[str, Case]) -> Case:
    try:
        if isinstance(entry, _Whole):
            return Case(_fill(entry.document, {}), _fill(entry.expect.model_dump(), {}))
        return _change(entry, bases)
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error


def _change(entry: _Change, bases: Mapping[str, Case]) -> Case:
    if entry.base not in bases:
        raise ValueError(f"no base named {entry.base} stands above")
    base = bases[entry.base]
    kept = bool(entry.keep)
    if kept is bool(entry.set or entry.remove):
        raise ValueError("write what the case sets or removes, or what it keeps")
    document = _edit(base.document, entry.keep or entry.set, entry.remove, kept=kept)
    if isinstance(entry.expect, _Problem):
        return Case(document, entry.expect.model_dump())
    if entry.expect == "same":
        return Case(document, base.expected)
    if not entry.expect:
        raise ValueError('expect is empty: write "same"')
    rows = _Rows.model_validate(_edit(base.expected, entry.expect, kept=kept))
    return Case(document, rows.model_dump())


def _edit(base: JsonObject, changes: JsonObject, removed: Iterable[str] = (), *, kept: bool) -> JsonObject:
    """Return a changed copy; each change must make a difference, or none where the base is kept."""
    edited = copy.deepcopy(base)
    for path, new in changes.items():
        parent, step = _find(edited, path)
        before = json.dumps(parent, sort_keys=True)
        if isinstance(parent, list) and step == len(parent):
            parent.append(None)
        parent[step] = _fill(new, base)
        if (json.dumps(parent, sort_keys=True) == before) is not kept:
            raise ValueError(f"{path} is {'something else' if kept else 'the same'} in the base")
    for path in removed:
        parent, step = _find(edited, path)
        del parent[step]
    return edited


def _fill(value: Any, base: JsonObject) -> Any:
    """Return a value in which each marker has become what it stands for."""
    if isinstance(value, list):
        return [_fill(item, base) for item in value]
    if not isinstance(value, dict):
        return value
    match list(value.items()):
        case [("@json", inner)]:
            return json.dumps(_fill(inner, base), separators=(",", ":"))
        case [("@repeat", [str(text), int(times)])]:
            return text * times
        case [("@copy", str(path))]:
            parent, step = _find(base, path)
            return copy.deepcopy(parent[step])
    # A document may have a property such as @type.
    if unknown := [name for name in value if name in _MARKERS or (name.startswith("@") and len(value) == 1)]:
        raise ValueError(f"{unknown[0]} is no marker, or not written as one")
    return {name: _fill(item, base) for name, item in value.items()}


def _find(value: Any, path: str) -> tuple[Any, str | int]:
    """Return the object or list that holds what a path names, and its name or index there."""
    if not _PATH.fullmatch(path):
        raise ValueError(f"{path!r} is no path")
    *steps, last = [int(index) if index else name for index, name in _STEP.findall(path)]
    for step in steps:
        value = value[step]
    return value, last
