"""Check long before the cut-over whether the data obeys its rules."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cdc.core import row_keys
from cdc.core.application import Rule, UniqueRule
from cdc.core.documents import Identity
from cdc.core.mapping import Mapper
from cdc.postgres.breaches import count_breaches, find_breaches
from cdc.postgres.database import Connection, Database
from cdc.postgres.ledger import find_holders
from cdc.postgres.rows import key_names

_SHOWN_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class Breach:
    """The rows that break one rule, and some of the documents they belong to; a row without a document is left out."""

    rule: Rule
    rows: int
    documents: Sequence[Identity] = ()

    @property
    def meaning(self) -> str:
        """Say what the rule demands."""
        if isinstance(self.rule, UniqueRule):
            return f"({', '.join(self.rule.columns)}) is unique in {self.rule.table}"
        return f"{self.rule.column} of {self.rule.table} names a row of {self.rule.parent}"


def check_rules(database: Database, mappers: Iterable[Mapper[Any]]) -> Iterator[Breach]:
    """Check every rule of these mappers; a rule that the data obeys has 0 rows."""
    for mapper in mappers:
        for rule in mapper.rules:
            with database.transaction() as connection:
                yield _check(connection, mapper, rule)


def _check(connection: Connection, mapper: Mapper[Any], rule: Rule) -> Breach:
    rows = count_breaches(connection, rule)
    if not rows:
        return Breach(rule, 0)
    root = next(part for part in mapper.parts if rule in part.rules).tables[0]
    keys = find_breaches(connection, rule, len(key_names(root)), _SHOWN_AT_MOST)
    found = find_holders(connection, mapper.container, map(row_keys.by_key(root), keys))
    return Breach(rule, rows, sorted((identity for identity, _ in found), key=lambda identity: identity.key))
