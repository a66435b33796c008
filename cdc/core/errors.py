"""Errors, grouped by what to do next.

CdcError
├── TransientError    the whole batch is tried again
├── DocumentError     one document's content; it is parked, the others go on
├── UnreadyError      what must be so before changes can be applied is not so
├── FatalError        nothing goes on until somebody mends what the sentence names
│   ├── RetentionError
│   └── SettingsError
└── RequestError      what was asked for cannot be done, and whoever asked is told why
    ├── UnknownError  it names something that is not there
    └── ConflictError it stands against what runs already
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class CdcError(Exception):
    """Anything that the engine raises on purpose."""


class TransientError(CdcError):
    """A failure that time mends: connection lost, deadlock, throttling.

    `detail` may name hosts and roles: it is for the terminal of whoever holds the settings, not for logs and answers.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class FatalError(CdcError):
    """A failure that only a person mends; the message is one sentence that says how."""


class UnreadyError(CdcError):
    """Checks that fail; `fields` has each by its name, with what to do about it."""

    def __init__(self, message: str, fields: Sequence[tuple[str, str]]) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


class RetentionError(FatalError):
    """A position in a change feed that is older than what the feed keeps."""


class SettingsError(FatalError):
    """Settings that are missing or wrong, all of them in one message."""


class RequestError(CdcError):
    """A request that cannot be granted; `fields` are its wrong fields, each with what is wrong."""

    def __init__(self, message: str, fields: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


class UnknownError(RequestError):
    """A request for something that is not there."""

    @classmethod
    def of_container(cls, replicated: Iterable[str]) -> "UnknownError":
        """Refuse a container that is none of those."""
        return cls(f"This container is not replicated: name one of {', '.join(replicated)}.")


class ConflictError(RequestError):
    """A request that stands against what runs already."""


class ProblemKind(StrEnum):
    """Why a document must be read again."""

    MAPPING = "mapping"
    DATA = "data"
    CONFLICT = "conflict"
    MISSING_PARENT = "missing_parent"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row that another document holds or has yet to bring: its table, and its key as the ledger writes row keys."""

    table: str
    key: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a document, in words that quote none of its values.

    `path` is a JSON path into the document, or the name of the database constraint that refused it. `wanted` is the
    row that must go or come before the document can be applied, where that is known.
    """

    kind: ProblemKind
    path: str
    message: str
    wanted: Wanted | None = None


class DocumentError(CdcError):
    """A failure that one document's content causes."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.kind}: {problem.path}: {problem.message}")
        self.problem = problem
