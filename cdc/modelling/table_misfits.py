"""Say which documents of a profile do not fit the columns of tables that exist."""

import re
from collections.abc import Iterator

from cdc.modelling.design import Column, Design, TableDesign
from cdc.modelling.nodes import Kind

_TEXT, _NUMBER, _BOTH = (
    frozenset[Kind](("string",)),
    frozenset[Kind](("number",)),
    frozenset[Kind](("string", "number")),
)
# What a field reads, by the beginning of its type.
_READS: dict[str, frozenset[Kind]] = {
    "Annotated[Decimal": _BOTH,
    "CommaList": _TEXT,
    "Day": _TEXT,
    "Duration": _TEXT,
    "LongNumber": _BOTH,
    "TextOrNumber": _BOTH,
    "Text": _TEXT,
    "Uuid": _TEXT,
    "WholeNumber": _NUMBER,
    "bool": frozenset[Kind](("boolean",)),
    "float": _NUMBER,
    "list[": frozenset[Kind](("array",)),
}


def list_misfits(design: Design) -> Iterator[str]:
    """Return a sentence for each column that documents do not fit, or whose values are guessed."""
    for type_ in design.types:
        for table in type_.root.walk():
            for column in table.columns:
                # The id of a document is always there, and a text.
                if column.spellings and (column.field != "id" or table.inherited):
                    yield from _list(table, column)


def _list(table: TableDesign, column: Column) -> Iterator[str]:
    facts, name = column.facts, f"{'.'.join(table.there or (table.name,))}: {column.name}"
    filled = facts.present - facts.kinds.get("null", 0)
    if not column.nullable and filled < facts.parents:
        yield (
            f"{name} must not be null, but {facts.parents - filled} of {facts.parents} have no {column.source}: these "
            "are parked unless it may be null."
        )
    reads = next((kinds for field, kinds in _READS.items() if column.type.field.startswith(field)), None)
    others = sorted(facts.kinds.keys() - {"null"} - (reads or facts.kinds.keys()))
    if others:
        yield f"{name} is {column.type.sql}, but {column.source} has values of the kind {' and '.join(others)}."
    if "numbered=True" in column.type.field:
        first = column.type.stored[0] if isinstance(column.type.stored, list) else column.type.stored
        yield f"{name} has numbers in the documents: 0 becomes {first}. Does the application number them so?"
    length = re.fullmatch(r"(?:String|CHAR)\((\d+)\)", column.type.declared)
    if length is not None and facts.texts is not None and facts.texts.longest > int(length[1]):
        yield (
            f"{name} takes {length[1]} characters, but {column.source} has up to {facts.texts.longest}: documents with "
            "a longer text are parked."
        )
