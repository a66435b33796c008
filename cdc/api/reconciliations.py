"""Reconciles over HTTP."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from cdc.api.answers import Accepted, RequestModel, Token, cut_page, read_number, say
from cdc.config.settings import Settings
from cdc.core.documents import JsonObject
from cdc.core.errors import ConflictError, RequestError, UnknownError
from cdc.core.fingerprints import fingerprint
from cdc.reconcile.report import (
    ReconciliationStatus,
    RunReport,
    describe_reconciliation,
    describe_run,
    group_by_id,
)
from cdc.reconcile.run import Mode
from cdc.reconcile.store import PostgresRuns

_FOUND_SHOWN = 1_000
# Greater than every reconciliation's number.
_NEWEST = 2**62


class ReconcileRequest(RequestModel):
    """What to compare, and whether to repair it."""

    containers: list[str] | None = Field(default=None, min_length=1)
    mode: Mode = "counts"
    repair: bool = True
    sample: Annotated[
        Annotated[int, Field(ge=0, le=1_000_000)] | Literal["all"] | None,
        say("must be a whole number from 0 to 1000000, or `all`"),
    ] = None
    max_request_units: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    max_deletes: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None


class ReconciliationQuery(RequestModel):
    """Which page of the reports to list."""

    after: Token | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class Found(BaseModel):
    """A document or a row that differs; `document` is its fingerprint, the same in all answers."""

    id: int
    container: str
    document: str
    kind: str
    state: str
    since: datetime


class ReconciliationReport(ReconciliationStatus):
    """A reconcile, its containers, and its findings."""

    found: list[Found]


class ReconciliationPage(BaseModel):
    """Reconciliations, newest first."""

    items: list[ReconciliationStatus]
    next: str | None


class Reconciliations:
    """Start and report reconciles."""

    def __init__(self, settings: Settings, containers: Sequence[str], runs: PostgresRuns) -> None:
        self._settings = settings
        self._containers = containers
        self._runs = runs

    def newest_reports(self) -> dict[str, RunReport]:
        """Return the newest finished report of each container."""
        return {row["container"]: describe_run(row) for row in self._runs.newest_reports(list(self._containers))}

    def start(self, request: ReconcileRequest) -> Accepted:
        """Start a run of each requested container."""
        containers = list(dict.fromkeys(request.containers or self._containers))
        names = ", ".join(self._containers)
        unknown = [
            f"{name} is not replicated: name one of {names}" for name in containers if name not in self._containers
        ]
        if unknown:
            raise RequestError("The request body is invalid.", [("containers", each) for each in unknown])
        running = list(self._runs.list_running(containers))
        if running:
            raise ConflictError(f"A reconcile of {', '.join(running)} is running: wait until it ends.")
        default = "all" if request.mode == "deep" else self._settings.reconcile_sample
        sample = default if request.sample is None else request.sample
        id_, begun = self._runs.begin(
            containers,
            request.mode,
            repair=request.repair,
            sample=None if isinstance(sample, str) else sample,
            max_request_units=request.max_request_units or self._settings.reconcile_request_units,
            max_deletes=request.max_deletes,
        )
        if not begun:
            raise ConflictError("A reconcile of these containers has just begun: wait until it ends.")
        return Accepted(id=str(id_), status_url=f"/api/reconciliations/{id_}")

    def list_newest(self, query: ReconciliationQuery) -> ReconciliationPage:
        """Return the newest reconciliations."""
        before = _NEWEST if query.after is None else int(query.after)
        reports = group_by_id(self._runs.list_reports(before, query.limit + 1))
        page, following = cut_page(list(reports), query.limit, str)
        return ReconciliationPage(items=[describe_reconciliation(id_, reports[id_]) for id_ in page], next=following)

    def read(self, id_: str) -> ReconciliationReport:
        """Return one reconciliation with its findings."""
        number = read_number(id_)
        rows = [] if number is None else self._runs.read_reports(number)
        if number is None or not rows:
            raise UnknownError("There is no such reconciliation: its reports were deleted, or the id is wrong.")
        found = [self._describe(each) for each in self._runs.list_drift(number, _FOUND_SHOWN)]
        return ReconciliationReport(**dict(describe_reconciliation(number, rows)), found=found)

    def find(self, id_: str) -> JsonObject:
        """Return one finding with its identity; only for people with access to the database."""
        number = read_number(id_)
        found = None if number is None else self._runs.find_drift(number)
        if found is None:
            raise UnknownError("There is no finding with this id: it was dropped, or its report was deleted.")
        return found

    def _describe(self, row: JsonObject) -> Found:
        document = fingerprint(row["key"], self._settings.identity_key.get_secret_value())
        return Found.model_validate(row | {"id": row["number"], "document": document})
