"""Find versions that an all-versions feed did not deliver: each version has the lsn of the one before."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from cdc.core.documents import Change, Held, State
from cdc.core.writes import Write

# The versions of one document in one page, by lsn.
_Chain = Mapping[int, Change]
Chains = Mapping[bytes, _Chain]


def chains(page: Iterable[Change]) -> Chains:
    """Collect the versions of each document that have the lsn of the version before."""
    found: dict[bytes, dict[int, Change]] = defaultdict(dict)
    for change in page:
        if change.follows is not None and change.version.lsn is not None:
            found[change.key][change.version.lsn] = change
    return found


def mark_gaps(writes: Sequence[Write], chains: Chains, held: Mapping[bytes, Held]) -> Sequence[Write]:
    """Mark the writes whose page does not lead, version by version, back to the held version."""
    if not chains:
        return writes
    return [
        replace(write, gap=True)
        if not write.undecided and _misses_one(write.change, chains, held.get(write.change.key))
        else write
        for write in writes
    ]


def _misses_one(newest: Change, chains: Chains, held: Held | None) -> bool:
    if held is None or held.version.lsn is None:
        return False
    chain = chains.get(newest.key, {})
    lsn = newest.version.lsn
    while lsn is not None and lsn in chain and lsn > held.version.lsn:
        before = chain[lsn].follows
        if before == 0:  # it was created: an earlier document was deleted
            before = max((other for other in chain if held.version.lsn <= other < lsn), default=0)
            if before == 0:
                return held.state is not State.DELETED
            if chain[before].body is not None:
                return True
        if before == held.version.lsn or before == lsn:  # the latter: two versions in one transaction
            return False
        lsn = before
    return newest.follows is not None
