"""What anyone may know about the state of the replication: numbers, no identities."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from cdc.counts import DocumentCount, LetterCount
from cdc.errors import CdcError
from cdc.feed import FeedState
from cdc.model import JsonObject, State

# At most a twentieth of the time is for counting, by each process.
_REMEMBERED = 20
_LONG_SECONDS = 0.25


class Counts(Protocol):
    """Who can count the ledger and the dead letters."""

    def count_documents(self) -> list[DocumentCount]:
        """Count the ledger."""
        ...

    def count_letters(self) -> list[LetterCount]:
        """Count the dead letters."""
        ...


class RememberedCounts:
    """Counts that are not made anew for every request: a large ledger takes long to count.

    What took long is remembered for many times as long, and whoever asks meanwhile waits for the same count.
    """

    def __init__(self, counts: Counts, clock: Callable[[], float] = time.monotonic) -> None:
        self._counts = counts
        self._clock = clock
        self._lock = Lock()
        self._documents: list[DocumentCount] = []
        self._good_until = -math.inf

    def count_documents(self) -> list[DocumentCount]:
        """Count the ledger, or remember what it was."""
        with self._lock:
            begun = self._clock()
            if begun >= self._good_until:
                self._documents = self._counts.count_documents()
                took = self._clock() - begun
                self._good_until = begun + (_REMEMBERED * took if took >= _LONG_SECONDS else 0)
            return self._documents

    def count_letters(self) -> list[LetterCount]:
        """Count the dead letters, which are few."""
        return self._counts.count_letters()


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be so before changes can be applied; `problem` says what to do when it is not.

    `detail` is for a terminal only, as that of TransientError.
    """

    name: str
    problem: str | None = None
    detail: str = ""
    skipped: bool = False


# The sentences that a check returns, or what it raises, are its problem.
NamedCheck = tuple[str, Callable[[], object]]


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


def describe_feeds(states: Iterable[FeedState]) -> list[JsonObject]:
    """Report each change feed: its mode, its gaps, and since when a backfill and a complete reconcile must begin."""
    return [_describe_feed(state) for state in states]


def _describe_feed(state: FeedState) -> JsonObject:
    moments = {"backfill_since": state.backfill_since, "complete_reconcile_since": state.complete_reconcile_since}
    return {
        "container": state.container,
        "mode": state.mode,
        "gaps": state.gaps,
        "suspects": state.suspects,
        **{name: None if moment is None else moment.isoformat() for name, moment in moments.items()},
    }


def run_checks(gates: Iterable[NamedCheck], others: Iterable[NamedCheck]) -> list[Check]:
    """Run the gates up to the first that fails; run the others only when all gates pass."""
    checks: list[Check] = []
    for name, check in gates:
        checks.append(_run(name, check) if all_pass(checks) else Check(name, skipped=True))
    open_ = all_pass(checks)
    return checks + [_run(name, check) if open_ else Check(name, skipped=True) for name, check in others]


def _run(name: str, check: Callable[[], object]) -> Check:
    try:
        found = check()
        return Check(name, "; ".join(found) or None if isinstance(found, list) else None)
    except CdcError as error:
        return Check(name, str(error), getattr(error, "detail", ""))


def all_pass(checks: Iterable[Check]) -> bool:
    """Tell whether every check ran and found nothing."""
    return all(check.problem is None and not check.skipped for check in checks)
