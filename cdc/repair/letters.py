"""Dead letters: documents that must be read again, and why."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cdc.core.documents import Identity
from cdc.core.errors import ProblemKind


class LetterState(StrEnum):
    """Whether a dead letter is read again by itself."""

    WAITING = "waiting"
    EXHAUSTED = "exhausted"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Mark:
    """Which letter, and which state of it: answering it leaves one alone that changed meanwhile."""

    number: int
    revision: int


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
