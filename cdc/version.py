"""Which of two versions of a document is newer."""

from enum import Enum, auto

from cdc.model import Version


class Verdict(Enum):
    """How a delivered version stands to the one that is held."""

    NEWER = auto()
    SAME = auto()
    STALE = auto()
    UNDECIDED = auto()


def compare(incoming: Version, held: Version) -> Verdict:
    """Judge a delivered version against the held one; what cannot be ordered must be read again.

    `ts` has whole seconds, `lsn` orders the versions of one document and may be unknown, `etag` only tells equality.
    sql/queries.sql says the NEWER part again as the guard of the ledger.
    """
    lsns = None if incoming.lsn is None or held.lsn is None else incoming.lsn - held.lsn
    if incoming.ts == held.ts:
        return _compare_within_a_second(incoming, held, lsns)
    if incoming.ts > held.ts:
        return Verdict.UNDECIDED if lsns is not None and lsns < 0 else Verdict.NEWER
    return Verdict.UNDECIDED if lsns is not None and lsns > 0 else Verdict.STALE


def _compare_within_a_second(incoming: Version, held: Version, lsns: int | None) -> Verdict:
    if incoming.etag == held.etag:
        return Verdict.SAME
    if not lsns:
        return Verdict.UNDECIDED
    return Verdict.NEWER if lsns > 0 else Verdict.STALE
