"""Choose which leases a host takes, as the .NET change feed processor shares them out."""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from local.functions.leases import Lease


def choose(leases: Sequence[Lease], *, owner: str, now: datetime, expiration: timedelta) -> list[Lease]:
    """Return the leases that an owner takes next: free ones up to its share, or else one of the busiest host."""
    free = [lease for lease in leases if lease.owner is None or _is_expired(lease, now, expiration)]
    taken = {lease.token for lease in leases} - {lease.token for lease in free}
    counts = Counter({owner: 0})
    counts.update(str(lease.owner) for lease in leases if lease.token in taken)
    share = math.ceil(len(leases) / len(counts))
    wanted = share - counts[owner]
    if wanted <= 0:
        return []
    if free:
        return free[:wanted]
    busiest, most = counts.most_common(1)[0]
    if most <= share - (1 if wanted > 1 else 0):
        return []
    return [next(lease for lease in leases if lease.owner == busiest)]


def _is_expired(lease: Lease, now: datetime, expiration: timedelta) -> bool:
    # Its own, too: one that was acquired by a request whose answer was lost is followed by nobody.
    return lease.renewed_at + expiration < now
