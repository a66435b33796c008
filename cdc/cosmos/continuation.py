"""Build the SDK's continuation for one feed range from its etag, which is the service's position in the range."""

import base64
import json

from cdc.core.documents import JsonObject
from cdc.core.feed_items import FeedMode
from cdc.core.feed_pages import FeedRange

_MODES = {FeedMode.LATEST_VERSION: "LatestVersion", FeedMode.ALL_VERSIONS: "AllVersionsAndDeletes"}


def write_feed_range(range_: FeedRange) -> JsonObject:
    """Return a feed range in the SDK's form."""
    return {"Range": _bounds(range_)}


def write_continuation(rid: str, range_: FeedRange, etag: str, mode: FeedMode = FeedMode.LATEST_VERSION) -> str:
    """Return the continuation from which the feed of a container, given by resource id, goes on after an etag."""
    position = {
        "v": "v2",
        "rid": rid,
        "continuation": [{"token": etag, "range": _bounds(range_)}],
        "Range": _bounds(range_),
    }
    token = {
        "v": "v2",
        "containerRid": rid,
        "mode": _MODES[mode],
        "startFrom": {"Type": "Beginning"},
        "continuation": position,
    }
    return base64.b64encode(json.dumps(token).encode()).decode()


def _bounds(range_: FeedRange) -> JsonObject:
    return {"min": range_.min, "max": range_.max, "isMinInclusive": True, "isMaxInclusive": False}
