"""Write the page about a container: its columns, what is left out, and what a person has to decide."""

import re
from collections.abc import Iterable, Iterator

from cdc.core.conventions import ANYTHING
from cdc.modelling.conventions_found import suspect_marks
from cdc.modelling.design import Column, Design, Part, TableDesign, TypeDesign
from cdc.modelling.designing import TIME_TO_LIVE
from cdc.modelling.hazards import has_no_zone, has_zones
from cdc.modelling.module_text import write_mark
from cdc.modelling.odd_text import code, list_odd, walk_arrays
from cdc.modelling.personal import Suspicion
from cdc.modelling.renames import Rename, find_renames

_NO_HAZARD = ("null_and_absent",)
# So few documents without a property are perhaps mistakes.
_FEW = 0.01


def write_page(design: Design) -> str:
    """Return the page, in Markdown."""
    lines = [f"# {design.container}", "", "`python -m cdc init` wrote this page. It is yours: edit it.", ""]
    lines += list(_describe_conventions(design))
    lines += [f"- {note}" for note in design.notes]
    if design.needs:
        lines += ["", "The tables exist. Look at these:", "", *(f"- {need}" for need in design.needs)]
    for type_ in design.types:
        lines += ["", *_describe_type(type_)]
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n") + "\n"


def _describe_conventions(design: Design) -> Iterator[str]:
    found, mark = design.conventions, design.conventions.delete_mark
    yield f"- Conventions: `mappers/{design.home}.py`."
    types = " or ".join(f"`{name}`" for name in found.type_properties)
    yield f"- The type is in {types}." if types else "- Documents name no type."
    if mark is None:
        yield from _ask_for_mark(design)
    else:
        yield f"- A document is deleted if `{mark.property}` is {'set' if mark.value is ANYTHING else 'true'}."


def _ask_for_mark(design: Design) -> Iterator[str]:
    marks = {mark.property: mark for type_ in design.types for mark in suspect_marks(type_.facts)}
    if marks:
        yield f"- Documents with {' or '.join(map(code, marks))} keep their rows, as Cosmos keeps them."
        mark = next(iter(marks.values()))
        yield f"  If their rows shall go, write `{write_mark(mark)}` in the conventions, and remove its column."
    else:
        yield "- Nothing marks a deleted document. If something does, set `delete_mark` in the conventions."


def _describe_type(type_: TypeDesign) -> Iterator[str]:
    yield f"## {type_.type_name}"
    yield ""
    yield f"{type_.documents} documents were profiled. Module `mappers/{type_.module}.py`."
    for table in type_.root.walk():
        yield ""
        yield from _describe_table(table)
    yield ""
    yield from list_odd(type_)
    yield from _list_local(type_)
    yield from _list_never(type_)
    yield from _list_nearly_required(type_)
    for rename in find_renames(type_.facts):
        yield from _describe_rename(type_, rename)
        yield ""
    yield from _list_names("Secrets, never copied", type_.secrets)
    yield from _list_names("Personal data is suspected in", _find_personal(type_))
    hazards = [(path, facts) for path, facts in type_.facts.walk() if set(facts.hazards) - {*_NO_HAZARD}]
    if hazards:
        yield "Look at these ([profiling.md](../profiling.md) says what to do):"
        yield ""
        for path, facts in hazards:
            yield f"- {code(path)}: {', '.join(hazard for hazard in facts.hazards if hazard not in _NO_HAZARD)}"
        yield ""


def _describe_rename(type_: TypeDesign, rename: Rename) -> Iterator[str]:
    new, old = code(rename.new), code(rename.old)
    if any({rename.new, rename.old} <= {*column.spellings} for column in type_.root.columns):
        yield f"{old} was renamed to {new}: only newer documents have the second, each has one of them, and the"
        yield f"{rename.both} documents with both say the same. They are one column; the newer name wins."
        return
    yield f"{old} was perhaps renamed to {new}: only newer documents have the second. If so, keep one field,"
    yield f'`renamed("{rename.new}", "{rename.old}")`, which need not be null if every document has one of them.'
    if rename.both:
        yield f"{rename.both} documents have both, with different values in {rename.different} of them."


def _describe_table(table: TableDesign) -> Iterator[str]:
    keys = ", ".join(map(code, table.primary_key))
    what = f", one row for each item of {code(table.source)}" if table.spellings else ""
    there = "" if table.there is None else " It exists: no migration makes it."
    name = table.sql_name if table.there is None else ".".join(table.there)
    yield f"Table `{name}`, key {keys}{what}.{there}"
    yield ""
    yield "| column | type | property | null |"
    yield "| --- | --- | --- | --- |"
    parts = dict(_name_parts(table.parts))
    for column in table.all_columns:
        source = _name_source(column, parts, table)
        yield f"| {code(column.name)} | {column.type.sql} | {source} | {_tell_null(column)} |"
    if table.left:
        yield ""
        yield "Nothing writes these columns:"
        yield ""
        yield from (f"- {code(name)}: {reason}" for name, reason in table.left)
    if table.unmapped:
        yield ""
        yield f"No column for: {', '.join(map(code, table.unmapped))}."
    if TIME_TO_LIVE in table.unmapped and not table.spellings:
        yield f"{code(TIME_TO_LIVE)} is for Cosmos, which removes the document then; its rows go, too."


def _name_parts(parts: Iterable[Part], field: str = "", source: str = "") -> Iterator[tuple[str, str]]:
    """Return for each object, and those inside it, the path of its fields and of its properties."""
    for part in parts:
        yield f"{field}{part.field}", f"{source}{part.source}"
        yield from _name_parts(part.parts, f"{field}{part.field}.", f"{source}{part.source}.")


def _name_source(column: Column, parts: dict[str, str], table: TableDesign) -> str:
    if column in table.inherited:
        return "from its parent"
    if not column.spellings:
        return "the place in the array, from 0"
    before = f"{parts[column.part]}." if column.part else ""
    return ", ".join(code(f"{before}{name}") for name in column.spellings)


def _tell_null(column: Column) -> str:
    if not column.nullable:
        return "no"
    empty = not column.facts.kinds.keys() - {"null"}
    return "yes; no value was seen" if empty else "yes"


def _list_local(type_: TypeDesign) -> Iterator[str]:
    """Name the columns without a zone."""
    for path, facts in type_.facts.walk():
        if has_zones(type_.facts) and has_no_zone(facts):
            yield f"{code(path)} names no zone, and other times do: its column is a `timestamp`, as written. If it is"
            yield "in UTC, make it `_INSTANT` in `mappers/tables.py`, and `timestamptz` in the migration."
            yield ""


def _list_never(type_: TypeDesign) -> Iterator[str]:
    """Say how many times that mean "never set" become null."""
    for table in type_.root.walk():
        for column in table.columns:
            never = 0 if column.facts.texts is None else column.facts.texts.never
            if never and (column.type.has_never or "NeverAsNone" in column.type.marks):
                values = "1 value" if never == 1 else f"{never} values"
                yield f"`{column.name}` of `{table.name}`: {values} of the year 1 or 9999, which .NET writes for"
                yield '"never set". They become null.'
                yield ""


def _list_nearly_required(type_: TypeDesign) -> Iterator[str]:
    """Name what very few documents lack: perhaps it is required, and those are wrong. Null arrays have no rows."""
    arrays = {id(facts) for _, facts in walk_arrays(type_.root, type_.facts)}
    for path, facts in type_.facts.walk():
        lacking = facts.parents - facts.present + facts.kinds.get("null", 0)
        if 0 < lacking <= _FEW * facts.parents and id(facts) not in arrays:
            yield f"- `{path}` is missing or null in {lacking} of {facts.parents}: is it required? Then its field has"
            yield "  no `None`, and its column is `not null` in `mappers/tables.py` and in the migration: documents"
            yield "  without it are parked."
            yield ""


def _list_names(title: str, paths: tuple[str, ...]) -> Iterator[str]:
    if paths:
        yield f"{title}: {', '.join(map(code, paths))}."
        yield ""


def _find_personal(type_: TypeDesign) -> tuple[str, ...]:
    found = type_.facts.walk()
    return tuple(path for path, facts in found if facts.suspicions.keys() - {Suspicion.SECRET})
