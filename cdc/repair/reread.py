"""Read documents again and apply what the source says now: the answer to dead letters and to drift."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from cdc.core.documents import Change, Held, Identity, Reading, State, Version
from cdc.core.errors import CdcError, DocumentError, FatalError, Problem, ProblemKind, TransientError, Wanted
from cdc.core.feed_items import read_version
from cdc.core.mapping import Mapper
from cdc.core.ordering import Verdict, judge
from cdc.core.writes import Write, map_change
from cdc.repair.letters import Mark

logger = logging.getLogger(__name__)

# What waits longer is taken by the next run of the timer.
_ROUNDS = 20
_CLAIMED_AT_ONCE = 50
# So many documents in a row that cannot be read are an outage, not their fault.
_FAILURES_IN_A_ROW = 3


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


@dataclass(frozen=True, slots=True)
class EarlierReading:
    """What the ledger held when the source answered, and with which etag that was, none for a document that is gone."""

    held: Held | None
    etag: str | None

    @classmethod
    def of(cls, change: Change, held: Held | None) -> "EarlierReading":
        """Return the answer that was read as this change."""
        return cls(held, None if change.body is None else change.version.etag)


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


class DocumentSource(Protocol):
    """Where documents come from."""

    def read_document(self, identity: Identity) -> Reading:
        """Read one document as it is now, from the write region."""
        ...


class RereadStore(Protocol):
    """Where rows, ledger and dead letters are, for one who reads documents again."""

    def note(self, identities: Sequence[Identity]) -> Mapping[Identity, Note]:
        """Return what is known of documents."""
        ...

    def repair(self, mapper: Mapper[Any], repairs: Sequence[Repair]) -> bool:
        """Write all of them where the ledger is still as noted; raise DocumentError when one document is to blame."""
        ...

    def doubt(self, change: Change) -> None:
        """Have a document read again after the settle time."""
        ...

    def find_holder(self, mapper: Mapper[Any], row: Wanted) -> Identity | None:
        """Return the document that holds a row."""
        ...

    def claim(self, containers: Sequence[str], limit: int) -> Sequence[Identity]:
        """Take letters that are due."""
        ...

    def postpone(self, identity: Identity) -> None:
        """Give a claimed letter back, to be taken later."""
        ...

    def release(self, identity: Identity) -> None:
        """Give a claimed letter back, to be taken at once."""
        ...


def retry(
    mappers: Sequence[Mapper[Any]], source: DocumentSource, repairs: RereadStore, rounds: int = _ROUNDS
) -> Counter[Ending]:
    """Read again what waits in dead letters and is due; `rounds` bounds how many letters one call takes.

    A container that cannot be read is left alone; why is raised when the others' letters have been read.
    """
    by_container = {mapper.container: mapper for mapper in mappers}
    endings: Counter[Ending] = Counter()
    failures: Counter[str] = Counter()
    raised: list[CdcError] = []
    for _ in range(rounds):
        due = repairs.claim(list(by_container), _CLAIMED_AT_ONCE)
        for identity in due:
            container = identity.container
            if container not in by_container:
                continue  # what is claimed of it comes again when the claim runs out
            try:
                endings[_retry_document(by_container[container], identity, source, repairs)] += 1
                failures[container] = 0
            except (TransientError, FatalError) as error:
                repairs.postpone(identity)
                failures[container] += 1
                given_up = failures[container] == _FAILURES_IN_A_ROW
                if given_up:
                    del by_container[container]
                if given_up or isinstance(error, FatalError):
                    raised.append(error)
        if not due:
            break
    if endings:
        counts = ", ".join(f"{count} {ending}" for ending, count in endings.items())
        logger.info("read %d documents again: %s", endings.total(), counts)
    if raised:
        raise raised[0]
    return endings


def _retry_document(mapper: Mapper[Any], identity: Identity, source: DocumentSource, repairs: RereadStore) -> Ending:
    ending = repair_document(mapper, identity, source, repairs)
    if ending is Ending.OVERTAKEN:
        repairs.release(identity)
    return ending


def repair_document(
    mapper: Mapper[Any],
    identity: Identity,
    source: DocumentSource,
    repairs: RereadStore,
    *,
    answered: EarlierReading | None = None,
) -> Ending:
    """Apply what the source says of one document now, where nobody else has written it meanwhile.

    `answered` is what the source answered first, a settle time ago or longer.
    """
    planned = _plan(mapper, identity, source, repairs, answered)
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
    """Return what to write; nothing when the answer needs a second one after the settle time.

    A document that is gone, or older than what is held, may be an answer of a replica that lags.
    """
    note = repairs.note([identity])[identity]
    change = _read_change(identity, source.read_document(identity), note.held)
    settled = (note.settled and note.doubted_etag == change.version.etag) or EarlierReading.of(
        change, note.held
    ) == answered
    if change.body is None:
        live = note.held is not None and note.held.state is not State.DELETED
        if (live or note.waits) and not settled:
            repairs.doubt(change)
            return None
        return Repair(change, Write(change) if live else None, note)
    if note.held is not None and judge(change, note.held) is Verdict.STALE and not settled:
        repairs.doubt(change)
        return None
    return Repair(change, map_change(mapper, change), note)


def _read_change(identity: Identity, reading: Reading, held: Held | None) -> Change:
    known = Version(0, None, "") if held is None else held.version
    if reading.body is None:
        # Where the clock of answers is behind that of versions, a tombstone is at least as new as what it replaces.
        return Change(identity, replace(known, ts=max(known.ts, reading.ts)), None, absence=True)
    version = read_version(reading.body)
    # A document that is read by its id does not tell its lsn.
    return Change(identity, replace(version, lsn=known.lsn) if version.etag == known.etag else version, reading.body)


def _repair_with_holder(
    mapper: Mapper[Any], planned: Repair, problem: Problem, source: DocumentSource, repairs: RereadStore
) -> Ending:
    """Read the document that stands in the way as well, and write both at once; park the one where that fails."""
    holder = None
    if problem.kind is ProblemKind.CONFLICT and problem.wanted is not None:
        holder = repairs.find_holder(mapper, problem.wanted)
    if holder is not None and holder != planned.change.identity:
        other = _plan(mapper, holder, source, repairs)
        if other is not None and other.write is not None:
            try:
                return _ending(planned, written=repairs.repair(mapper, [other, planned]))
            except DocumentError:
                pass  # neither of them gives way
    parked = replace(planned, write=Write(planned.change, problem=problem))
    return _ending(parked, written=repairs.repair(mapper, [parked]))


def _ending(planned: Repair, *, written: bool) -> Ending:
    if not written:
        return Ending.OVERTAKEN
    if planned.write is None:
        return Ending.ABSENT
    return Ending(planned.write.state.value)
