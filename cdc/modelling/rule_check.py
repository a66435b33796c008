"""Check keys and rules among the rows of many documents, in bounded memory."""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from cdc.core.application import ParentRule, UniqueRule
from cdc.core.mapping import Mapper, Values
from cdc.modelling.sketch import Owners

_KEYS_AT_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that rows break: `keys` is how many of its keys do; an estimate unless `exact`."""

    rule: str
    meaning: str
    keys: int
    exact: bool


@dataclass(frozen=True, slots=True)
class _Keys:
    """The values that some columns of a table have."""

    name: str
    table: str
    columns: tuple[int, ...]
    meaning: str
    owners: Owners
    # A key of another document's row is its own; a unique rule counts every row.
    by_document: bool


class RuleCheck:
    """The primary keys of all tables, and the mappers' unique and parent rules."""

    def __init__(self, mappers: Sequence[Mapper[Any]]) -> None:
        tables = {table.name: table for mapper in mappers for table in mapper.tables}
        rules = [rule for mapper in mappers for rule in mapper.rules]
        self._primary = {name: _primary_key(table) for name, table in tables.items()}
        self._unique = [_unique_rule(rule) for rule in rules if isinstance(rule, UniqueRule)]
        self._parents = [(rule, _references(rule)) for rule in rules if isinstance(rule, ParentRule)]
        self._by_table: dict[str, list[_Keys]] = {name: [keys] for name, keys in self._primary.items()}
        for keys in (*self._unique, *(keys for _, keys in self._parents)):
            self._by_table[keys.table].append(keys)

    def see(self, table: str, rows: Sequence[Values], document: Hashable) -> bool:
        """Look at the rows of a document in one table; return whether two of them have one primary key."""
        for keys in self._by_table[table]:
            for number, row in enumerate(rows):
                key = tuple(row[column] for column in keys.columns)
                if None not in key:
                    keys.owners.add(_hashable(key), document if keys.by_document else (document, number))
        columns = self._primary[table].columns
        return len({_hashable(tuple(row[column] for column in columns)) for row in rows}) < len(rows)

    def find_breaches(self, complete: Collection[str]) -> tuple[list[Breach], list[str]]:
        """Return the breaches, and the rules that were not judged because not all rows of the parent are known.

        `complete` has the tables of which every row was seen.
        """
        unique = (*self._primary.values(), *self._unique)
        found = [Breach(keys.name, keys.meaning, keys.owners.shared, keys.owners.exact) for keys in unique]
        unjudged = []
        for rule, keys in self._parents:
            if rule.parent.name in complete:
                found.append(self._judge(rule, keys))
            else:
                unjudged.append(rule.name)
        return [breach for breach in found if breach.keys], unjudged

    def _judge(self, rule: ParentRule, keys: _Keys) -> Breach:
        parents = self._primary[rule.parent.name].owners
        mask = max(parents.mask, keys.owners.mask)
        for owners in (parents, keys.owners):
            owners.thin(mask)
        missing = keys.owners.count_missing(parents.owners.keys())
        return Breach(rule.name, keys.meaning, missing, exact=not mask)


def _primary_key(table: Table) -> _Keys:
    columns = tuple(column.name for column in table.primary_key.columns)
    meaning = f"several documents have rows of one key in {table.name}"
    return _Keys(
        f"primary key of {table.name}",
        table.name,
        _find(table, columns),
        meaning,
        Owners(_KEYS_AT_MOST),
        by_document=True,
    )


def _unique_rule(rule: UniqueRule) -> _Keys:
    meaning = f"several rows of {rule.table.name} have the same {', '.join(rule.columns)}"
    owners = Owners(_KEYS_AT_MOST)
    return _Keys(rule.name, rule.table.name, _find(rule.table, rule.columns), meaning, owners, by_document=False)


def _references(rule: ParentRule) -> _Keys:
    meaning = f"{rule.column} of {rule.table.name} is the key of no row of {rule.parent.name}"
    owners = Owners(_KEYS_AT_MOST)
    return _Keys(rule.name, rule.table.name, _find(rule.table, (rule.column,)), meaning, owners, by_document=True)


def _find(table: Table, columns: Sequence[str]) -> tuple[int, ...]:
    names = table.columns.keys()
    return tuple(names.index(column) for column in columns)


def _hashable(key: tuple[Any, ...]) -> Hashable:
    """Return a key that can be hashed: a column may hold a list."""
    try:
        hash(key)
    except TypeError:
        return repr(key)
    return key
