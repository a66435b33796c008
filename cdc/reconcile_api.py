"""What timers, HTTP and orchestrations ask of reconcile, and the reports as JSON."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from cdc.api import Answer, RequestModel, Token, accept, answer, cut_page, read_body, read_number, read_query, say
from cdc.comparison import Comparison
from cdc.confirmation import Confirmation
from cdc.cosmos_queries import CosmosQueries
from cdc.errors import CdcError, ConflictError, RequestError, UnknownError
from cdc.ledger_queries import LedgerQueries
from cdc.model import JsonObject, Mapper
from cdc.postgres import Database
from cdc.reconcile import Backfills, Reconcile, Sides
from cdc.reconciliations import PostgresFindings, PostgresRotation, PostgresRuns
from cdc.repairs import PostgresRepairs
from cdc.runs import SENTENCES, Mode
from cdc.settings import Settings
from cdc.surrogates import fingerprint
from cdc.table_queries import TableQueries

_ADVANCE_SECONDS = 30.0
_FOUND_SHOWN = 1_000
# Every reconciliation has a lesser number.
_NEWEST = 2**62


class ReconcileRequest(RequestModel):
    """What to compare, and what to do about it."""

    containers: list[str] | None = Field(default=None, min_length=1)
    mode: Mode = "counts"
    repair: bool = True
    sample: Annotated[
        Annotated[int, Field(ge=0, le=1_000_000)] | Literal["all"] | None,
        say("must be a whole number from 0 to 1000000, or `all`"),
    ] = None
    max_request_units: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    max_deletes: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None


class ListRequest(RequestModel):
    """Which page of the reports."""

    after: Token | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class Reconciliations:
    """Begin runs, bring them forward, and report them.

    `open_source` refuses a container that is another one than before; `read_lag` tells how late its change feed is.
    """

    def __init__(
        self,
        settings: Settings,
        mappers: Sequence[Mapper[Any]],
        database: Database,
        open_source: Callable[[str], CosmosQueries],
        read_lag: Callable[[str], float | None],
        backfills: Backfills,
    ) -> None:
        self._settings = settings
        self._mappers = {mapper.container: mapper for mapper in mappers}
        self._database = database
        self._open_source = open_source
        self._read_lag = read_lag
        self._runs = PostgresRuns(database)
        self._reconcile = Reconcile(self._runs, self._open_sides, backfills, settings.settle_seconds)

    def begin(self, body: bytes) -> tuple[int, list[str]]:
        """Begin what a request asks for: the id of the reconciliation, and its containers."""
        request = read_body(ReconcileRequest, body)
        containers = list(dict.fromkeys(request.containers or self._mappers))
        names = ", ".join(self._mappers)
        unknown = [f"{name} is not replicated: name one of {names}" for name in containers if name not in self._mappers]
        if unknown:
            raise RequestError("The body is not as it must be.", [("containers", each) for each in unknown])
        running = self._runs.read_running(containers)
        if running:
            raise ConflictError(f"A reconcile of {', '.join(running)} is running: wait for its end.")
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
            raise ConflictError("A reconcile of these containers has just begun: wait for its end.")
        return id_, begun

    def accept(self, body: bytes) -> tuple[Answer, list[str]]:
        """Answer a request for a reconcile, and tell which containers need an orchestration.

        Also those that refuse it because of a run: its own may have been lost with the host that was to start it.
        """
        needed: list[str] = []

        def start() -> tuple[str, str]:
            try:
                id_, begun = self.begin(body)
            except ConflictError:
                needed.extend(self._runs.read_running(list(self._mappers)))
                raise
            needed.extend(begun)
            return str(id_), f"/api/reconciliations/{id_}"

        return accept(start), needed

    def begin_due(self) -> list[str]:
        """Begin a run of each container that has none; return all containers, whose runs begin or go on.

        All keys are compared where the feed told of deletes without saying of what, or began anew in another mode.
        """
        incomplete = self._runs.list_incomplete(self._settings.settle_seconds)
        self._begin_due([name for name in self._mappers if name in incomplete], "keys")
        self._begin_due([name for name in self._mappers if name not in incomplete], "counts")
        return list(self._mappers)

    def _begin_due(self, containers: list[str], mode: Mode) -> None:
        if containers:
            self._runs.begin(
                containers,
                mode,
                repair=True,
                sample=self._settings.reconcile_sample,
                max_request_units=self._settings.reconcile_request_units,
            )

    def advance(self, container: str) -> JsonObject:
        """Bring the run of a container forward; tell whether it is over, or after how many seconds to go on.

        Never raises: a failure that time may mend is told as `problem`.
        """
        try:
            turn = self._reconcile.advance(container, _ADVANCE_SECONDS)
        except CdcError as error:
            return {"over": False, "seconds": 0.0, "problem": str(error)}
        return {"over": turn.over, "seconds": turn.seconds, "problem": None}

    def give_up(self, container: str, problem: str) -> JsonObject:
        """End the run of a container that cannot go on."""
        try:
            self._reconcile.give_up(container, problem)
        except CdcError as error:
            return {"problem": str(error)}
        return {"problem": None}

    def list_newest(self, query: Mapping[str, str]) -> Answer:
        """Answer with the newest reconciliations."""
        return answer(lambda: self.list_reports(query))

    def read(self, id_: str) -> Answer:
        """Answer with one reconciliation and what it found."""
        return answer(lambda: self.read_report(id_))

    def list_reports(self, query: Mapping[str, str]) -> JsonObject:
        """Return the newest reconciliations."""
        request = read_query(ListRequest, query)
        before = _NEWEST if request.after is None else int(request.after)
        reports = _by_id(self._runs.list_reports(before, request.limit + 1))
        page, following = cut_page(list(reports), request.limit, str)
        return {"items": [_reconciliation(id_, reports[id_]) for id_ in page], "next": following}

    def read_report(self, id_: str) -> JsonObject:
        """Return one reconciliation with what it found."""
        number = read_number(id_)
        rows = [] if number is None else self._runs.read_reports(number)
        if number is None or not rows:
            raise UnknownError(f"There is no reconciliation {id_}.")
        found = self._runs.list_drift(number, _FOUND_SHOWN)
        return _reconciliation(number, rows) | {"found": [self._found(each) for each in found]}

    def find(self, id_: str) -> JsonObject:
        """Return one thing that a reconcile found, with the identity, for somebody who has the database."""
        number = read_number(id_)
        found = None if number is None else self._runs.find_drift(number)
        if found is None:
            raise UnknownError("No reconcile that is kept has found this.")
        return found

    def newest_reports(self) -> dict[str, JsonObject]:
        """Return the newest finished report of each container."""
        return {row["container"]: _report(row) for row in self._runs.newest_reports(list(self._mappers))}

    def _found(self, row: JsonObject) -> JsonObject:
        return {
            "id": row["number"],
            "container": row["container"],
            "document": fingerprint(row["key"], self._settings.identity_key.get_secret_value()),
            "kind": row["kind"],
            "state": row["state"],
            "since": row["since"].isoformat(),
        }

    def _open_sides(self, container: str) -> Sides:
        mapper, settings = self._mappers[container], self._settings
        source, ledger = self._open_source(container), LedgerQueries(self._database, container)
        findings = PostgresFindings(self._database, settings.settle_seconds)
        repairs = PostgresRepairs(
            self._database,
            backoff_seconds=settings.dead_letter_backoff_seconds,
            settle_seconds=settings.settle_seconds,
            claim_seconds=settings.dead_letter_claim_seconds,
        )
        tables = TableQueries(self._database, mapper)
        rotation = PostgresRotation(self._database, container)
        return Sides(
            Comparison(mapper, source, ledger, tables, findings, rotation, settings.settle_seconds),
            Confirmation(mapper, source, ledger, findings, repairs),
            lambda: self._read_lag(container),
            source.usage,
        )


def _by_id(rows: Sequence[JsonObject]) -> dict[int, list[JsonObject]]:
    reports: dict[int, list[JsonObject]] = {}
    for row in rows:
        reports.setdefault(row["id"], []).append(row)
    return reports


def _reconciliation(id_: int, rows: Sequence[JsonObject]) -> JsonObject:
    states = {row["state"] for row in rows}
    worst = next(state for state in ("running", "failed", "behind", "completed") if state in states)
    ended = {row["report"].get("ended_early") for row in rows}
    return {
        "id": str(id_),
        "state": worst,
        "ended_early": next((why for why in SENTENCES if why in ended), None),
        "containers": [_report(row) for row in rows],
    }


def _report(row: JsonObject) -> JsonObject:
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
