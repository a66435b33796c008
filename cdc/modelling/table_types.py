"""Choose the type of the field behind a column that exists already."""

from dataclasses import replace
from datetime import datetime, timedelta

from cdc.core.conventions import Instants
from cdc.modelling import columns
from cdc.modelling.columns import ColumnType, instant
from cdc.modelling.forms import Form
from cdc.modelling.layout import write_text
from cdc.modelling.profile import Facts
from cdc.modelling.table_catalogue import TableColumn

_NO_MODIFIER = -1
# Digits of a second that every time has.
_MICROSECONDS = 6
# What fits beside the name of a field.
_LONGEST = 70
_REAL = ColumnType("real", "REAL", "RealNumber", 2.5, 2.5)
_SMALL = ColumnType("smallint", "SmallInteger", "WholeNumber", 7, 7)
_SIMPLE = {
    "text": columns.TEXT,
    "uuid": columns.UUID,
    "boolean": columns.BOOLEAN,
    "smallint": _SMALL,
    "integer": columns.INTEGER,
    "bigint": columns.BIGINT,
    "real": _REAL,
    "double precision": columns.DOUBLE,
    "date": columns.DAY,
    "interval": columns.DURATION,
    "jsonb": columns.JSON,
}
# What takes an empty text as it is.
_TAKE_EMPTY = ("Text", "TextOrNumber", "CommaList", "EmbeddedObject", "JsonValue")
_WHY_NOT = {
    "interval": "no field's type reads a duration of ISO 8601; write one, and add the column",
    "json": "json cannot be compared; change it to jsonb",
    "citext": "citext takes two texts for one that differ in capitals alone, so that a change of these would be lost; "
    "change it to text, with an index on lower(...)",
}


def choose_type(column: TableColumn, name: str, facts: Facts, conventions: Instants) -> ColumnType | None:
    """Return the type, or None if no field reads one: `why_not` then says what to do."""
    type_ = _choose(column, name, facts, conventions)
    has_empty = facts.texts is not None and Form.EMPTY in facts.texts.forms
    if type_ is None or not has_empty or type_.field in _TAKE_EMPTY or "EmptyAsNone" in type_.marks:
        return type_
    return replace(type_, marks=("EmptyAsNone", *type_.marks))


def _choose(column: TableColumn, name: str, facts: Facts, conventions: Instants) -> ColumnType | None:
    if column.base in ("timestamp with time zone", "timestamp without time zone"):
        return _choose_instant(column, name, facts, conventions)
    if column.base.endswith("[]"):
        return _choose_array(column, facts)
    if column.kind == "e":
        return _choose_enum(column, facts)
    if column.base == "jsonb" and facts.kind == "string" and facts.form is Form.JSON:
        return columns.EMBEDDED
    if column.base == "interval" and facts.form is Form.DURATION_ISO:
        return None
    type_ = _choose_plain(column)
    if type_ is None:
        return None
    if type_.field == "Text" and "number" in facts.kinds:
        return replace(type_, field="TextOrNumber")
    return replace(type_, field="LongNumber") if type_.field == "WholeNumber" and "string" in facts.kinds else type_


def why_not(column: TableColumn) -> str:
    """Return why a column is left out whose type no field reads."""
    return _WHY_NOT.get(
        column.type_name, f"no field's type writes {column.type}: let it be a text, or write one and add the column"
    )


def choose_key_type(column: TableColumn) -> ColumnType | None:
    """Return the type of a column that holds the id, which is a text in Cosmos DB."""
    type_ = _choose_plain(column)
    if type_ is not None and type_.field == "WholeNumber":
        return replace(type_, field="LongNumber", given="7")
    if type_ is not None and type_.field == "LongNumber":
        return replace(type_, given=str(type_.given))
    return type_ if type_ is not None and type_.field in ("Text", "Uuid") else None


def _choose_plain(column: TableColumn) -> ColumnType | None:
    if column.base == "numeric":
        return _choose_numeric(column.modifier)
    if column.base in ("character varying", "character"):
        return _choose_text(column)
    return _SIMPLE.get(column.base) if column.modifier == _NO_MODIFIER else None


def _choose_numeric(modifier: int) -> ColumnType:
    if modifier == _NO_MODIFIER:
        return columns.NUMERIC
    packed = modifier - 4
    type_ = columns.numeric(packed >> 16, scale := ((packed & 0x7FF) ^ 0x400) - 0x400)
    example = 0 if packed >> 16 <= scale else 4.5 if scale > 0 else 4
    return replace(type_, given=example, stored=example)


def _choose_text(column: TableColumn) -> ColumnType:
    length = column.modifier - 4
    declared = "CHAR" if column.base == "character" else "String"
    example = "one"[:length] if column.modifier != _NO_MODIFIER else "one"
    declared = f"{declared}({length})" if column.modifier != _NO_MODIFIER else "Text"
    return ColumnType(column.type, declared, "Text", example, example)


def _choose_instant(column: TableColumn, name: str, facts: Facts, conventions: Instants) -> ColumnType:
    chosen = columns.choose(name, facts, conventions)
    type_ = chosen if chosen.sql == "timestamptz" else instant(conventions, conventions)
    zone, digits = column.base.endswith("with time zone"), column.modifier
    if digits in (_NO_MODIFIER, _MICROSECONDS):
        return type_ if zone else replace(type_, sql=column.type, declared="DateTime")
    declared = f"TIMESTAMP({'timezone=True, ' if zone else ''}precision={digits})"
    stored = _cut(datetime.fromisoformat(type_.stored), digits).isoformat()
    return replace(
        type_, sql=column.type, declared=declared, stored=stored, marks=(*type_.marks, f"Fraction({digits})")
    )


def _cut(time: datetime, digits: int) -> datetime:
    return time - timedelta(microseconds=time.microsecond % 10 ** (_MICROSECONDS - digits))


def _choose_enum(column: TableColumn, facts: Facts) -> ColumnType | None:
    if not column.labels or not all(label.isprintable() for label in column.labels):
        return None
    labels = [write_text(label) for label in column.labels]
    place = [f"name={write_text(column.type_name)}", f"schema={write_text(column.type_schema)}"]
    numbered = ["numbered=True"] if "number" in facts.kinds else []
    field = f"Annotated[str, Choice({', '.join([*labels, *numbered])})]"
    declared = f"ENUM({', '.join([*labels, *place])})"
    first = column.labels[0]
    return ColumnType(column.type, declared, field, 0 if numbered else first, first)


def _choose_array(column: TableColumn, facts: Facts) -> ColumnType | None:
    if facts.kind == "string" and facts.texts is not None:
        return replace(columns.COMMAS, sql=column.type) if column.base in ("text[]", "character varying[]") else None
    if column.kind == "e":
        items = _choose_enum(column, facts.items or facts)
    else:
        items = _ITEMS.get(column.base.removesuffix("[]"))
    if items is None:
        return None
    # A long list of labels stands once, with the column.
    field = items.field if len(items.field) <= _LONGEST else "Text"
    return ColumnType(column.type, f"ARRAY({items.declared})", f"list[{field}]", [items.given], [items.stored])


_ITEMS = {
    "text": columns.TEXT,
    "character varying": columns.TEXT,
    "double precision": columns.DOUBLE,
    "bigint": columns.BIGINT,
    "integer": columns.INTEGER,
    "smallint": _SMALL,
    "uuid": columns.UUID,
    "boolean": columns.BOOLEAN,
}
