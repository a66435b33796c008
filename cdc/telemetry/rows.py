"""Log rows: a sentence for people, then `action=...` and values for queries."""

import json
import logging
import re
from enum import StrEnum

Value = str | int | float

_PLAIN = re.compile(r"[\w.:+-]+")


class Action(StrEnum):
    """What a log row tells."""

    BATCH_APPLIED = "batch_applied"
    BATCH_FAILED = "batch_failed"
    DOCUMENT_PARKED = "document_parked"
    FEED_GAPS = "feed_gaps"
    BREAKER_PAUSED = "breaker_paused"
    DOCUMENTS_REREAD = "documents_reread"
    PAGE_COPIED = "page_copied"
    BACKFILL_WAITS = "backfill_waits"
    RECONCILE_ENDED = "reconcile_ended"
    PART_FAILED = "part_failed"
    PAUSED_FEED = "paused_feed"
    TOMBSTONES_PRUNED = "tombstones_pruned"
    TOMBSTONES_STAY = "tombstones_stay"
    PHASE = "phase"
    MISSPELLED = "misspelled"
    STORE_FAILED = "store_failed"
    CACHE_KEYS_FORGOTTEN = "cache_keys_forgotten"
    FORGOTTEN_WRITERS = "forgotten_writers"
    PROBLEM = "problem"


def tell(logger: logging.Logger, level: int, action: Action, sentence: str, **values: Value | None) -> None:
    """Log a row; nothing in it may come from a document. Without the value None, a name is left out."""
    if not logger.isEnabledFor(level):
        return
    told = {"action": action.value, **{name: value for name, value in values.items() if value is not None}}
    pairs = " ".join(f"{name}={_show(value)}" for name, value in told.items())
    # The worker passes on nothing but the text; our own export takes the values as well.
    logger.log(level, "%s %s", sentence, pairs, extra={"row": told}, stacklevel=2)


def _show(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
