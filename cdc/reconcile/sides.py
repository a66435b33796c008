"""What reconcile asks for: the two sides of a container, and a place for what it finds."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from cdc.core.documents import Held, Identity, JsonObject, Version
from cdc.core.writes import Write
from cdc.reconcile.drift import Kind, Suspect, Tally, Window
from cdc.reconcile.run import Census, Finding, Run, Usage
from cdc.repair.reread import DocumentSource

Row = tuple[str, str]


class SourceSide(DocumentSource, Protocol):
    """One source container."""

    usage: Usage

    def measure(self) -> Census:
        """Count all documents, and tell the source's time."""
        ...

    def tally(self, window: Window) -> Tally:
        """Count a window's documents and add up their `_ts`."""
        ...

    def read_keys(self, window: Window) -> Mapping[Identity, Version]:
        """Return a window's documents with their versions."""
        ...

    def read_bodies(self, window: Window) -> Mapping[Identity, JsonObject]:
        """Return a window's documents."""
        ...

    def find_keys(self, identities: Sequence[Identity]) -> Mapping[Identity, Version]:
        """Return which of a few documents are there, with their versions."""
        ...

    def find_bodies(self, identities: Sequence[Identity]) -> Mapping[Identity, JsonObject]:
        """Return those of a few documents that are there."""
        ...


class LedgerSide(Protocol):
    """What the ledger has of one container."""

    def tally(self, window: Window) -> Tally:
        """Count a window's live documents and add up their `_ts`."""
        ...

    def cut(self, window: Window, fractions: Sequence[float]) -> list[int]:
        """Return the `_ts` at these fractions of a window's documents; nothing where it has none."""
        ...

    def read_keys(self, window: Window) -> Mapping[Identity, Held]:
        """Return a window's live documents with their versions."""
        ...

    def read_held(self, identities: Sequence[Identity]) -> Mapping[Identity, Held]:
        """Return what is held of these documents."""
        ...

    def read_noticed(self, limit: int) -> Mapping[Identity, datetime]:
        """Return documents before whose last version the feed has a gap, and when that was noticed."""
        ...

    def forget_noticed(self, noticed: Mapping[Identity, datetime]) -> None:
        """Forget the gaps that were noticed then."""
        ...

    def sample(self, start: bytes, documents: int) -> Sequence[Identity]:
        """Return so many applied documents from a key on."""
        ...


class TablesSide(Protocol):
    """The mapped tables of one container."""

    def find_lost(self, limit: int) -> Sequence[Identity]:
        """Return documents whose root row is not there, although the ledger says that it was written."""
        ...

    def find_unclaimed(self, limit: int) -> Sequence[Row]:
        """Return rows, by table and key, that no document of the ledger claims."""
        ...

    def find_different(self, writes: Sequence[Write]) -> tuple[int, Sequence[Identity]]:
        """Compare rows by value with those that stand there, as far as the ledger has the same versions.

        Returns how many documents were compared, and which of them differ.
        """
        ...


class Findings(Protocol):
    """What a run has found."""

    def leave_out_found(self, run: Run, identities: Sequence[Identity]) -> Sequence[Identity]:
        """Return which of these documents the run has not found yet."""
        ...

    def add(self, run: Run, suspects: Sequence[Suspect]) -> None:
        """Keep suspects."""
        ...

    def add_different(self, run: Run, identities: Sequence[Identity], held: Mapping[Identity, Held]) -> None:
        """Keep documents whose rows differ, for which there is nothing to confirm."""
        ...

    def add_unclaimed(self, run: Run, rows: Sequence[Row]) -> None:
        """Keep rows that nobody claims."""
        ...

    def read(self, run: Run, state: str, kinds: Sequence[Kind], limit: int) -> Sequence[Finding]:
        """Return what is in a state."""
        ...

    def mark(self, marks: Sequence[tuple[int, Kind, str]]) -> None:
        """Say what became of findings: number, kind, state."""
        ...

    def count(self, run: Run, state: str) -> Mapping[Kind, int]:
        """Count what is in a state by kind."""
        ...

    def seconds_to_settle(self, run: Run) -> float | None:
        """Return after how long the youngest suspect may be confirmed; None without suspects."""
        ...


class Rotation(Protocol):
    """How far keys are compared, over all runs of a container."""

    def read(self) -> tuple[int | None, int | None]:
        """Return where the comparison of keys goes on, and where the count does."""
        ...

    def turn(self, window: Window, next_ts: int | None) -> None:
        """The keys of the next window are compared, and up to where; None when a round is over. Once is as twice."""
        ...

    def complete(self, run: Run) -> None:
        """All keys have been compared since this run began."""
        ...

    def keep_count(self, count_ts: int | None) -> None:
        """The next count begins here."""
        ...
