"""Count the dead letters and the ledger; a large ledger takes long to count, so its count is kept."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cdc.core.documents import State
from cdc.postgres.database import Connection, Database
from cdc.postgres.statements import statement

# So many bytes hold more than 100,000 documents, which are counted in some hundredths of a second.
_SMALL_BYTES = 32 * 1024 * 1024
# A larger ledger is counted once in so many seconds, by one instance.
_KEPT_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class DocumentCount:
    """The number of a container's documents in one state and of one unmapped type, and their newest `_ts`.

    In a container with several types, `row_table` is the root table of their rows.
    """

    container: str
    state: str
    unmapped_type: str | None
    documents: int
    newest_ts: int
    row_table: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerCount:
    """A count of the whole ledger, when it was made, and its age in seconds."""

    counts: Sequence[DocumentCount]
    counted_at: datetime
    age_seconds: float

    def of(self, container: str) -> dict[str, int]:
        """Return the number of a container's documents in each state."""
        found = dict.fromkeys(map(str, State), 0)
        for count in self.counts:
            if count.container == container:
                found[count.state] += count.documents
        return found

    def by_table(self, container: str) -> dict[str, int]:
        """Return the number of a container's applied documents by root table, if it has several types."""
        return {
            count.row_table: count.documents
            for count in self.counts
            if (count.container, count.state) == (container, State.APPLIED) and count.row_table is not None
        }

    def newest_ts(self, container: str) -> int | None:
        """Return the newest `_ts` of a container's documents."""
        return max((count.newest_ts for count in self.counts if count.container == container), default=None)


@dataclass(frozen=True, slots=True)
class LetterCount:
    """The number of a container's dead letters of one kind and state."""

    container: str
    kind: str
    state: str
    documents: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts in PostgreSQL; `typed` are the containers with several types."""

    database: Database
    typed: Sequence[str] = ()

    def count_letters(self) -> list[LetterCount]:
        """Count the dead letters by container, kind and state; they are few."""
        with self.database.connection() as connection:
            return [LetterCount(*row) for row in connection.execute(statement("count_letters"))]

    def read_ledger(self) -> LedgerCount | None:
        """Return a count of the ledger: a new one if it is small, or the kept one.

        None if the ledger is large, and the timer has not counted it yet.
        """
        is_large, kept = self._read_kept()
        if is_large:
            return kept
        with self.database.connection() as connection:
            counts = [DocumentCount(*row) for row in self._count(connection)]
        return LedgerCount(counts, datetime.now(UTC), 0.0)

    def keep_ledger(self, *, anew: bool = False) -> None:
        """Count a large ledger and keep the count; leave it alone if the kept one is young, except `anew`."""
        is_large, kept = self._read_kept()
        if is_large and (anew or kept is None or kept.age_seconds >= _KEPT_SECONDS):
            with self.database.transaction() as connection:
                # The release before this one knows no table.
                counts = [row if row[-1] is not None else row[:-1] for row in self._count(connection)]
                connection.execute(statement("keep_ledger_count"), {"counts": json.dumps(counts)})

    def _count(self, connection: Connection) -> Sequence[tuple[Any, ...]]:
        return connection.execute(statement("count_ledger"), {"typed": list(self.typed)}).fetchall()

    def _read_kept(self) -> tuple[bool, LedgerCount | None]:
        """Return whether the ledger is large, and the kept count; reads nothing of the ledger."""
        with self.database.connection() as connection:
            row = connection.execute(statement("read_ledger_count")).fetchone()
        size, counts, *rest = row or (0, None)
        kept = None if counts is None else LedgerCount([DocumentCount(*count) for count in counts], *rest)
        return size > _SMALL_BYTES, kept
