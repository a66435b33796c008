"""The interfaces of reconcile: both sides of a container, findings, and rotation."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from cdc.core.documents import Held, Identity, JsonObject, Version
from cdc.core.row_keys import RowKey
from cdc.core.writes import Write
from cdc.reconcile.drift import Kind, Suspect, Tally, Window
from cdc.reconcile.run import Census, Finding, Run, Usage
from cdc.repair.reread import DocumentSource

Bodies = Mapping[Identity, JsonObject]


class SourceSide(DocumentSource, Protocol):
    """One source container."""

    usage: Usage

    def measure(self) -> Census:
        """Count all documents and read the source's time."""
        ...

    def tally(self, window: Window) -> Tally:
        """Count a window's documents and add up their `_ts`."""
        ...

    def read_keys(self, window: Window) -> Mapping[Identity, Version]:
        """Return a window's documents with their versions."""
        ...

    def read_bodies(self, window: Window) -> Iterator[Bodies]:
        """Return a window's documents, page by page: only one page at a time is in memory."""
        ...

    def find_keys(self, identities: Sequence[Identity]) -> Mapping[Identity, Version]:
        """Return the versions of those of these documents that exist."""
        ...

    def find_bodies(self, identities: Sequence[Identity]) -> Iterator[Bodies]:
        """Return those of these documents that exist, page by page."""
        ...

    def look_up(self, identity: Identity) -> Version | None:
        """Return the version of a document that no query found, or None; before a delete, read it with its proof.

        Raises UnreadableError as `read_document` does.
        """
        ...


class LedgerSide(Protocol):
    """The ledger of one container."""

    def tally(self, window: Window) -> Tally:
        """Count a window's live documents and add up their `_ts`."""
        ...

    def cut(self, window: Window, fractions: Sequence[float]) -> list[int]:
        """Return the `_ts` at these fractions of a window's live documents, or [] if it has none."""
        ...

    def read_keys(self, window: Window) -> Mapping[Identity, Held]:
        """Return a window's live documents with their versions."""
        ...

    def read_held(self, identities: Sequence[Identity]) -> Mapping[Identity, Held]:
        """Return the ledger's entries of these documents."""
        ...

    def read_noticed(self, limit: int) -> Mapping[Identity, datetime]:
        """Return documents with a gap before their last version, and when it was noticed."""
        ...

    def forget_noticed(self, noticed: Mapping[Identity, datetime]) -> None:
        """Forget these gaps, unless they were noticed again since."""
        ...

    def find_unmapped(self, types: Collection[str], limit: int) -> Sequence[Identity]:
        """Return unmapped documents of these types."""
        ...

    def sample(self, start: bytes, documents: int) -> Sequence[Identity]:
        """Return up to this many applied documents after a key."""
        ...


class TablesSide(Protocol):
    """The mapped tables of one container."""

    def find_lost(self, limit: int) -> Sequence[Identity]:
        """Return documents whose root row is missing although the ledger says that it was written."""
        ...

    def find_unclaimed(self, limit: int) -> Sequence[RowKey]:
        """Return rows that no document of the ledger claims."""
        ...

    def find_different(self, writes: Sequence[Write]) -> tuple[int, Sequence[Identity]]:
        """Compare mapped rows with the tables by value, for documents whose version is also the ledger's.

        Returns how many documents were compared, and which of them differ.
        """
        ...


class Findings(Protocol):
    """The findings of a run."""

    def leave_out_found(self, run: Run, identities: Sequence[Identity]) -> Sequence[Identity]:
        """Return those of these documents that the run has not found yet."""
        ...

    def add(self, run: Run, suspects: Sequence[Suspect]) -> None:
        """Store suspects."""
        ...

    def add_unreadable(self, run: Run, suspect: Suspect) -> None:
        """Store a document that the source does not give: it is reported, never repaired."""
        ...

    def add_different(self, run: Run, identities: Sequence[Identity], held: Mapping[Identity, Held]) -> None:
        """Store documents whose rows differ; these need no confirmation."""
        ...

    def add_unclaimed(self, run: Run, rows: Sequence[RowKey]) -> None:
        """Store unclaimed rows."""
        ...

    def read(self, run: Run, state: str, kinds: Sequence[Kind], limit: int) -> Sequence[Finding]:
        """Return findings in a state; suspects only after the settle time."""
        ...

    def mark(self, marks: Sequence[tuple[int, Kind, str]]) -> None:
        """Set the kind and state of findings, given as number, kind, state."""
        ...

    def count(self, run: Run, state: str) -> Mapping[Kind, int]:
        """Count findings in a state by kind."""
        ...

    def seconds_to_settle(self, run: Run) -> float | None:
        """Return the seconds until the youngest suspect may be confirmed, or None without suspects."""
        ...


class Rotation(Protocol):
    """How far the keys of a container were compared, over all runs."""

    def read(self) -> tuple[int | None, int | None]:
        """Return the `_ts` where the comparison of keys continues, and where the count does."""
        ...

    def keep_count(self, count_ts: int | None) -> None:
        """Record where the next count begins; None is the beginning."""
        ...
