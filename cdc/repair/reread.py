"""Read documents again and apply the source's current version: for dead letters and for drift."""

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from cdc.core.documents import Change, Held, Identity, Reading, State, Version
from cdc.core.errors import (
    CdcError,
    DocumentError,
    FatalError,
    PausedError,
    Problem,
    ProblemKind,
    TransientError,
    UnreadableError,
)
from cdc.core.feed_items import read_version
from cdc.core.mapping import Mapper
from cdc.core.ordering import Verdict, judge
from cdc.core.row_keys import RowKey
from cdc.core.writes import Write, map_change
from cdc.repair.letters import Mark
from cdc.telemetry import batches, rows
from cdc.telemetry.rows import Action

logger = logging.getLogger(__name__)

# The next run of the timer takes the rest.
_ROUNDS = 20
_SECONDS = 30.0
_CLAIMED_AT_ONCE = 50
# This many failed reads in a row are an outage, not a problem of the documents.
_FAILURES_IN_A_ROW = 3


class Ending(StrEnum):
    """The result of reading a document again.

    `doubted`: it is read once more after the settle time. `overtaken`: another writer changed it in the meantime.
    `unreadable`: Cosmos does not give this one document; nothing was written.
    """

    APPLIED = "applied"
    DELETED = "deleted"
    PARKED = "parked"
    UNMAPPED = "unmapped"
    ABSENT = "absent"
    DOUBTED = "doubted"
    OVERTAKEN = "overtaken"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class EarlierReading:
    """The ledger's entry and the answer's etag at an earlier read; `etag` is None if the document was gone."""

    held: Held | None
    etag: str | None

    @classmethod
    def of(cls, change: Change, held: Held | None) -> "EarlierReading":
        """Return the reading that produced this change."""
        return cls(held, None if change.body is None else change.version.etag)


@dataclass(frozen=True, slots=True)
class Note:
    """What PostgreSQL had about a document before the source was asked.

    `letter` is the due letter that the answer settles, if any; `waits` is true for any letter. `settled` means that a
    doubted answer counts if the source repeats it with the same etag: the settle time is over and the ledger has not
    changed. `noted_at` is the time in seconds.
    """

    held: Held | None
    noted_at: int
    letter: Mark | None = None
    waits: bool = False
    settled: bool = False
    doubted_etag: str | None = None


@dataclass(frozen=True, slots=True)
class Repair:
    """A document that was read again, and what to write, if anything, provided the ledger is still as noted."""

    change: Change
    write: Write | None
    note: Note


class DocumentSource(Protocol):
    """Reads documents."""

    def read_document(self, identity: Identity) -> Reading:
        """Read the current version of a document from the write region.

        Raises UnreadableError if the source does not give this one document.
        """
        ...


class RereadStore(Protocol):
    """Rows, ledger and dead letters, as needed to read documents again."""

    def note(self, identities: Sequence[Identity]) -> Mapping[Identity, Note]:
        """Return the notes of documents."""
        ...

    def repair(self, mapper: Mapper[Any], repairs: Sequence[Repair]) -> bool:
        """Write all, or return False if the ledger has changed since; raise DocumentError if PostgreSQL refuses one."""
        ...

    def doubt(self, change: Change) -> None:
        """Schedule another read of a document after the settle time."""
        ...

    def find_holder(self, mapper: Mapper[Any], row: RowKey) -> Identity | None:
        """Return the document that holds a row, or None."""
        ...

    def claim(self, containers: Sequence[str], limit: int) -> Sequence[Identity]:
        """Claim due letters."""
        ...

    def postpone(self, identity: Identity) -> None:
        """Return a claimed letter; it is due again after the back-off."""
        ...

    def release(self, identity: Identity) -> None:
        """Return a claimed letter; it is due at once."""
        ...


def retry(
    mappers: Sequence[Mapper[Any]],
    source: DocumentSource,
    repairs: RereadStore,
    rounds: int = _ROUNDS,
    seconds: float = _SECONDS,
) -> Counter[Ending]:
    """Read the documents of due dead letters again; `rounds` and `seconds` limit how many letters one call takes.

    After several failed reads in a row a container is skipped. The first error is raised after the other containers.
    """
    by_container = {mapper.container: mapper for mapper in mappers}
    endings: Counter[Ending] = Counter()
    failures: Counter[str] = Counter()
    raised: list[CdcError] = []
    for identity in _claim_due(repairs, by_container, rounds, time.monotonic() + seconds):
        container = identity.container
        if container not in by_container:
            continue  # its claimed letters are due again when the claim expires
        try:
            endings[_retry_document(by_container[container], identity, source, repairs)] += 1
            failures[container] = 0
        except PausedError:
            repairs.release(identity)
            del by_container[container]
        except (TransientError, FatalError) as error:
            repairs.postpone(identity)
            failures[container] += 1
            given_up = failures[container] == _FAILURES_IN_A_ROW
            if given_up:
                del by_container[container]
            if given_up or isinstance(error, FatalError):
                raised.append(error)
    if endings:
        counts = {ending.value: count for ending, count in endings.items()}
        sentence = f"read {endings.total()} documents again:"
        rows.tell(logger, logging.INFO, Action.DOCUMENTS_REREAD, sentence, **counts)
    if raised:
        raise raised[0]
    return endings


def _claim_due(repairs: RereadStore, containers: Collection[str], rounds: int, deadline: float) -> Iterator[Identity]:
    """Claim due letters round by round; return those for which no time is left."""
    for _ in range(rounds):
        due = repairs.claim(list(containers), _CLAIMED_AT_ONCE)
        for identity in due:
            if time.monotonic() < deadline:
                yield identity
            else:
                repairs.release(identity)
        if not due or time.monotonic() >= deadline:
            return


def _retry_document(mapper: Mapper[Any], identity: Identity, source: DocumentSource, repairs: RereadStore) -> Ending:
    ending = repair_document(mapper, identity, source, repairs)
    if ending is Ending.OVERTAKEN:
        repairs.release(identity)
    if ending is Ending.UNREADABLE:
        repairs.postpone(identity)
    return ending


@batches.observed_reread
def repair_document(
    mapper: Mapper[Any],
    identity: Identity,
    source: DocumentSource,
    repairs: RereadStore,
    *,
    answered: EarlierReading | None = None,
) -> Ending:
    """Apply the source's current version of a document, unless another writer has written it in the meantime.

    `answered` is the source's first answer, at least one settle time old.
    """
    try:
        planned = _plan(mapper, identity, source, repairs, answered)
    except UnreadableError:
        return Ending.UNREADABLE
    if planned is None:
        return Ending.DOUBTED
    try:
        return _ending(planned, written=repairs.repair(mapper, [planned]))
    except DocumentError as error:
        problem = error.problem
    return _repair_with_holder(mapper, planned, problem, source, repairs)


def _plan(
    mapper: Mapper[Any],
    identity: Identity,
    source: DocumentSource,
    repairs: RereadStore,
    answered: EarlierReading | None = None,
) -> Repair | None:
    """Return what to write, or None if the answer must be confirmed after the settle time.

    A lagging replica may answer that a document is gone or older than the held version.
    """
    note = repairs.note([identity])[identity]
    change = _read_change(identity, source.read_document(identity), note.held)
    settled = (note.settled and note.doubted_etag == change.version.etag) or EarlierReading.of(
        change, note.held
    ) == answered
    if change.body is None:
        # A letter alone may know the document. Without a tombstone, an older version that comes late would revive it.
        was_there = note.waits or (note.held is not None and note.held.state is not State.DELETED)
        if was_there and not settled:
            repairs.doubt(change)
            return None
        return Repair(change, Write(change) if was_there else None, note)
    if note.held is not None and judge(change, note.held) is Verdict.STALE and not settled:
        repairs.doubt(change)
        return None
    return Repair(change, map_change(mapper, change), note)


def _read_change(identity: Identity, reading: Reading, held: Held | None) -> Change:
    known = Version(0, None, "") if held is None else held.version
    if reading.body is None:
        # The answer's clock may be behind the `_ts` clock: a tombstone must be at least as new as what it replaces.
        return Change(identity, replace(known, ts=max(known.ts, reading.ts)), None, absence=True)
    version = read_version(reading.body)
    return Change(identity, replace(version, lsn=known.lsn) if version.etag == known.etag else version, reading.body)


def _repair_with_holder(
    mapper: Mapper[Any], planned: Repair, problem: Problem, source: DocumentSource, repairs: RereadStore
) -> Ending:
    """Read the document that holds the wanted row too and write both together; if that fails, park the first."""
    holder = None
    if problem.kind is ProblemKind.CONFLICT and problem.wanted is not None:
        holder = repairs.find_holder(mapper, problem.wanted)
    if holder is not None and holder != planned.change.identity:
        # If the holder cannot be read, or both documents still claim the row, the first is parked.
        with suppress(UnreadableError, DocumentError):
            other = _plan(mapper, holder, source, repairs)
            if other is not None and other.write is not None:
                return _ending(planned, written=repairs.repair(mapper, [other, planned]))
    parked = replace(planned, write=Write(planned.change, problem=problem))
    return _ending(parked, written=repairs.repair(mapper, [parked]))


def _ending(planned: Repair, *, written: bool) -> Ending:
    if not written:
        return Ending.OVERTAKEN
    if planned.write is None:
        return Ending.ABSENT
    return Ending(planned.write.state.value)
