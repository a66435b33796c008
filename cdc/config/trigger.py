"""Options of the change-feed trigger."""

from cdc.config.settings import Settings
from cdc.core.feed_items import FeedMode


def list_options(settings: Settings) -> dict[str, object]:
    """Return the options that follow from settings, as the trigger's decorator wants them."""
    return {
        "lease_container_prefix": settings.trigger_lease_prefix,
        "feed_poll_delay": settings.feed_poll_delay_ms,
        "lease_acquire_interval": settings.lease_acquire_interval_ms,
        "lease_expiration_interval": settings.lease_expiration_interval_ms,
        "lease_renew_interval": settings.lease_renew_interval_ms,
        "max_items_per_invocation": settings.max_items_per_invocation,
        **_choose_start(settings),
    }


def _choose_start(settings: Settings) -> dict[str, object]:
    if settings.change_feed_mode is FeedMode.ALL_VERSIONS:  # it always begins now; the trigger refuses a start
        return {"change_feed_mode": "AllVersionsAndDeletes"}
    if settings.trigger_start == "beginning":
        return {"start_from_beginning": True}
    return {"start_from_time": settings.trigger_start.isoformat().replace("+00:00", "Z")}
