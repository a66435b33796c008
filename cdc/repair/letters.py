"""Dead letters: documents that must be read again, and why."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cdc.core.documents import Identity
from cdc.core.errors import ProblemKind


class LetterState(StrEnum):
    """Whether a dead letter is read again automatically: only `waiting` ones are."""

    WAITING = "waiting"
    EXHAUSTED = "exhausted"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Mark:
    """A letter at a revision; an answer to it is ignored if the letter has changed since."""

    number: int
    revision: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter; show `identity` only to people with access to the database."""

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
    """A filter for dead letters; None matches every value."""

    container: str | None = None
    kind: ProblemKind | None = None
    state: LetterState | None = None
    number: int | None = None
