"""Pair the tables below a table that exists with arrays, and say what keeps rows of their items from being written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cdc.core.conventions import Instants
from cdc.modelling.design import Column
from cdc.modelling.designing import merge_spellings
from cdc.modelling.naming import distinguish, name_class, quote, write_snake
from cdc.modelling.profile import Facts
from cdc.modelling.table_catalogue import ExistingTable, TableColumn
from cdc.modelling.table_demands import describe_other
from cdc.modelling.table_keys import make_key, make_position
from cdc.modelling.table_names import Property, fold_name, list_names, stem

_AGAIN = "then run init again"


@dataclass(frozen=True, slots=True)
class Items:
    """An array of objects: its names, and the facts of its items."""

    spellings: tuple[str, ...]
    facts: Facts


def find_arrays(fields: Mapping[str, Facts]) -> dict[str, Items]:
    """Return the arrays of objects by what their names have in common with tables."""
    return {
        stem(spellings[0]): Items(spellings, facts.items)
        for spellings, facts in merge_spellings(fields)
        if facts.kind == "array" and facts.items is not None and facts.items.kind == "object"
    }


def pair_items(child: ExistingTable, table: ExistingTable, arrays: dict[str, Items]) -> Items | None:
    """Take the array whose items are the rows of a table, by its names with and without the parent's."""
    names = [] if child.is_single else [stem(name) for name in list_names(child.name, table.name)]
    found = [arrays.pop(name) for name in dict.fromkeys(names) if name in arrays]
    if not found:
        return None
    # Items are the rows of one table.
    return Items(tuple(name for each in found for name in each.spellings), found[0].facts)


def make_item_keys(
    child: ExistingTable, properties: Mapping[str, Property], instants: Instants, needs: list[str]
) -> list[Column] | None:
    """Return the columns that tell the items of a document apart, or None if one of them cannot be filled."""
    keys: list[Column] = []
    for column in (child.column(name) for name in child.key if name not in child.inherited):
        found = properties.get(fold_name(column.name))
        # A place is in the array of one document: only beside its key is it unique.
        counts = {*child.inherited} <= {*child.key} and all(key.spellings for key in keys)
        own = make_position(column) if found is None and counts else None
        if found is None and own is None:
            needs.append(_tell_unfilled(child, column))
            return None
        if column.generated or column.identity == "a":
            needs.append(_tell_generated(child, column))
            return None
        own = own or (make_key(column, found, instants) if found else None)
        if own is None:
            needs.append(_tell_misfit(child, column, found.spellings[0] if found else ""))
            return None
        keys.append(own)
    return keys


def tell_unpaired(child: ExistingTable, table: ExistingTable, arrays: Mapping[str, Items], names: Sequence[str]) -> str:
    """Say that a table is not written, and how it would be; `names` are the properties that no table has.

    `arrays` are the arrays of objects among them.
    """
    assert child.above is not None  # noqa: S101 - of a table below another
    called, there = map(stem, list_names(child.name, table.name)), {fold_name(each.name) for each in table.columns}
    alike = [name for each in called for name in names if stem(name) == each and fold_name(name) not in there]
    left = [each.spellings[0] for each in arrays.values()]
    how = "There is nothing to do if the documents have no such items."
    if alike:
        how = (
            f"{table.quoted} can hold {alike[0]} of the documents itself: alter table {table.quoted} add "
            f"{quote(alike[0])} jsonb; {_AGAIN}."
        )
    elif left and not child.is_single:
        like = quote(name_class(left[0]) if child.name[0].isupper() else write_snake(left[0]))
        how = (
            f"If its rows are the items of {' or '.join(left)}, call it so: alter table {child.quoted} rename to "
            f"{like}; {_AGAIN}."
        )
    elif child.has_own_key:
        how = "If its rows are the items of an array, profile the documents, and name the profile with --profile."
    what = f"No array of objects is called so, or another table has its items. {how}"
    return describe_other(table, child.above, what)


def tell_owned(child: ExistingTable, table: ExistingTable, owner: str) -> str:
    """Say that the rows of a table are documents of their own."""
    assert child.above is not None  # noqa: S101 - of a table below another
    return describe_other(table, child.above, f"Its rows are those of {owner}.")


def _tell_unfilled(child: ExistingTable, column: TableColumn) -> str:
    """Say that nothing in a document says which row is which, and how a place in the array would."""
    name = distinguish("position", [each.name for each in child.columns])
    keys = ", ".join(map(quote, (*child.inherited, name)))
    changes = [f"drop constraint {quote(child.key_name)}", f"add {name} integer not null", f"add primary key ({keys})"]
    left = [child.column(each) for each in child.key if each not in child.inherited]
    changes += [
        f"alter {quote(each.name)} drop not null" for each in left if each.default is None and not each.identity
    ]
    free = [f"alter table {each.table} drop constraint {quote(each.name)};" for each in child.referring]
    statements = " ".join([*free, f"alter table {child.quoted} {', '.join(changes)};"])
    return (
        f"{child.quoted} is not mapped: no property of an item fills {column.name} of its primary key, so that a row "
        f"would not be found again. While it is empty, let the item's place in its array be in the key: {statements} "
        f"{_AGAIN}."
    )


def _tell_generated(child: ExistingTable, column: TableColumn) -> str:
    """Say that no value of a key can be written, and how it could."""
    if column.generated:
        return (
            f"{child.quoted} is not mapped: PostgreSQL computes {column.name} of its primary key. Let a column that a "
            f"property of an item fills be in the key, or the item's place in its array; {_AGAIN}."
        )
    return (
        f"{child.quoted} is not mapped: {column.name} of its primary key is generated always, so that no value can be "
        f"written: alter table {child.quoted} alter {quote(column.name)} set generated by default; {_AGAIN}."
    )


def _tell_misfit(child: ExistingTable, column: TableColumn, name: str) -> str:
    """Say that the property of a key does not fit its column."""
    return (
        f"{child.quoted} is not mapped: {column.name} of its primary key is {column.type}, which does not hold {name} "
        f"of an item: change its type, for example to text; {_AGAIN}."
    )


def list_own_key(child: ExistingTable) -> Iterator[str]:
    """Say what a key of the items' own means: ids that are unique among documents, and an index on the parent."""
    parent = ", ".join(map(quote, child.inherited))
    if not {*child.inherited} <= {*child.key}:
        keys = ", ".join(map(quote, (*child.inherited, *child.key)))
        yield (
            f"{child.quoted}: its primary key is {_join(child.key)} alone. Of two documents that have an item of one "
            "key, the second is parked; python -m cdc plan counts them. If keys are unique only within a document: "
            f"alter table {child.quoted} drop constraint {quote(child.key_name)}, add primary key ({keys}); {_AGAIN}. "
            "If its rows are documents of another container, run init for that container first: then this one leaves "
            "its table."
        )
    if not child.is_indexed:
        yield (
            f"{child.quoted}: no index begins with {_join(child.inherited)}, so that every document reads the whole "
            f"table: create index on {child.quoted} ({parent});"
        )


def _join(names: Sequence[str]) -> str:
    return " and ".join(names)
