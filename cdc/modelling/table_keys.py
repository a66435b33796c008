"""Make the columns of a key of a table that exists: of the id, of a property, or of an item's place."""

from dataclasses import replace

from cdc.core.conventions import Instants
from cdc.modelling.columns import INTEGER
from cdc.modelling.design import Column
from cdc.modelling.naming import distinguish, name_field
from cdc.modelling.profile import Facts
from cdc.modelling.table_catalogue import ExistingTable, TableColumn
from cdc.modelling.table_names import Property
from cdc.modelling.table_types import choose_key_type, choose_type

_DECLARED = {"smallint": "SmallInteger", "integer": "Integer", "bigint": "BigInteger"}
_NOTHING = Facts(parents=0, present=0, kinds={})
_SEQUENCE = "After the cut-over set its sequence behind the greatest value."


def make_id(table: ExistingTable, column: TableColumn, facts: Facts | None, needs: list[str]) -> Column | None:
    """Return a column that has the id of the document, or None if it cannot hold one."""
    type_ = choose_key_type(column)
    if type_ is None or not _can_be_written(column):
        return None
    if column.counts:
        needs.append(f"{table.quoted}: PostgreSQL counts {column.name}, which the documents' id fills now. {_SEQUENCE}")
    return Column(column.name, "id", ("id",), type_, nullable=False, facts=facts or _NOTHING, is_key=True)


def make_key(column: TableColumn, found: Property, instants: Instants) -> Column | None:
    """Return a column of the key that a property fills, or None if it cannot."""
    name = found.spellings[0]
    type_ = choose_type(column, name, found.facts, instants)
    if type_ is None or found.part or not _can_be_written(column):
        return None
    field = distinguish(name_field(name), {"id"} if name.lower() != "id" else ())
    return Column(column.name, field, found.spellings, type_, nullable=False, facts=found.facts, is_key=True)


def make_position(column: TableColumn) -> Column | None:
    """Return a column of the key that has the item's place in its array, or None if it is no whole number."""
    if column.base not in _DECLARED:
        return None
    type_ = replace(INTEGER, sql=column.base, declared=_DECLARED[column.base], stored=0)
    return Column(column.name, "", (), type_, nullable=False, facts=_NOTHING, is_key=True)


def tell_counted(child: ExistingTable, column: Column) -> str:
    """Say what fills a column of a key that PostgreSQL counts, and what to do with its sequence."""
    if column.spellings:
        return (
            f"{child.quoted}: PostgreSQL counts {column.name}, which {column.source} of an item fills now. {_SEQUENCE}"
        )
    return (
        f"{child.quoted}: no property fills {column.name}, so it has the item's place in its array, from 0. {_SEQUENCE}"
    )


def _can_be_written(column: TableColumn) -> bool:
    return not column.generated and column.identity != "a"
