"""Read documents again and apply what the source says now: the answer to dead letters and to drift."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from cdc.errors import CdcError, DocumentError, FatalError, Problem, ProblemKind, TransientError, Wanted
from cdc.feed import read_version
from cdc.model import Change, Held, Identity, Mapper, State, Version, Write
from cdc.notes import Answer, Ending, Note, Reading, Repair
from cdc.replicate import map_change
from cdc.version import Verdict, judge

_CLAIMED_AT_ONCE = 50
# So many documents in a row that cannot be read are an outage, not their fault.
_FAILURES_IN_A_ROW = 3


class Source(Protocol):
    """Where documents come from."""

    def read_document(self, identity: Identity) -> Reading:
        """Read one document as it is now, from the write region."""
        ...


class Repairs(Protocol):
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


def retry(mappers: Sequence[Mapper[Any]], source: Source, repairs: Repairs, rounds: int) -> Counter[Ending]:
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
    if raised:
        raise raised[0]
    return endings


def _retry_document(mapper: Mapper[Any], identity: Identity, source: Source, repairs: Repairs) -> Ending:
    ending = repair_document(mapper, identity, source, repairs)
    if ending is Ending.OVERTAKEN:
        repairs.release(identity)
    return ending


def repair_document(
    mapper: Mapper[Any], identity: Identity, source: Source, repairs: Repairs, *, answered: Answer | None = None
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
    mapper: Mapper[Any], identity: Identity, source: Source, repairs: Repairs, answered: Answer | None = None
) -> Repair | None:
    """Return what to write; nothing when the answer needs a second one after the settle time.

    A document that is gone, or older than what is held, may be an answer of a replica that lags.
    """
    note = repairs.note([identity])[identity]
    change = _read_change(identity, source.read_document(identity), note.held)
    settled = (note.settled and note.doubted_etag == change.version.etag) or Answer.of(change, note.held) == answered
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
    mapper: Mapper[Any], planned: Repair, problem: Problem, source: Source, repairs: Repairs
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
