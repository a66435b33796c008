"""Progress reports of backfills: only numbers, no identities."""

from datetime import datetime

from pydantic import BaseModel

from cdc.core.documents import JsonObject

_COUNTERS = ("read", "applied", "stale", "undecided", "parked", "unmapped")


class Totals(BaseModel):
    """Documents by outcome."""

    read: int
    applied: int
    stale: int
    undecided: int
    parked: int
    unmapped: int


class BackfillStatus(BaseModel):
    """The progress of a backfill: options, totals, speed, and the remaining time.

    `resting` names the containers that are paused: their part goes on once they are resumed.
    """

    id: str
    state: str
    containers: list[str]
    resting: list[str]
    problem: str | None
    dry_run: bool
    reapply: bool
    started_at: datetime
    finished_at: datetime | None
    max_request_units_per_second: float | None
    max_parallel_ranges: int
    page_size: int
    documents: int | None
    totals: Totals
    percent: float
    seconds_left: int | None
    request_units: float
    request_units_per_second: float


class RangeStatus(Totals):
    """The progress of one feed range."""

    container: str
    min: str
    max: str
    state: str
    request_units: float
    problem: str | None
    updated_at: datetime | None


class DryRunFinding(BaseModel):
    """A problem or an observation of a dry run at a path; for the kind `unmapped`, the path is a document type."""

    container: str
    kind: str
    path: str
    documents: int


class BackfillReport(BackfillStatus):
    """The progress of a backfill with its feed ranges and, for a dry run, its findings."""

    ranges: list[RangeStatus]
    findings: list[DryRunFinding]


def describe(row: JsonObject) -> BackfillStatus:
    """Return the report of a backfill."""
    return BackfillStatus.model_validate(row | _derive(row))


def describe_whole(row: JsonObject) -> BackfillReport:
    """Return the report with feed ranges and findings."""
    return BackfillReport.model_validate(row | _derive(row))


def _derive(row: JsonObject) -> JsonObject:
    seconds = max(float(row["seconds"]), 0.001)
    return {
        "documents": row["documents"] if row["counted"] else None,
        "totals": {name: row[name] for name in _COUNTERS},
        "percent": _percent(row),
        "seconds_left": _seconds_left(row, row["measured_read"] / seconds),
        "request_units": round(row["request_units"], 2),
        "request_units_per_second": round(row["measured_request_units"] / seconds, 2),
    }


def _percent(row: JsonObject) -> float:
    if row["state"] == "completed":
        return 100.0
    # Documents that change during the copy are read again: more may be read than were counted.
    return round(min(99.9, 100 * row["read"] / row["documents"]), 1) if row["documents"] else 0.0


def _seconds_left(row: JsonObject, documents_per_second: float) -> int | None:
    if row["state"] in ("completed", "cancelled"):
        return 0
    if row["state"] == "paused" or row["resting"] or not row["counted"] or not documents_per_second:
        return None
    left = int(row["documents"]) - int(row["read"])
    return round(max(0, left) / documents_per_second)
