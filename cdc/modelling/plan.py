"""Run a mapper over documents and write nothing: what would be parked, and what would be left out."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, String, Table

from cdc.backfill.pacing import SHARE
from cdc.core.documents import Change, Identity, JsonObject, State, Version
from cdc.core.mapping import Mapper, ObservationKind, Tuples, Values
from cdc.core.writes import list_findings, map_change, without_indexes
from cdc.modelling.rule_check import RuleCheck

_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]{0,63}(?:\[\])*")
# Paths are kept of so many different findings; a mapper that refuses everything differently is wrong anyway.
_FINDINGS_AT_MOST = 1_000
# Of one finding so many documents are named.
_PLACES_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why documents would be parked: a path, or a column, and the reason."""

    path: str
    message: str


@dataclass
class Plan:
    """What the mapper of one container makes of the documents that were read."""

    mapper: Mapper[Any]
    check: RuleCheck
    documents: int = 0
    without_rows: int = 0
    complete: bool = False
    # In the container; None if they were read from a file.
    held: int | None = None
    units_per_document: float = 0.0
    refusals: Counter[Refusal] = field(default_factory=Counter)
    # Where in the file the first of them are, from 1.
    places: defaultdict[Refusal, list[int]] = field(default_factory=lambda: defaultdict(list))
    unmapped: Counter[str] = field(default_factory=Counter)
    observations: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)

    def see(self, document: JsonObject, owner: Hashable) -> None:
        """Map one document; `owner` tells documents apart, and is the place of one in a file."""
        self.documents += 1
        identity = Identity.of(self.mapper.container, {}, "")
        write = map_change(self.mapper, Change(identity, Version(0, None, ""), document))
        if write.problem is not None:
            self._refuse(_hide_keys(without_indexes(write.problem.path)), write.problem.message, owner)
            return
        self._observe(list_findings(write))
        if write.state is State.UNMAPPED:
            return
        if write.rows.root is None:
            self.without_rows += 1
        for table, rows in _rows(self.mapper, write.rows):
            self.rows[table.name] += len(rows)
            if self.check.see(table.name, rows, owner):
                self._refuse(table.name, "two rows of one document have the same key", owner)
            for column, message in _find_misfits(table, rows):
                self._refuse(f"{table.name}.{column.name}", message, owner)

    def estimate_units(self) -> float | None:
        """Return about how many request units a backfill costs, or None if nothing was read from a container."""
        return self.held * self.units_per_document if self.held and self.units_per_document else None

    def list_unmapped(self, accepted: Collection[str]) -> list[tuple[str, int]]:
        """Return the types that no mapper takes and that nobody accepted, with their documents."""
        return [each for each in self.unmapped.most_common() if f"{self.mapper.container}:{each[0]}" not in accepted]

    def list_unread(self) -> list[tuple[str, str, int]]:
        """Return the properties that are not read: kind, path, documents."""
        kinds = (ObservationKind.UNKNOWN, ObservationKind.SPELLING)
        return [(kind, path, count) for (kind, path), count in self.observations.most_common() if kind in kinds]

    def _refuse(self, path: str, message: str, owner: Hashable) -> None:
        refusal = Refusal(path, message)
        if refusal not in self.refusals and len(self.refusals) >= _FINDINGS_AT_MOST:
            refusal = Refusal("*", "other reasons")
        self.refusals[refusal] += 1
        if isinstance(owner, int) and len(self.places[refusal]) < _PLACES_AT_MOST:
            self.places[refusal].append(owner)

    def _observe(self, findings: Iterator[tuple[str, str]]) -> None:
        for kind, path in findings:
            if kind == "unmapped":
                self.unmapped[path] += 1
            elif (kind, path) in self.observations or len(self.observations) < _FINDINGS_AT_MOST:
                self.observations[kind, path] += 1


def estimate_hours(units: float, units_per_second: float) -> float:
    """Return how long a backfill of so many request units takes."""
    return units / (units_per_second * SHARE) / 3_600


def _rows(mapper: Mapper[Any], found: Tuples) -> Iterator[tuple[Table, Sequence[Values]]]:
    if found.root is None:
        return
    part = mapper.part(found.root_name)
    tables = {table.name: table for table in part.tables}
    yield part.tables[0], [found.root]
    for name, rows in found.children.items():
        yield tables[name], rows


def _find_misfits(table: Table, rows: Sequence[Values]) -> set[tuple[Column[Any], str]]:
    """Return what PostgreSQL would refuse although the mapper takes it."""
    found = set()
    for number, column in enumerate(table.columns):
        longest = column.type.length if isinstance(column.type, String) else None
        if not column.nullable and any(row[number] is None for row in rows):
            found.add((column, "null, in a column that is not null"))
        if longest is not None and any(isinstance(row[number], str) and len(row[number]) > longest for row in rows):
            found.add((column, f"longer than {longest} characters"))
    return found


def _hide_keys(path: str) -> str:
    """Write a path with `*` for what is no name: keys of dictionaries are data."""
    first, *rest = path.split(".")
    return ".".join([first, *(part if _NAME.fullmatch(part) else "*" for part in rest)])
