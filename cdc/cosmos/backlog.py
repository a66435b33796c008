"""What a feed holds beyond its leases, counted as the change feed estimator of the .NET SDK does it.

The service does not count pending changes. It says the LSN of the newest write of a physical partition, and the first
pending item has an LSN: every LSN between both counts as one change.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cdc.core.documents import JsonObject


@dataclass(frozen=True, slots=True)
class Head:
    """The first pending item of a part of a feed, None if nothing is pending.

    `newest` is the LSN of the newest write of its physical partition, None if the service did not say it.
    """

    partition: str
    newest: int | None
    item: JsonObject | None

    @classmethod
    def read(cls, session_token: str, item: JsonObject | None) -> "Head":
        """Read an answer's session token: `partition:version#lsn`, in an older form `partition:lsn`."""
        partition, _, rest = session_token.partition(":")
        lsn = rest if "#" not in rest else rest.split("#")[1]
        return cls(partition, int(lsn) if lsn.isdecimal() else None, item)


@dataclass(frozen=True, slots=True)
class Pending:
    """The pending changes of a container, and the `_ts` of the oldest one.

    The number is an estimate: a transaction counts once, and in the feed of latest versions, deletes and older versions
    count if they follow a pending change.
    """

    changes: int
    oldest: int | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How far a feed is behind: the age of the oldest pending change, 0 if nothing is pending, and their number."""

    lag_seconds: float
    changes: int


def estimate(heads: Iterable[Head]) -> Pending:
    """Sum up the heads of all parts; parts of one physical partition share its LSNs, so these count once."""
    found = [(head, head.item) for head in heads if head.item is not None]
    oldest = min((_read_seconds(item) for _, item in found), default=None)
    spans: dict[str, int] = {}
    for head, item in found:
        spans[head.partition] = max(spans.get(head.partition, 1), _count(head.newest, _read_lsn(item)))
    return Pending(sum(spans.values()), oldest)


def _count(newest: int | None, first: int | None) -> int:
    """Return how many LSNs are pending: at least one, because an item is there."""
    return 1 if newest is None or first is None else newest - first + 1


def _read_seconds(item: JsonObject) -> int:
    return int(item["_ts"] if "_ts" in item else item["metadata"]["crts"])


def _read_lsn(item: JsonObject) -> int | None:
    lsn = item["_lsn"] if "_lsn" in item else item.get("metadata", {}).get("lsn")
    return None if lsn is None else int(lsn)
