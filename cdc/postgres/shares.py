"""Divide what a transaction writes by the types of a container."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from cdc.core import row_keys
from cdc.core.mapping import Mapper, Values
from cdc.core.row_keys import RowKey
from cdc.core.writes import Write


@dataclass(frozen=True, slots=True)
class Share:
    """What of a transaction is of one type: its mapper, the root rows and child rows, and the root keys given up."""

    mapper: Mapper[Any]
    writes: Sequence[Write]
    gone: Sequence[Values]

    @property
    def root(self) -> Table:
        """Return the root table."""
        return self.mapper.tables[0]

    @property
    def children(self) -> Sequence[Table]:
        """Return the child tables."""
        return self.mapper.tables[1:]

    @property
    def roots(self) -> list[Values]:
        """Return the root rows."""
        return [write.rows.root for write in self.writes if write.rows.root is not None]

    def rows_of(self, child: Table) -> list[Values]:
        """Return the rows of a child table."""
        return [row for write in self.writes for row in write.rows.children.get(child.name, ())]


def share(mapper: Mapper[Any], writes: Sequence[Write], abandoned: Iterable[RowKey]) -> list[Share]:
    """Divide by type what a transaction writes and gives up; rows of a table that nobody maps any more stay."""
    gone: dict[str, list[Values]] = {}
    for key in abandoned:
        gone.setdefault(key.table, []).append(tuple(row_keys.read_values(key)))
    parts = mapper.parts
    if len(parts) == 1:
        return [Share(parts[0], writes, gone.get(parts[0].root_name, ()))]
    found: dict[str, list[Write]] = {}
    for write in writes:
        found.setdefault(write.rows.root_name, []).append(write)
    shares = [Share(part, found.get(part.root_name, ()), gone.get(part.root_name, ())) for part in parts]
    return [each for each in shares if each.writes or each.gone]
