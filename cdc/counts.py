"""What is in PostgreSQL, counted by container."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DocumentCount:
    """How many documents of a container the ledger holds in one state, and the newest `_ts` of them."""

    container: str
    state: str
    documents: int
    newest_ts: int


@dataclass(frozen=True, slots=True)
class LetterCount:
    """How many dead letters of a container there are of one kind and state."""

    container: str
    kind: str
    state: str
    documents: int
