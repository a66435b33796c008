"""The leases of the trigger: how far each range of a change feed was delivered."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cdc.errors import RetentionError
from cdc.feed import FeedMode
from cdc.model import JsonObject
from cdc.origin import Origin

_MODES = {FeedMode.LATEST_VERSION: "LatestVersion", FeedMode.ALL_VERSIONS: "AllVersionsAndDeletes"}


class Reader(Protocol):
    """Where change feeds are."""

    def read_next(self, container: str, continuation: str) -> JsonObject | None:
        """Return the first item of a change feed after a continuation, if there is one."""
        ...


@dataclass(frozen=True, slots=True)
class Leases:
    """Tell how far the leases of this app are, which `read` returns."""

    read: Callable[[], Iterable[JsonObject]]
    reader: Reader
    mode: FeedMode

    def read_oldest_pending(self, origin: Origin) -> int | None:
        """Return the second of the oldest change that no lease has delivered, none when all were.

        0 where nobody can tell: there are no leases, one has delivered nothing yet, or is older than the feed.
        """
        marker = f"_{origin.rid}.."
        leases = [lease for lease in self.read() if marker in lease["id"]]
        if not leases or not all(lease.get("ContinuationToken") and lease.get("FeedRange") for lease in leases):
            return 0
        items = (self.reader.read_next(origin.container, self._continuation(origin, lease)) for lease in leases)
        try:
            return min((_seconds(item) for item in items if item is not None), default=None)
        except RetentionError:
            return 0

    def _continuation(self, origin: Origin, lease: Mapping[str, Any]) -> str:
        # The SDK's own form of a position in one range.
        bounds = lease["FeedRange"]["Range"]
        feed_range = {"min": bounds["min"], "max": bounds["max"], "isMinInclusive": True, "isMaxInclusive": False}
        position = {
            "v": "v2",
            "rid": origin.rid,
            "continuation": [{"token": lease["ContinuationToken"], "range": feed_range}],
            "Range": feed_range,
        }
        state = {
            "v": "v2",
            "containerRid": origin.rid,
            "mode": _MODES[self.mode],
            "startFrom": {"Type": "Beginning"},
            "continuation": position,
        }
        return base64.b64encode(json.dumps(state).encode()).decode()


def _seconds(item: JsonObject) -> int:
    return int(item["_ts"] if "_ts" in item else item["metadata"]["crts"])
