"""The trigger's leases: how far each feed range was delivered."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from cdc.core.documents import JsonObject
from cdc.core.errors import RetentionError
from cdc.core.feed_items import FeedMode
from cdc.core.feed_pages import FeedRange
from cdc.core.source_container import SourceContainer
from cdc.cosmos.continuation import write_continuation, write_feed_range


class FeedReader(Protocol):
    """Reads change feeds."""

    def read_next(self, container: str, position: JsonObject) -> JsonObject | None:
        """Return the first item of a change feed after a position, or None."""
        ...

    def read_time(self, container: str) -> int:
        """Return the source's time in seconds."""
        ...

    def read_end(self, container: str, bounds: JsonObject) -> str | None:
        """Return the current end of a feed range's all-versions feed, or None if the range has split."""
        ...


@dataclass(frozen=True, slots=True)
class Leases:
    """The leases of this app, from `read`; `start` is where the trigger begins.

    `replace` returns False if the lease has changed since it was read.
    """

    read: Callable[[], Iterable[JsonObject]]
    replace: Callable[[JsonObject], bool]
    reader: FeedReader
    mode: FeedMode
    start: datetime | Literal["beginning"]

    def read_oldest_pending(self, origin: SourceContainer) -> int | None:
        """Return the `_ts` of the oldest change that was not delivered, or None if all changes were.

        Returns 0 if that is unknown: there are no leases, or a lease is older than the feed's retention.
        """
        leases = self._find(origin)
        positions = [self._position(origin, lease) for lease in leases]
        if not leases or None in positions:
            return 0
        items = (self.reader.read_next(origin.container, each) for each in positions if each is not None)
        try:
            return min((_seconds(item) for item in items if item is not None), default=None)
        except RetentionError:
            return 0

    def read_lag(self, origin: SourceContainer) -> float | None:
        """Return the age in seconds of the oldest change that was not delivered, or None if that is unknown."""
        pending = self.read_oldest_pending(origin)
        if pending is None:
            return 0.0
        return self.reader.read_time(origin.container) - pending if pending else None

    def begin(self, origin: SourceContainer) -> bool:
        """Give every lease without a position of an all-versions feed the current one; return whether all have one.

        The host saves a lease's position only with its first change. Until then each start of the host begins at that
        moment again, and the changes in between are in no feed.
        """
        begun = [bool(lease.get("ContinuationToken")) or self._begin(origin, lease) for lease in self._find(origin)]
        return bool(begun) and all(begun)

    def _begin(self, origin: SourceContainer, lease: JsonObject) -> bool:
        bounds = lease.get("FeedRange", {}).get("Range")
        end = self.reader.read_end(origin.container, bounds) if bounds else None
        return end is not None and self.replace({**lease, "ContinuationToken": end})

    def _find(self, origin: SourceContainer) -> list[JsonObject]:
        """Return the leases of a container, or [] until the host has noted that it has created all of them."""
        found = list(self.read())
        if not any(lease["id"].endswith(f"_{origin.rid}.info") for lease in found):
            return []
        return [lease for lease in found if f"_{origin.rid}.." in lease["id"]]

    def _position(self, origin: SourceContainer, lease: Mapping[str, Any]) -> JsonObject | None:
        """Return a lease's position in the SDK's form, or None if it has no position yet."""
        continuation, bounds = lease.get("ContinuationToken"), lease.get("FeedRange", {}).get("Range")
        if not bounds or (not continuation and self.mode is FeedMode.ALL_VERSIONS):
            return None
        range_ = FeedRange(bounds["min"], bounds["max"])
        if not continuation:  # nothing was delivered under it yet: the trigger begins at its start
            start = "Beginning" if self.start == "beginning" else self.start
            return {"feed_range": write_feed_range(range_), "start_time": start}
        return {"continuation": write_continuation(origin.rid, range_, continuation, self.mode)}


def _seconds(item: JsonObject) -> int:
    return int(item["_ts"] if "_ts" in item else item["metadata"]["crts"])
