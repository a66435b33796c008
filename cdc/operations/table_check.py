"""Compare the tables that the mappers declare with the tables in the database."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from cdc.core.mapping import Mapper
from cdc.postgres.column_types import read_types
from cdc.postgres.database import Connection, Database
from cdc.postgres.refusals import find_refusals
from cdc.postgres.rows import quoted
from cdc.postgres.statements import statement

# The application's own tables have varchar instead of text, which is as good. char(n) is not: it pads values.
_SAME_TYPE = {"character varying": "text", "character varying[]": "text[]"}
_NO_MODIFIER = -1
# Times without a modifier have microseconds.
_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class _Type:
    """A type as PostgreSQL writes it, without and with its modifier, and the modifier itself."""

    base: str
    name: str
    modifier: int

    @property
    def kind(self) -> str:
        """Return the same name for types that are as good as each other."""
        return _SAME_TYPE.get(self.base, self.base)

    def holds(self, other: "_Type") -> bool:
        """Return whether a column of this type keeps every value of the other, or refuses it loudly."""
        if self.kind != other.kind:
            return False
        if self.modifier in (_NO_MODIFIER, other.modifier):
            return True
        holds = _HOLDS.get(self.kind)
        return holds is not None and holds(self.modifier, other.modifier)


def _holds_text(ours: int, theirs: int) -> bool:
    # What does not fit into the shorter varchar of the application's own table is parked.
    return theirs == _NO_MODIFIER or ours >= theirs


def _holds_number(ours: int, theirs: int) -> bool:
    if theirs == _NO_MODIFIER:
        return False
    (digits, scale), (other_digits, other_scale) = map(_read_scale, (ours, theirs))
    return scale >= other_scale and digits - scale >= other_digits - other_scale


def _read_scale(modifier: int) -> tuple[int, int]:
    """Return how many digits a numeric has, and how many of them after the point."""
    packed = modifier - 4
    return packed >> 16, ((packed & 0x7FF) ^ 0x400) - 0x400


def _holds_time(ours: int, theirs: int) -> bool:
    return ours >= (_MOST_DIGITS if theirs == _NO_MODIFIER else theirs)


_HOLDS: dict[str, Callable[[int, int], bool]] = {
    "text": _holds_text,
    "text[]": _holds_text,
    "numeric": _holds_number,
    "timestamp with time zone": _holds_time,
    "timestamp without time zone": _holds_time,
    "time without time zone": _holds_time,
}


@dataclass(frozen=True, slots=True)
class _Column:
    type: _Type
    required: bool
    has_default: bool


def check_tables(database: Database, mapper: Mapper[Any]) -> list[str]:
    """Return one sentence for each problem of a mapper's tables; [] if its rows can be written."""
    with database.connection() as connection:
        return [problem for table in mapper.tables for problem in _check_table(connection, table)]


def _check_table(connection: Connection, table: Table) -> Iterator[str]:
    parameters = {"table": quoted(table)}
    columns = {
        name: _Column(_Type(*type_), required, has_default)
        for name, *type_, required, has_default in connection.execute(statement("read_columns"), parameters)
    }
    if not columns:
        own = "the application's own migrations make it"
        yield f"table {table} is missing: {own if table.info.get('adopted') else 'run python -m cdc migrate'}"
        return
    types = {name: _Type(*type_) for name, type_ in read_types(connection, table).items()}
    yield from _check_columns(table, columns, types)
    found = [name for (name,) in connection.execute(statement("read_primary_key"), parameters)]
    if found != (declared := [column.name for column in table.primary_key.columns]):
        needed = ", ".join(declared)
        yield f"table {table} has the primary key ({', '.join(found)}), but its mapper needs ({needed})"
    yield from find_refusals(connection, quoted(table), list(types))


def _check_columns(table: Table, columns: dict[str, _Column], types: dict[str, _Type]) -> Iterator[str]:
    for name, type_ in types.items():
        found = columns.get(name)
        if found is None:
            yield f"table {table} has no column {name}, but its mapper writes it: add it in a new migration"
        elif not found.type.holds(type_):
            yield f"column {name} of table {table} is {found.type.name}, but its mapper writes {type_.name}"
    for name in columns.keys() - types.keys():
        if columns[name].required and not columns[name].has_default:
            yield f"column {name} of table {table} must not be null, but no mapper writes it: give it a default"
