"""Match the names of tables and columns that exist with those that documents use."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cdc.core.conventions import fold
from cdc.core.errors import RequestError
from cdc.modelling.designing import merge_spellings
from cdc.modelling.naming import name_class, plural, singular, write_snake
from cdc.modelling.profile import Facts, TypeProfile
from cdc.modelling.table_catalogue import ExistingTable


@dataclass(frozen=True, slots=True)
class Property:
    """A property: its names, and those of the objects that it is in, the outermost first."""

    spellings: tuple[str, ...]
    facts: Facts
    part: tuple[tuple[str, ...], ...] = ()


def pair_types(
    types: Sequence[TypeProfile], tables: Sequence[ExistingTable]
) -> Iterator[tuple[TypeProfile, ExistingTable]]:
    """Return each table with its type; with one of each, names do not matter."""
    if len(types) == len(tables) == 1:
        yield types[0], tables[0]
        return
    left = {stem(table.name): table for table in tables}
    for type_ in types:
        table = left.pop(stem(name_class(type_.name or "")), None)
        if table is not None:
            yield type_, table
    if left:
        names = ", ".join(each.name or "(none)" for each in types)
        table = next(iter(left.values()))
        raise RequestError(
            f"No type of the documents is called like the table {table.quoted}: the types are {names}. Leave the table "
            "out, or profile the documents again with --type-property."
        )


def stem(name: str) -> str:
    """Return what tables, types and arrays of the same things have in common in their names."""
    return fold(singular(write_snake(name))).replace("-", "")


def list_properties(fields: Mapping[str, Facts]) -> dict[str, Property]:
    """Return properties by folded name; those of an object by all names to them, as in `ShippingAddress_Geo_Lat`."""
    found: dict[str, Property] = {}
    level: list[tuple[str, tuple[tuple[str, ...], ...], Mapping[str, Facts]]] = [("", (), fields)]
    while level:  # of two with one name, the less deep one is meant
        deeper: list[tuple[str, tuple[tuple[str, ...], ...], Mapping[str, Facts]]] = []
        for before, part, each in level:
            for spellings, facts in merge_spellings(each):
                name = before + spellings[0]
                found.setdefault(fold_name(name), Property(spellings, facts, part))
                if facts.kind == "object":
                    deeper.append((name, (*part, spellings), facts.fields))
        level = deeper
    return found


def fold_name(name: str) -> str:
    """Return a name without what spellings differ in."""
    return fold(name).replace("-", "")


def list_names(child: str, parent: str) -> Iterator[str]:
    """Return what an array may be called whose items are rows of a child table: with and without the parent's name."""
    name = plural(singular(write_snake(child)))
    yield name
    # Entity Framework calls the items of `Lines` in `Orders` `Orders_Lines`, if nobody gives them a name.
    for above in dict.fromkeys((f"{singular(write_snake(parent))}_", f"{write_snake(parent)}_")):
        if name.startswith(above):
            yield name.removeprefix(above)
