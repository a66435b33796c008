"""What the application needs of its tables: look-ups that are fast, and rules that hold once PostgreSQL is primary."""

from dataclasses import dataclass
from typing import LiteralString

from sqlalchemy import Table


@dataclass(frozen=True, slots=True)
class Lookup:
    """A query of the application that an index must serve.

    `condition` is SQL with constants instead of values; `index` and `on` are the name and the definition of the index.
    """

    table: Table
    condition: LiteralString
    index: str
    on: str


@dataclass(frozen=True, slots=True)
class UniqueRule:
    """A unique index that Cosmos has no equal of: `columns` identify a row. Null is never a duplicate."""

    name: str
    table: Table
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParentRule:
    """A foreign key that Cosmos has no equal of: `column` is the key of a row of `parent`, or null."""

    name: str
    table: Table
    column: str
    parent: Table


Rule = UniqueRule | ParentRule
