"""Options of the change-feed trigger that follow from several settings."""

from cdc.config.settings import Settings
from cdc.core.feed_items import FeedMode


def choose_start(settings: Settings) -> dict[str, object]:
    """Return where the trigger starts, as its decorator wants it."""
    if settings.change_feed_mode is FeedMode.ALL_VERSIONS:  # it always begins now; the trigger refuses a start
        return {"change_feed_mode": "AllVersionsAndDeletes"}
    if settings.trigger_start == "beginning":
        return {"start_from_beginning": True}
    return {"start_from_time": settings.trigger_start.isoformat().replace("+00:00", "Z")}
