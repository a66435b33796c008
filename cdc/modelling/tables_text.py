"""Write a type's tables: in SQLAlchemy, and as a migration."""

from collections.abc import Iterator

from cdc.modelling.design import Column, Design, TableDesign
from cdc.modelling.layout import WIDTH, wrap_call, write_call, write_text
from cdc.modelling.naming import quote

_SCHEMA = "public"


def write_table(table: TableDesign) -> str:
    """Return the declaration of a table."""
    lines = [f"{table.name} = Table(", f"    {write_text(table.sql_name)},", "    _METADATA,"]
    for column in table.all_columns:
        rest = (
            ["primary_key=True"] if column.name in table.primary_key else [] if column.nullable else ["nullable=False"]
        )
        lines.append(write_call("Column(", [write_text(column.name), _wrap(column.type.declared), *rest], "),", 4))
    if table.there is not None:
        if table.there[0] != _SCHEMA:
            lines.append(f"    schema={write_text(table.there[0])},")
        # Its migrations are the application's own.
        lines.append(f"    info={{{', '.join(_list_info(table))}}},")
    return "\n".join([*lines, ")", ""])


def _list_info(table: TableDesign) -> Iterator[str]:
    yield '"adopted": True'
    if table.own_key:
        names = [write_text(column.name) for column in table.inherited]
        yield f'"parent": ({", ".join(names)}{"," if len(names) == 1 else ""})'


def _wrap(declared: str) -> str:
    """Return a type as it stands in a column, an enum with many labels in several lines."""
    if declared.startswith("ENUM("):
        return wrap_call(declared, 8, ",")[8:-1]
    if declared.startswith("ARRAY(ENUM(") and len(declared) > WIDTH - 9:
        return f"ARRAY(\n{wrap_call(declared[len('ARRAY(') : -1], 12, ',')}\n        )"
    return declared


def write_migration(design: Design) -> str:
    """Return the migration of a container; it keeps a table that is there already."""
    tables = [table for type_ in design.types for table in type_.root.walk() if table.there is None]
    lines = [line for table in tables for line in _write_create(table)]
    return "\n".join(["do $$", "begin", *lines, "end", "$$;", ""])


def _write_create(table: TableDesign) -> Iterator[str]:
    name = f"public.{quote(table.name)}"
    yield f"    if to_regclass('{name}') is null then"
    yield f"        create table {name} ("
    keys = [quote(column.name) for column in table.key]
    columns = [_write_column(column, is_key=len(keys) == 1 and column in table.key) for column in table.all_columns]
    if len(keys) > 1:
        columns.append(f"primary key ({', '.join(keys)})")
    yield from (f"            {text}{',' if place < len(columns) else ''}" for place, text in enumerate(columns, 1))
    yield "        );"
    yield "    end if;"


def _write_column(column: Column, *, is_key: bool) -> str:
    rest = " primary key" if is_key else "" if column.nullable or column.is_key else " not null"
    return f"{quote(column.name)} {column.type.sql}{rest}"
