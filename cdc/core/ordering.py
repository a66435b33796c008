"""Which of two versions of a document is newer."""

from enum import Enum, auto

from cdc.core.documents import Change, Held, State, Version

# How far the server's time of a 404 may differ from the `_ts` of a version written at about the same time.
ABSENCE_SECONDS = 10


class Verdict(Enum):
    """How a delivered version compares to the held version."""

    NEWER = auto()
    SAME = auto()
    STALE = auto()
    UNDECIDED = auto()


def judge(incoming: Change, held: Held) -> Verdict:
    """Compare a delivered change with the ledger's entry.

    sql/ledger.sql repeats the NEWER rule as the version guard of the ledger.
    """
    if held.state is State.DELETED:
        return _judge_against_tombstone(incoming, held)
    return compare(incoming.version, held.version)


def _judge_against_tombstone(incoming: Change, held: Held) -> Verdict:
    version, tombstone = incoming.version, held.version
    if version.etag and version.etag == tombstone.etag:
        return Verdict.STALE  # this is the version that was deleted
    if incoming.body is None and version.lsn is not None and (version.ts, version.lsn) == (tombstone.ts, tombstone.lsn):
        return Verdict.SAME  # a delete has no etag to recognize it by
    if incoming.body is not None and held.absence and abs(version.ts - tombstone.ts) <= ABSENCE_SECONDS:
        return Verdict.UNDECIDED
    return compare(version, tombstone)


def compare(incoming: Version, held: Version) -> Verdict:
    """Compare a delivered version with the held version; if they cannot be ordered, the document must be read again.

    `ts` has whole seconds, `lsn` orders the versions of one document but may be unknown, `etag` only shows equality.
    """
    lsns = None if incoming.lsn is None or held.lsn is None else incoming.lsn - held.lsn
    if incoming.ts == held.ts:
        return _compare_within_a_second(incoming, held, lsns)
    if incoming.ts > held.ts:
        return Verdict.UNDECIDED if lsns is not None and lsns < 0 else Verdict.NEWER
    return Verdict.UNDECIDED if lsns is not None and lsns > 0 else Verdict.STALE


def _compare_within_a_second(incoming: Version, held: Version, lsns: int | None) -> Verdict:
    # A delete has no etag. Between two deletes in one second, the document existed again.
    if incoming.etag == held.etag and (incoming.etag or not lsns):
        return Verdict.SAME
    if not lsns:
        return Verdict.UNDECIDED
    return Verdict.NEWER if lsns > 0 else Verdict.STALE
