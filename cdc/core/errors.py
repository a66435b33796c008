"""Errors, grouped by what to do next.

CdcError
├── TransientError    retry the whole batch
│   └── UnansweredError
├── DocumentError     park this one document, continue with the others
├── UnknownLagError   judge nothing until the leases tell how late their feed is
│   ├── LeaseGapError
│   └── LostPositionError
├── UnreadableError   leave this one document as it is, continue with the others
├── UnreadyError      fix the failed checks before changes can be applied
├── FatalError        stop until a person fixes what the message names
│   ├── PhaseError
│   ├── ReplacedError
│   ├── RetentionError
│   └── SettingsError
├── PausedError       write nothing of this container until somebody resumes it
└── RequestError      refuse the request and tell the caller why
    ├── UnknownError  the request names something that does not exist
    └── ConflictError the request conflicts with something that is already running
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cdc.core.row_keys import RowKey


class CdcError(Exception):
    """Base of all errors that the engine raises on purpose."""


class TransientError(CdcError):
    """A failure that a later retry can solve: connection lost, deadlock, throttling.

    `detail` may name hosts and roles: show it on the operator's terminal, never in logs or HTTP responses.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class UnreadableError(CdcError):
    """A document that the source does not give, although the source answers for others."""


class UnansweredError(TransientError):
    """A question that the source does not answer; it may still answer others."""


class FatalError(CdcError):
    """A failure that only a person can fix; the message says how in one sentence."""


class UnknownLagError(CdcError):
    """Leases that do not tell how late their feed is; the message says why and what to do."""


class LeaseGapError(UnknownLagError):
    """A part of a feed that has no lease."""


class LostPositionError(UnknownLagError):
    """A lease whose position the feed does not have any more."""


class UnreadyError(CdcError):
    """Failed checks; `fields` has the name of each check and what to do about it."""

    def __init__(self, message: str, fields: Sequence[tuple[str, str]]) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


class PhaseError(FatalError):
    """Work that the recorded phase does not have."""


class PausedError(CdcError):
    """A container that is paused; the message has the reason."""


class ReplacedError(FatalError):
    """Another container than the one seen first."""


class RetentionError(FatalError):
    """A position in a change feed that is older than the feed's retention."""


class SettingsError(FatalError):
    """Missing or wrong settings, all of them in one message."""


class RequestError(CdcError):
    """A refused request; `fields` has each wrong field and what is wrong with it."""

    def __init__(self, message: str, fields: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


class UnknownError(RequestError):
    """A request for something that does not exist."""

    @classmethod
    def of_container(cls, replicated: Iterable[str]) -> "UnknownError":
        """Refuse a container that is not in this list."""
        return cls(f"This container is not replicated: name one of {', '.join(replicated)}.")


class ConflictError(RequestError):
    """A request that conflicts with something that is already running."""


class ProblemKind(StrEnum):
    """Why a document must be read again."""

    MAPPING = "mapping"
    DATA = "data"
    CONFLICT = "conflict"
    MISSING_PARENT = "missing_parent"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a document; the message quotes none of its values.

    `path` is a JSON path in the document, or the name of the database constraint that refused it. `wanted` is the row
    that must be deleted or inserted before the document can be applied, if known.
    """

    kind: ProblemKind
    path: str
    message: str
    wanted: RowKey | None = None


class DocumentError(CdcError):
    """A failure caused by the content of one document."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.kind}: {problem.path}: {problem.message}")
        self.problem = problem
