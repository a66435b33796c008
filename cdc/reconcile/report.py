"""The reports of reconciles as JSON."""

from collections.abc import Sequence
from datetime import datetime

from cdc.core.documents import JsonObject
from cdc.reconcile.run import SENTENCES


def group_by_id(rows: Sequence[JsonObject]) -> dict[int, list[JsonObject]]:
    """Return the runs of each reconciliation, in their order."""
    reports: dict[int, list[JsonObject]] = {}
    for row in rows:
        reports.setdefault(row["id"], []).append(row)
    return reports


def describe_reconciliation(id_: int, rows: Sequence[JsonObject]) -> JsonObject:
    """Return what anyone may know of a reconciliation: the worst state of its runs, and each of them."""
    states = {row["state"] for row in rows}
    worst = next(state for state in ("running", "failed", "behind", "completed") if state in states)
    ended = {row["report"].get("ended_early") for row in rows}
    return {
        "id": str(id_),
        "state": worst,
        "ended_early": next((why for why in SENTENCES if why in ended), None),
        "containers": [describe_run(row) for row in rows],
    }


def describe_run(row: JsonObject) -> JsonObject:
    """Return what anyone may know of the run of one container."""
    return {
        "id": str(row["id"]),
        "container": row["container"],
        "mode": row["mode"],
        "repair": row["repair"],
        "sample": "all" if row["sample"] is None else row["sample"],
        "max_request_units": row["max_request_units"],
        "state": row["state"],
        "message": row["message"],
        "started_at": _iso(row["started_at"]),
        "finished_at": _iso(row["finished_at"]),
        **row["report"],
    }


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
