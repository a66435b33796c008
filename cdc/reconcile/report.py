"""Reports of reconciles: only numbers, no identities."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from cdc.core.documents import JsonObject
from cdc.reconcile.run import SENTENCES, Figures
from cdc.telemetry import instruments, rows
from cdc.telemetry.rows import Action

logger = logging.getLogger(__name__)


class RotationReport(BaseModel):
    """How far the keys of a container were compared, over all runs."""

    every_key_compared_since: datetime | None
    round_began_at: datetime | None
    keys_of_this_round: int


class ObservedPath(BaseModel):
    """An observation of mappers at a path."""

    kind: str
    path: str
    documents: int


class UnmappedType(BaseModel):
    """Documents of one type that no mapper took; `other` stands for all types that are not shown by name."""

    type: str
    documents: int


class RunResult(Figures):
    """The result of a run; while the run is not finished, all values are null or 0.

    `drift_by_table` counts the same differences by the root table of the document's type, where it has one.
    """

    ended_early: str | None = None
    drift: dict[str, int] | None = None
    drift_by_table: dict[str, int] | None = None
    repaired: int | None = None
    left: int | None = None
    unreadable: int | None = None
    oldest_drift_since: datetime | None = None
    max_deletes: int | None = None
    source_documents: int | None = None
    ledger_documents: int | None = None
    unmapped: list[UnmappedType] | None = None
    rotation: RotationReport | None = None
    observations: list[ObservedPath] = Field(default_factory=list)


class RunReport(RunResult):
    """What a reconcile found in one container, in numbers."""

    id: str
    container: str
    mode: str
    repair: bool
    sample: int | Literal["all"]
    max_request_units: float
    state: str
    message: str | None
    started_at: datetime
    finished_at: datetime | None


class ReconciliationStatus(BaseModel):
    """A reconcile: the worst state of its runs, and the run of each container."""

    id: str
    state: str
    ended_early: str | None
    containers: list[RunReport]


def tell_end(container: str, state: str, result: RunResult) -> None:
    """Count and log what an ended run has found."""
    found = result.drift or {}
    for kind, documents in found.items():
        instruments.differences.add(documents, container=container, kind=str(kind))
    rows.tell(
        logger,
        logging.INFO if state == "completed" else logging.WARNING,
        Action.RECONCILE_ENDED,
        f"a reconcile of {container} has ended:",
        container=container,
        state=state,
        **{str(kind): documents for kind, documents in found.items()},
        repaired=result.repaired,
        left=result.left,
        unreadable=result.unreadable,
        request_units=result.request_units,
    )


def group_by_id(rows: Sequence[JsonObject]) -> dict[int, list[JsonObject]]:
    """Group runs by reconciliation and keep their order."""
    reports: dict[int, list[JsonObject]] = {}
    for row in rows:
        reports.setdefault(row["id"], []).append(row)
    return reports


def describe_reconciliation(id_: int, rows: Sequence[JsonObject]) -> ReconciliationStatus:
    """Return the report of a reconciliation."""
    states = {row["state"] for row in rows}
    runs = [describe_run(row) for row in rows]
    ended = {run.ended_early for run in runs}
    return ReconciliationStatus(
        id=str(id_),
        state=next(state for state in ("running", "failed", "behind", "completed") if state in states),
        ended_early=next((why for why in SENTENCES if why in ended), None),
        containers=runs,
    )


def describe_run(row: JsonObject) -> RunReport:
    """Return the report of one container's run."""
    sample = "all" if row["sample"] is None else row["sample"]
    return RunReport.model_validate(row | row["report"] | {"id": str(row["id"]), "sample": sample})
