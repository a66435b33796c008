"""What was known of a document when the source was asked about it, what it answered, and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cdc.errors import ProblemKind
from cdc.model import Change, Held, Identity, JsonObject, Write


@dataclass(frozen=True, slots=True)
class Reading:
    """The source's answer: a document or none, and the server's time of the answer in seconds."""

    body: JsonObject | None
    ts: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the ledger held when the source answered, and with which etag that was, none for a document that is gone."""

    held: Held | None
    etag: str | None

    @classmethod
    def of(cls, change: Change, held: Held | None) -> "Answer":
        """Return the answer that was read as this change."""
        return cls(held, None if change.body is None else change.version.etag)


@dataclass(frozen=True, slots=True)
class Mark:
    """Which letter, and which state of it: answering it leaves one alone that changed meanwhile."""

    number: int
    revision: int


@dataclass(frozen=True, slots=True)
class Note:
    """What was known of a document before the source was asked about it.

    `letter` is the one that the answer settles, where there is one that waits and is due. `settled` tells that an
    answer which was doubted before counts when it comes again, with the same etag: the settle time is over and the
    ledger has not changed.
    """

    held: Held | None
    letter: Mark | None = None
    waits: bool = False
    settled: bool = False
    doubted_etag: str | None = None


@dataclass(frozen=True, slots=True)
class Repair:
    """A document that the source was asked for: what to write, if anything, where the ledger is still as noted."""

    change: Change
    write: Write | None
    note: Note


class LetterState(StrEnum):
    """Whether a dead letter is read again by itself."""

    WAITING = "waiting"
    EXHAUSTED = "exhausted"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as its table has it; `identity` is for whoever has the database."""

    number: int
    identity: Identity
    kind: ProblemKind
    path: str
    message: str
    state: LetterState
    attempts: int
    parked_at: datetime
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters are meant: all that have what is named here."""

    container: str | None = None
    kind: ProblemKind | None = None
    state: LetterState | None = None
    number: int | None = None


class Ending(StrEnum):
    """What became of a document that was read again.

    `doubted` waits for the settle time to be read once more; `overtaken` was changed by somebody else meanwhile.
    """

    APPLIED = "applied"
    DELETED = "deleted"
    PARKED = "parked"
    ABSENT = "absent"
    DOUBTED = "doubted"
    OVERTAKEN = "overtaken"
