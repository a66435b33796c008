"""Find what a feed of all versions should have delivered and has not: each version tells the lsn of the one before."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from cdc.model import Change, Held, State, Write

# The versions of one document in one page, by lsn.
_Chain = Mapping[int, Change]


def mark_gaps(writes: Sequence[Write], page: Iterable[Change], held: Mapping[bytes, Held]) -> list[Write]:
    """Mark the writes that do not follow, through the versions of their own page, what the ledger holds."""
    chains: dict[bytes, dict[int, Change]] = defaultdict(dict)
    for change in page:
        if change.follows is not None and change.version.lsn is not None:
            chains[change.key][change.version.lsn] = change
    if not chains:
        return list(writes)
    return [
        replace(write, gap=True)
        if not write.undecided and _misses_one(write.change, chains[write.change.key], held.get(write.change.key))
        else write
        for write in writes
    ]


def _misses_one(newest: Change, chain: _Chain, held: Held | None) -> bool:
    if held is None or held.version.lsn is None:
        return False
    lsn = newest.version.lsn
    while lsn is not None and lsn in chain and lsn > held.version.lsn:
        before = chain[lsn].follows
        if before == 0:  # it was created: what stood there before was deleted
            before = max((other for other in chain if held.version.lsn <= other < lsn), default=0)
            if before == 0:
                return held.state is not State.DELETED
            if chain[before].body is not None:
                return True
        if before == held.version.lsn or before == lsn:  # the latter: twice in one transaction
            return False
        lsn = before
    return newest.follows is not None
