"""Write a type's golden file: an invented document with its rows, and a case for each hazard of the profile."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from cdc.core.conventions import ANYTHING, Conventions
from cdc.core.documents import JsonObject
from cdc.modelling.columns import JSON, SINCE, TEXT, ColumnType
from cdc.modelling.design import Column, Design, Part, TableDesign, TypeDesign
from cdc.modelling.naming import write_snake
from cdc.modelling.profile import Hazard

_INSTANT = "2026-01-09T15:20:31.8123456Z"


def write_golden(design: Design, type_: TypeDesign) -> str:
    """Return the file; every value is invented, none is from a document."""
    type_ = replace(type_, root=_tell_type(design.conventions, type_))
    # The key of a table that exists may be another property.
    document = {"id": "one"} | _invent(type_.root, design.conventions)
    if design.conventions.type_properties:
        name = next((name for name in design.conventions.type_properties if name in type_.facts.fields), None)
        document = {"id": document.pop("id"), name or design.conventions.type_properties[0]: type_.type_name} | document
    expect = {"root": _store(type_.root, [type_.root]), "children": {}}
    for table in list(type_.root.walk())[1:]:
        expect["children"][table.sql_name] = [_store(table, _chain(type_.root, table))]
    cases = dict(sorted(_write_cases(design, type_, document)))
    sample = {"document": document, "expect": expect}
    return json.dumps({"bases": {"sample": sample}, "cases": cases}, indent=1, ensure_ascii=False) + "\n"


def _tell_type(conventions: Conventions, type_: TypeDesign) -> TableDesign:
    """Return the table with values that make the document one of this type, and not a deleted one."""
    told: dict[str, object] = dict.fromkeys(conventions.type_properties, type_.type_name)
    if conventions.delete_mark is not None:
        told[conventions.delete_mark.property] = False
    columns = (
        replace(column, type=replace(column.type, given=told[column.source], stored=told[column.source]))
        if column.part is None and column.source in told
        else column
        for column in type_.root.columns
    )
    return replace(type_.root, columns=tuple(columns))


def _invent(table: TableDesign, conventions: Conventions) -> JsonObject:
    document: JsonObject = {}
    for column in table.columns:
        is_id = column.field == "id" and not table.inherited
        if column.part is None and column.spellings:
            document |= dict.fromkeys(["id", conventions.key] if is_id else [column.source], column.type.given)
    for part in table.parts:
        document[part.source] = _invent_part(part, conventions)
    for child in table.children:
        document[child.source] = [_invent(child, conventions)]
    return document | _invent_secrets(table.unmapped, conventions)


def _invent_secrets(names: Iterable[str], conventions: Conventions) -> JsonObject:
    return {name: "secret" for name in names if conventions.secrets.has(name)}


def _invent_part(part: Part, conventions: Conventions) -> JsonObject:
    own = {column.source: column.type.given for column in part.own_columns}
    inner = {each.source: _invent_part(each, conventions) for each in part.parts}
    return own | inner | _invent_secrets(part.unmapped, conventions)


def _chain(root: TableDesign, table: TableDesign) -> list[TableDesign]:
    if root is table:
        return [root]
    return [root, *next(_chain(child, table) for child in root.children if table in child.walk())]


def _store(table: TableDesign, chain: list[TableDesign]) -> JsonObject:
    above = [column.type.stored for each in chain[:-1] for column in each.columns if column.is_key]
    row = dict(zip((column.name for column in table.inherited), above, strict=True))
    own = [column for column in table.all_columns if column not in table.inherited]
    return row | {column.name: column.type.stored for column in own}


def _write_cases(design: Design, type_: TypeDesign, document: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    conventions, root = design.conventions, type_.root
    gone: JsonObject = {"root": None}
    if root.children:
        gone["children"] = {}
    if conventions.type_properties:
        name = next(name for name in conventions.type_properties if name in document)
        yield "another_type", {"set": {name: "Elsewhere"}, "expect": gone | {"observations": ["unmapped Elsewhere"]}}
    mark = conventions.delete_mark
    if mark is not None and mark.property in type_.facts.fields:
        is_text = type_.facts.fields[mark.property].kind != "number"
        value = True if mark.value is not ANYTHING else _INSTANT if is_text else 1_767_972_031
        yield "deleted", {"set": {mark.property: value}, "expect": gone}
    yield "unknown_property", {"set": {"neverSeenYet": 1}, "expect": {"observations": ["unknown $.neverSeenYet"]}}
    for child in root.children:
        if not _is_step(child.source):
            continue
        nothing: JsonObject = {f"children.{table.sql_name}": [] for table in child.walk()}
        yield f"{child.field}_null", {"set": {child.source: None}, "expect": nothing}
    for column in root.columns:
        if column.part is None and column.spellings != ("id",) and column.source not in conventions.type_properties:
            yield from _write_column_cases(column, type_)


def _is_step(name: str) -> bool:
    """Return whether the paths of a golden file can name a property."""
    return not set(name) & set(".[]")


def _write_column_cases(column: Column, type_: TypeDesign) -> Iterator[tuple[str, JsonObject]]:
    name, path = column.field, column.source
    if not _is_step(path + column.name):
        return
    hazards = set(column.facts.hazards)
    if not column.nullable:
        yield f"{name}_missing", {"remove": [path], "expect": {"problem": f"mapping $.{path}: Field required"}}
    elif Hazard.NULL_AND_ABSENT in hazards or column.facts.present < column.facts.parents:
        yield f"{name}_missing", {"remove": [path], "expect": {f"root.{column.name}": None}}
    if column.nullable and "null" in column.facts.kinds:
        yield f"{name}_null", {"set": {path: None}, "expect": {f"root.{column.name}": None}}
    for older in column.spellings[1:]:
        if _is_step(older):
            yield (
                f"{name}_was_{write_snake(older)}",
                {
                    "remove": [path],
                    "set": {older: column.type.given},
                    "expect": "same",
                },
            )
    in_key = column.is_key and type_.root.children
    if SINCE in column.type.marks and not in_key:
        message = f"mapping $.{path}: must be a time since 1971: is the number in another unit?"
        yield f"{name}_too_early", {"set": {path: 0}, "expect": {"problem": message}}
    for hazard, given, stored in _list_hazards(column.type):
        if hazard in hazards and not in_key:
            is_problem = isinstance(stored, str) and stored.startswith("!")
            problem = {"problem": f"mapping $.{path}: {str(stored)[1:]}"}
            case = problem if is_problem else {f"root.{column.name}": stored}
            yield f"{name}_{hazard}", {"set": {path: given}, "expect": case}


def _list_hazards(type_: ColumnType) -> Iterator[tuple[Hazard, Any, Any]]:
    """Return values for hazards, with what they become; `!` begins the message of a problem."""
    if type_ == TEXT:
        yield Hazard.NUL, "a\0b", "!text must not contain the NUL character"
        yield Hazard.EMPTY_TEXT, "", ""
    elif type_.sql == "timestamptz" and isinstance(type_.given, str):
        yield Hazard.NO_ZONE, "2026-01-09T17:20:31", "2026-01-09T17:20:31+00:00"
        yield Hazard.SEVEN_DIGITS, "2026-01-09T15:20:31.7654321Z", "2026-01-09T15:20:31.765432+00:00"
        if type_.has_never:
            yield Hazard.NEVER, "0001-01-01T00:00:00", None
    elif type_ == JSON:
        yield Hazard.MIXED_KINDS, "a text", "a text"
        yield Hazard.NUL, {"key": "a\0b"}, "!text must not contain the NUL character"
    elif type_.field == "LongNumber":
        yield Hazard.BEYOND_2_53, 2**53 + 1, 2**53 + 1
    if "NeverAsNone" in type_.marks:
        yield Hazard.NEVER, "0001-01-01", None
    if "EmptyAsNone" in type_.marks:
        yield Hazard.EMPTY_TEXT, "", None
