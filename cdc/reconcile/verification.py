"""Verify that both sides of a container are equal, for the cut-over; only reads."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cdc.core.documents import Change, Identity, Version
from cdc.core.errors import UnreadableError
from cdc.core.feed_items import read_version
from cdc.core.mapping import Mapper
from cdc.core.writes import map_change
from cdc.reconcile import drift
from cdc.reconcile.drift import KEYS_AT_ONCE, Kind, Suspect, Tally, Window
from cdc.reconcile.sides import Bodies, LedgerSide, SourceSide, TablesSide

# Greater than every `_ts`.
END = 2**62
_FOUND_AT_ONCE = 50
_VALUES_AT_ONCE = 1_000
_KEY_BYTES = 32
# More than these are not looked at one by one.
_SUSPECTS_AT_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Verification:
    """Compares one container: documents below a line of the source's time."""

    mapper: Mapper[Any]
    source: SourceSide
    ledger: LedgerSide
    tables: TablesSide

    def plan_counts(self, line: int) -> list[Window]:
        """Return the windows of all documents below a line that are counted."""
        history = Window(None, line)
        fractions = drift.count_fractions(self.ledger.tally(history).documents, 0.5)
        return drift.cut(self.ledger.cut(history, fractions), line)

    def find_differing(self, windows: Sequence[Window]) -> list[Window]:
        """Return the windows whose counts differ, counted twice."""
        differing = [each for each in windows if self.source.tally(each) != self.ledger.tally(each)]
        return [each for each in differing if self.source.tally(each) != self.ledger.tally(each)]

    def tally_source(self, windows: Sequence[Window]) -> list[Tally]:
        """Count the source's documents of each window."""
        return [self.source.tally(each) for each in windows]

    def plan_keys(self, window: Window, *, bodies: bool = False) -> list[Window]:
        """Cut a window into parts that are compared at once."""
        low = 0 if window.low is None else window.low
        if low >= window.high:
            return []
        documents = self.ledger.tally(window).documents
        fractions = drift.key_fractions(documents, _VALUES_AT_ONCE if bodies else KEYS_AT_ONCE)
        edges = [edge for edge in self.ledger.cut(window, fractions) if edge > low]
        first, *others = drift.cut(edges, window.high)
        return [Window(window.low, first.high), *others]

    def compare_keys(self, window: Window, line: int) -> tuple[int, list[Suspect]]:
        """Compare the keys of a window; return how many there are, and what differs and is older than the line."""
        ledger, found = self.ledger.read_keys(window), dict(self.source.read_keys(window))
        differing = drift.find_differences(found, ledger)[:_SUSPECTS_AT_MOST]
        return len(found.keys() | ledger.keys()), self._suspect(differing, line)

    def confirm(self, suspects: Sequence[Suspect]) -> list[Suspect]:
        """Return the suspects that still differ while the ledger has not changed."""
        again = {each.identity: each for each in self._suspect([each.identity for each in suspects], END)}
        return [each for each in suspects if each.identity in again and again[each.identity].held == each.held]

    def compare_all_values(self, window: Window) -> tuple[int, list[Suspect]]:
        """Compare the rows of a window's documents; return how many were compared, and which differ."""
        return self._compare_pages(self.source.read_bodies(window))

    def compare_some_values(self, documents: int) -> tuple[int, list[Suspect]]:
        """Compare the rows of documents that are chosen by chance."""
        start = secrets.token_bytes(_KEY_BYTES)
        identities = list(self.ledger.sample(start, documents))
        identities += self.ledger.sample(b"", documents - len(identities)) if len(identities) < documents else []
        compared, different = 0, list[Suspect]()
        for at in range(0, len(identities), _FOUND_AT_ONCE):
            more = self._compare_pages(self.source.find_bodies(identities[at : at + _FOUND_AT_ONCE]))
            compared, different = compared + more[0], different + more[1]
        return compared, different

    def _compare_pages(self, pages: Iterator[Bodies]) -> tuple[int, list[Suspect]]:
        compared, different = 0, list[Suspect]()
        for bodies in pages:
            changes = [Change(identity, read_version(body), body) for identity, body in bodies.items()]
            writes = [map_change(self.mapper, change) for change in changes]
            number, found = self.tables.find_different([write for write in writes if write.problem is None])
            compared += number
            different += [Suspect(identity, Kind.DIFFERENT, None, None) for identity in found]
        return compared, different

    def _suspect(self, identities: Sequence[Identity], line: int) -> list[Suspect]:
        held = self.ledger.read_held(identities)
        found: dict[Identity, Version] = {}
        for at in range(0, len(identities), _FOUND_AT_ONCE):
            found |= self.source.find_keys(identities[at : at + _FOUND_AT_ONCE])
        suspects = [drift.suspect(each, held.get(each), found.get(each), line) for each in identities]
        return [each for each in suspects if each is not None and not self._is_there(each)]

    def _is_there(self, suspect: Suspect) -> bool:
        """Return whether a document that no query found is read by its id after all, in the ledger's version."""
        if suspect.kind is not Kind.ORPHANED or suspect.held is None:
            return False
        try:
            version = self.source.look_up(suspect.identity)
        except UnreadableError:
            return False
        return version is not None and version.etag == suspect.held.version.etag
