"""The leases of the trigger: how far each range of a change feed was delivered."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from cdc.errors import RetentionError
from cdc.feed import FeedMode
from cdc.model import JsonObject
from cdc.origin import Origin

_MODES = {FeedMode.LATEST_VERSION: "LatestVersion", FeedMode.ALL_VERSIONS: "AllVersionsAndDeletes"}


class Reader(Protocol):
    """Where change feeds are."""

    def read_next(self, container: str, position: JsonObject) -> JsonObject | None:
        """Return the first item of a change feed after a position, if there is one."""
        ...


@dataclass(frozen=True, slots=True)
class Leases:
    """Tell how far the leases of this app are, which `read` returns; `start` is where the trigger begins."""

    read: Callable[[], Iterable[JsonObject]]
    reader: Reader
    mode: FeedMode
    start: datetime | Literal["beginning"]

    def read_oldest_pending(self, origin: Origin) -> int | None:
        """Return the second of the oldest change that no lease has delivered, none when all were.

        0 where nobody can tell: there are no leases, or one of them is older than what the feed keeps.
        """
        marker = f"_{origin.rid}.."
        leases = [lease for lease in self.read() if marker in lease["id"]]
        positions = [self._position(origin, lease) for lease in leases]
        if not leases or None in positions:
            return 0
        items = (self.reader.read_next(origin.container, each) for each in positions if each is not None)
        try:
            return min((_seconds(item) for item in items if item is not None), default=None)
        except RetentionError:
            return 0

    def have_begun(self, origin: Origin) -> bool:
        """Tell whether every lease of a container knows where it goes on."""
        marker = f"_{origin.rid}.."
        leases = [lease for lease in self.read() if marker in lease["id"]]
        return bool(leases) and all(lease.get("ContinuationToken") for lease in leases)

    def _position(self, origin: Origin, lease: Mapping[str, Any]) -> JsonObject | None:
        """Return where a lease is, in the SDK's own form; nothing where it is nowhere yet."""
        continuation, bounds = lease.get("ContinuationToken"), lease.get("FeedRange", {}).get("Range")
        if not bounds or (not continuation and self.mode is FeedMode.ALL_VERSIONS):
            return None
        feed_range = {"min": bounds["min"], "max": bounds["max"], "isMinInclusive": True, "isMaxInclusive": False}
        if not continuation:  # nothing was delivered under it yet: the trigger goes on where it begins
            start = "Beginning" if self.start == "beginning" else self.start
            return {"feed_range": {"Range": feed_range}, "start_time": start}
        position = {
            "v": "v2",
            "rid": origin.rid,
            "continuation": [{"token": continuation, "range": feed_range}],
            "Range": feed_range,
        }
        state = {
            "v": "v2",
            "containerRid": origin.rid,
            "mode": _MODES[self.mode],
            "startFrom": {"Type": "Beginning"},
            "continuation": position,
        }
        return {"continuation": base64.b64encode(json.dumps(state).encode()).decode()}


def _seconds(item: JsonObject) -> int:
    return int(item["_ts"] if "_ts" in item else item["metadata"]["crts"])
