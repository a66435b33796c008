"""Count the dead letters and the ledger; a large ledger takes long to count, so its count is kept."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cdc.core.documents import State
from cdc.core.errors import TransientError
from cdc.postgres.database import Database
from cdc.postgres.statements import statement

# So many are counted in some hundredths of a second.
_FEW = 100_000
# A larger ledger is counted once in so many seconds, by one instance.
_KEPT_SECONDS = 900.0
# Nobody knows yet how large the ledger is: then a request waits for the count so long.
_PATIENCE_SECONDS = 0.7


@dataclass(frozen=True, slots=True)
class DocumentCount:
    """The number of a container's documents in one state and of one unmapped type, and their newest `_ts`."""

    container: str
    state: str
    unmapped_type: str | None
    documents: int
    newest_ts: int


@dataclass(frozen=True, slots=True)
class LedgerCount:
    """A count of the whole ledger, when it was made, and its age in seconds."""

    counts: Sequence[DocumentCount]
    counted_at: datetime
    age_seconds: float

    @property
    def is_large(self) -> bool:
        """Whether the ledger takes long to count."""
        return sum(count.documents for count in self.counts) > _FEW

    def of(self, container: str) -> dict[str, int]:
        """Return the number of a container's documents in each state."""
        found = dict.fromkeys(map(str, State), 0)
        for count in self.counts:
            if count.container == container:
                found[count.state] += count.documents
        return found

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
    """Counts in PostgreSQL."""

    database: Database

    def count_letters(self) -> list[LetterCount]:
        """Count the dead letters by container, kind and state; they are few."""
        with self.database.connection() as connection:
            return [LetterCount(*row) for row in connection.execute(statement("count_letters"))]

    def read_ledger(self) -> LedgerCount | None:
        """Return a count of the ledger: a new one if it is small, or the kept one.

        None if the ledger takes long to count, and the timer has not counted it yet.
        """
        kept = self._read_kept()
        if kept is not None and kept.is_large:
            return kept
        try:
            return self._count()
        except TransientError:
            return kept

    def keep_ledger(self, *, anew: bool = False) -> None:
        """Count the ledger and keep the count; leave a large one alone whose count is young, except `anew`."""
        kept = self._read_kept()
        if anew or kept is None or not kept.is_large or kept.age_seconds >= _KEPT_SECONDS:
            with self.database.transaction() as connection:
                counts = connection.execute(statement("count_ledger")).fetchall()
                connection.execute(statement("keep_ledger_count"), {"counts": json.dumps(counts)})

    def _read_kept(self) -> LedgerCount | None:
        with self.database.connection() as connection:
            row = connection.execute(statement("read_ledger_count")).fetchone()
        return None if row is None else LedgerCount([DocumentCount(*count) for count in row[0]], *row[1:])

    def _count(self) -> LedgerCount:
        hurried = self.database.share(self.database.use, seconds=_PATIENCE_SECONDS)
        with hurried.connection() as connection:
            counts = [DocumentCount(*row) for row in connection.execute(statement("count_ledger"))]
        return LedgerCount(counts, datetime.now(UTC), 0.0)
