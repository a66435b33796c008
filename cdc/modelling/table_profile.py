"""Read tables that exist as if the documents had been profiled whose rows they hold: names are taken by convention."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cdc.core.conventions import Conventions, Naming
from cdc.modelling.naming import name_class, singular, write_snake
from cdc.modelling.profile import Profile
from cdc.modelling.schema_profile import read_schema
from cdc.modelling.table_catalogue import ExistingTable, TableColumn
from cdc.modelling.table_names import list_names

_Schema = dict[str, Any]
_WHOLE: _Schema = {"type": "integer"}
_LONG: _Schema = {"type": "integer", "format": "int64"}
_NUMBER: _Schema = {"type": "number"}
_TEXT: _Schema = {"type": "string"}
_SCHEMAS: Mapping[str, _Schema] = {
    "uuid": {"type": "string", "format": "uuid"},
    "boolean": {"type": "boolean"},
    "smallint": _WHOLE,
    "integer": _WHOLE,
    "bigint": _LONG,
    "numeric": _NUMBER,
    "real": _NUMBER,
    "double precision": _NUMBER,
    "date": {"type": "string", "format": "date"},
    "timestamp with time zone": {"type": "string", "format": "date-time"},
    "timestamp without time zone": {"type": "string", "format": "date-time"},
    "interval": {"type": "string", "pattern": r"^-?(\d+\.)?\d{2}:\d{2}:\d{2}"},
    "json": {},
    "jsonb": {},
}


def profile_tables(tables: Sequence[ExistingTable], container: str, theirs: Conventions | None) -> Profile:
    """Return the profile of documents whose properties are called as the columns are.

    Entity Framework calls both alike, and so does Prisma; where the columns are in snake case, the properties are as
    those of the other mappers, or else in camel case.
    """
    naming = _find_naming(tables, theirs)
    profiles = [read_schema(_describe(table, naming, is_root=True), container, digits=3) for table in tables]
    types = tuple(type_ for profile in profiles for type_ in profile.types)
    # Several types are told apart, by what tells them apart elsewhere.
    known = theirs.type_properties if theirs is not None else ()
    usual = ("$type", "Discriminator") if naming is Naming.PASCAL else ("type",)
    told = (known or usual) if len(types) > 1 else ()
    return profiles[0].model_copy(update={"types": types, "type_properties": told})


def _find_naming(tables: Sequence[ExistingTable], theirs: Conventions | None) -> Naming:
    names = [column.name for table in tables for each in table.walk() for column in each.columns]
    if any(name[0].isupper() for name in names):
        return Naming.PASCAL
    known = theirs is not None and theirs.naming is not Naming.EXACT
    return theirs.naming if known and theirs and not any(re.search("[A-Z]", name) for name in names) else Naming.CAMEL


def _describe(table: ExistingTable, naming: Naming, *, is_root: bool = False) -> _Schema:
    """Return the JSON Schema of a table's documents, or of the items of an array."""
    properties: _Schema = {}
    required: list[str] = []
    names = {column.name for column in table.columns}
    for column in table.columns:
        path = _name_path(column.name, naming, names)
        is_id = is_root and ([column.name] == list(table.key) or "_".join(path).lower() == "id")
        if column.generated or (column.counts and not is_id) or column.name in table.inherited:
            continue
        schema, needed = _describe_column(column), column.required and not column.default
        if is_id:  # a text, whatever it looks like
            path, schema = [naming.write("id")], _SCHEMAS["uuid"] if column.base == "uuid" else _TEXT
        _put(properties, required, path, schema, needed=needed)
    for child in table.children:
        items = _describe(child, naming)
        for name in list_names(child.name, table.name):
            properties[naming.write(name)] = {"type": ["array", "null"], "items": items}
    title = name_class(singular(write_snake(table.name)))
    return {"title": title, "type": "object", "properties": properties, "required": sorted({*required})}


def _name_path(column: str, naming: Naming, names: Collection[str]) -> list[str]:
    """Return the names of the objects around a property, and its own: Entity Framework puts `_` between them."""
    if not re.search("[A-Z]", column):
        return [naming.write(write_snake(column))]
    path = column.split("_") if naming is Naming.PASCAL else [column]
    around = ("_".join(path[:place]) for place in range(1, len(path)))
    return [column] if not all(path) or any(each in names for each in around) else path


def _put(properties: _Schema, required: list[str], path: Sequence[str], schema: _Schema, *, needed: bool) -> None:
    """Put a property into the objects around it, each of which is required if something in it is."""
    name, *inner = path
    if needed:
        required.append(name)
    if not inner:
        properties[name] = schema
        return
    holder = properties.setdefault(name, {"type": ["object", "null"], "properties": {}, "required": []})
    if needed:
        holder["type"] = "object"
    _put(holder["properties"], holder["required"], inner, schema, needed=needed)


def _describe_column(column: TableColumn) -> _Schema:
    if column.base.endswith("[]"):
        schema: _Schema = {"type": "array", "items": _SCHEMAS.get(column.base[:-2], _TEXT)}
    elif column.labels:
        schema = {"type": "string"}
    else:
        schema = dict(_SCHEMAS.get(column.base, _TEXT))
    if not column.required and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    return schema
