"""What anyone may know about the state of the replication: numbers, no identities."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cdc.errors import CdcError
from cdc.model import DocumentCount, JsonObject, LetterCount, State


class Counts(Protocol):
    """Who can count the ledger and the dead letters."""

    def count_documents(self) -> list[DocumentCount]:
        """Count the ledger."""
        ...

    def count_letters(self) -> list[LetterCount]:
        """Count the dead letters."""
        ...


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be so before changes can be applied; `problem` says what to do when it is not.

    `detail` is for a terminal only, as that of TransientError.
    """

    name: str
    problem: str | None = None
    detail: str = ""


def read_status(phase: str, containers: Sequence[str], counts: Counts) -> JsonObject:
    """Report each mapped container: its documents by state, its newest version, its dead letters by kind."""
    documents, letters = counts.count_documents(), counts.count_letters()
    return {
        "phase": phase,
        "containers": [_container(name, documents, letters) for name in containers],
    }


def _container(name: str, documents: Iterable[DocumentCount], letters: Iterable[LetterCount]) -> JsonObject:
    own = [count for count in documents if count.container == name]
    states: dict[str, int] = dict.fromkeys(State, 0) | {count.state: count.documents for count in own}
    return {
        "container": name,
        "documents": states,
        "newest_ts": max((count.newest_ts for count in own), default=None),
        "dead_letters": [
            {"kind": count.kind, "state": count.state, "documents": count.documents}
            for count in letters
            if count.container == name
        ],
    }


def run_checks(checks: Iterable[tuple[str, Callable[[], Sequence[str] | None]]]) -> list[Check]:
    """Run checks, of which each needs those before it, up to the first that fails; what it raises is its problem."""
    done: list[Check] = []
    for name, check in checks:
        try:
            result = Check(name, "; ".join(check() or ()) or None)
        except CdcError as error:
            result = Check(name, str(error), getattr(error, "detail", ""))
        done.append(result)
        if result.problem is not None:
            break
    return done
