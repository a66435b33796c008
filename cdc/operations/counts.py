"""Count the ledger and the dead letters; a large ledger takes long to count."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Generic, Protocol, TypeVar

from cdc.core import deadline
from cdc.core.deadline import Deadline
from cdc.core.errors import TransientError
from cdc.postgres.database import Database
from cdc.postgres.statements import statement

# Each process counts for at most a twentieth of the time.
_REMEMBERED = 20

_LONG_SECONDS = 0.25
_LONGEST_SECONDS = 120.0

_Count = TypeVar("_Count")


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


@dataclass(frozen=True, slots=True)
class UnmappedCount:
    """The number of a container's unmapped documents of one type, as the type is shown."""

    container: str
    type: str
    documents: int


class Counts(Protocol):
    """Counts the ledger and the dead letters."""

    def count_documents(self) -> Sequence[DocumentCount]:
        """Count the ledger."""
        ...

    def count_letters(self) -> Sequence[LetterCount]:
        """Count the dead letters."""
        ...

    def count_unmapped(self) -> Sequence[UnmappedCount]:
        """Count the unmapped documents."""
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

    def count_unmapped(self) -> list[UnmappedCount]:
        """Count the unmapped documents by container and type, `other` last."""
        with self._database.connection() as connection:
            return [UnmappedCount(*row) for row in connection.execute(statement("count_unmapped"), {"container": None})]


class RememberedCounts:
    """Remembers counts of the ledger, because a large ledger takes long to count.

    A slow count is reused for 20 times its duration. One thread counts, with connections that requests do not need;
    requests wait for it as long as they may, and then get the count before.
    """

    def __init__(self, letters: Counts, ledger: Counts, clock: Callable[[], float] = time.monotonic) -> None:
        self._letters = letters
        thread = ThreadPoolExecutor(1, thread_name_prefix="count")
        self._documents = _Remembered(ledger.count_documents, thread, clock)
        self._unmapped = _Remembered(ledger.count_unmapped, thread, clock)

    def count_documents(self) -> Sequence[DocumentCount]:
        """Count the ledger, or return the remembered count."""
        return self._documents.count()

    def count_letters(self) -> Sequence[LetterCount]:
        """Count the dead letters; these are few and not remembered."""
        return self._letters.count_letters()

    def count_unmapped(self) -> Sequence[UnmappedCount]:
        """Count the unmapped documents, or return the remembered count."""
        return self._unmapped.count()


class _Remembered(Generic[_Count]):
    """One count, with the time until which it is good."""

    def __init__(
        self, count: Callable[[], Sequence[_Count]], thread: ThreadPoolExecutor, clock: Callable[[], float]
    ) -> None:
        self._count = count
        self._thread = thread
        self._clock = clock
        self._lock = Lock()
        self._counting: Future[Sequence[_Count]] | None = None
        self._counted: Sequence[_Count] | None = None
        self._good_until = -math.inf

    def count(self) -> Sequence[_Count]:
        """Return a new count, or the remembered one; raise TransientError if there is none in time."""
        counting = self._begin()
        try:
            return counting.result(deadline.shorten(_LONGEST_SECONDS))
        except TimeoutError:
            if self._counted is None:
                raise TransientError("The ledger is being counted, which takes long: try again in a minute.") from None
            return self._counted

    def _begin(self) -> Future[Sequence[_Count]]:
        """Return the count that runs or is still good, or begin another one."""
        with self._lock:
            over = self._counting is None or self._counting.done()
            if self._counting is None or (over and self._clock() >= self._good_until):
                self._counting = self._thread.submit(self._count_now)
            return self._counting

    def _count_now(self) -> Sequence[_Count]:
        begun = self._clock()
        with Deadline(_LONGEST_SECONDS).applies():
            counted = self._counted = self._count()
        took = self._clock() - begun
        self._good_until = begun + (_REMEMBERED * took if took >= _LONG_SECONDS else 0)
        return counted
