"""Count the ledger and the dead letters; a large ledger takes long to count."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from cdc.postgres.database import Database
from cdc.postgres.statements import statement

# Each process counts for at most a twentieth of the time.
_REMEMBERED = 20

_LONG_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class DocumentCount:
    """The number of a container's documents in one state, and their newest `_ts`."""

    container: str
    state: str
    documents: int
    newest_ts: int


@dataclass(frozen=True, slots=True)
class LetterCount:
    """The number of a container's dead letters of one kind and state."""

    container: str
    kind: str
    state: str
    documents: int


class Counts(Protocol):
    """Counts the ledger and the dead letters."""

    def count_documents(self) -> list[DocumentCount]:
        """Count the ledger."""
        ...

    def count_letters(self) -> list[LetterCount]:
        """Count the dead letters."""
        ...


class PostgresCounts:
    """The `Counts` in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count_documents(self) -> list[DocumentCount]:
        """Count the ledger by container and state."""
        with self._database.connection() as connection:
            return [DocumentCount(*row) for row in connection.execute(statement("count_documents"))]

    def count_letters(self) -> list[LetterCount]:
        """Count the dead letters by container, kind and state."""
        with self._database.connection() as connection:
            return [LetterCount(*row) for row in connection.execute(statement("count_letters"))]


class RememberedCounts:
    """Remembers counts of the ledger, because a large ledger takes long to count.

    A slow count is reused for 20 times its duration; parallel requests wait for the same count.
    """

    def __init__(self, counts: Counts, clock: Callable[[], float] = time.monotonic) -> None:
        self._counts = counts
        self._clock = clock
        self._lock = Lock()
        self._documents: list[DocumentCount] = []
        self._good_until = -math.inf

    def count_documents(self) -> list[DocumentCount]:
        """Count the ledger, or return the remembered count."""
        with self._lock:
            begun = self._clock()
            if begun >= self._good_until:
                self._documents = self._counts.count_documents()
                took = self._clock() - begun
                self._good_until = begun + (_REMEMBERED * took if took >= _LONG_SECONDS else 0)
            return self._documents

    def count_letters(self) -> list[LetterCount]:
        """Count the dead letters; these are few and not remembered."""
        return self._counts.count_letters()
