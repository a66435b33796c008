"""Say how far a backfill is."""

from cdc.core.documents import JsonObject

_COUNTERS = ("read", "applied", "stale", "undecided", "parked")
_OWN = ("id", "state", "containers", "problem", "dry_run", "reapply", "started_at", "finished_at")
_OPTIONS = ("max_request_units_per_second", "max_parallel_ranges", "page_size")


def describe(row: JsonObject) -> JsonObject:
    """Return what anyone may know of a backfill: its options, totals, pace, and how long it will still take."""
    seconds = max(float(row["seconds"]), 0.001)
    return {
        **{name: row[name] for name in (*_OWN, *_OPTIONS)},
        "documents": row["documents"] if row["counted"] else None,
        "totals": {name: row[name] for name in _COUNTERS},
        "percent": _percent(row),
        "seconds_left": _seconds_left(row, row["measured_read"] / seconds),
        "request_units": round(row["request_units"], 2),
        "request_units_per_second": round(row["measured_request_units"] / seconds, 2),
    }


def describe_whole(row: JsonObject) -> JsonObject:
    """Return the same with each feed range, and with what a backfill that writes nothing has found."""
    return {**describe(row), "ranges": row["ranges"], "findings": row["findings"]}


def _percent(row: JsonObject) -> float:
    if row["state"] == "completed":
        return 100.0
    # Documents that change meanwhile come again: more may be read than were counted.
    return round(min(99.9, 100 * row["read"] / row["documents"]), 1) if row["documents"] else 0.0


def _seconds_left(row: JsonObject, documents_per_second: float) -> int | None:
    if row["state"] in ("completed", "cancelled"):
        return 0
    if row["state"] == "paused" or not row["counted"] or not documents_per_second:
        return None
    left = int(row["documents"]) - int(row["read"])
    return round(max(0, left) / documents_per_second)
