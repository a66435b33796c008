"""Backfills over HTTP."""

import logging
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from cdc.api.answers import Accepted, RequestModel, cut_page
from cdc.backfill.job import BackfillStore, Options
from cdc.backfill.progress import BackfillReport, BackfillStatus, describe, describe_whole
from cdc.core.documents import JsonObject
from cdc.core.errors import CdcError, RequestError
from cdc.telemetry import rows
from cdc.telemetry.rows import Action

logger = logging.getLogger(__name__)

_LEAST_UNITS = 50
_DEFAULTS = Options()
_BUDGET, _UNLIMITED = "max_request_units_per_second", "unlimited"
_CHOICE = f"set {_BUDGET} to a number from {_LEAST_UNITS}, or set {_UNLIMITED} to true: one of the two"


class StartRequest(RequestModel):
    """The options of a new backfill: with a budget of request units, or unlimited."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": [_BUDGET], "properties": {_BUDGET: {"type": "number"}, _UNLIMITED: {"const": False}}},
                {"required": [_UNLIMITED], "properties": {_UNLIMITED: {"const": True}, _BUDGET: {"type": "null"}}},
            ]
        }
    )

    containers: Annotated[tuple[str, ...] | None, Field(min_length=1)] = None
    max_request_units_per_second: Annotated[float | None, Field(ge=_LEAST_UNITS, le=1e7)] = None
    unlimited: bool = False
    max_parallel_ranges: Annotated[int, Field(ge=1, le=32)] = _DEFAULTS.max_parallel_ranges
    page_size: Annotated[int, Field(ge=1, le=10_000)] = _DEFAULTS.page_size
    reapply: bool = False
    dry_run: bool = False


class BackfillQuery(RequestModel):
    """Which page of the backfills to list."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    after: str | None = None


class BackfillPage(BaseModel):
    """Backfills, newest first."""

    items: list[BackfillStatus]
    next: str | None


class Backfills:
    """Start, report, pause, resume and cancel backfills; a backfill is first a row, then gets its orchestration."""

    def __init__(
        self,
        containers: Collection[str],
        store: BackfillStore,
        check_container: Callable[[str], object],
        retry_seconds: float,
    ) -> None:
        self._containers = containers
        self._store = store
        self._check_container = check_container
        self._retry_seconds = retry_seconds

    def start(self, request: StartRequest) -> Accepted:
        """Add a backfill."""
        if request.unlimited == (request.max_request_units_per_second is not None):
            raise RequestError("The request body is invalid.", [(_BUDGET, _CHOICE)])
        containers = sorted(self._containers) if request.containers is None else list(request.containers)
        self._check_names(containers)
        for container in containers:
            self._check_container(container)
        id_ = uuid.uuid4().hex
        self._store.insert(id_, containers, Options(**request.model_dump(exclude={"containers", _UNLIMITED})))
        return Accepted(id=id_, status_url=f"/api/backfills/{id_}")

    def list_newest(self, query: BackfillQuery) -> BackfillPage:
        """Return backfills, newest first."""
        if query.after is not None:
            self._store.read(query.after)  # with an unknown `after`, an empty page would look like the last one
        found = self._store.list_newest(query.after, query.limit + 1)
        page, following = cut_page(found, query.limit, lambda row: row["id"])
        return BackfillPage(items=[describe(row) for row in page], next=following)

    def read(self, id_: str) -> BackfillReport:
        """Return one backfill with its feed ranges."""
        return describe_whole(self._store.read(id_))

    def pause(self, id_: str) -> BackfillStatus:
        """Pause a backfill; lanes finish their current page."""
        return self._move(id_, "paused")

    def resume(self, id_: str) -> BackfillStatus:
        """Resume a backfill where it was paused."""
        return self._move(id_, "running")

    def cancel(self, id_: str) -> BackfillStatus:
        """Cancel a backfill; it cannot be resumed."""
        return self._move(id_, "cancelled")

    def list_tasks(self) -> list[JsonObject]:
        """Return what `read_tasks` returns, or nothing if that fails: the HTTP answer is known already."""
        try:
            return self.read_tasks()
        except CdcError as error:  # the timer tries again
            rows.tell(logger, logging.WARNING, Action.STORE_FAILED, f"cannot read the running backfills: {error}")
            return []

    def read_tasks(self) -> list[JsonObject]:
        """Return the inputs of the orchestrations that must be running; `id` is also the instance id."""
        return [
            {"id": id_, "generation": None, "retry_seconds": self._retry_seconds} for id_ in self._store.list_running()
        ]

    def _check_names(self, containers: Sequence[str]) -> None:
        problems = [
            (f"containers.{place}", f"is not replicated: name one of {', '.join(sorted(self._containers))}")
            for place, name in enumerate(containers)
            if name not in self._containers
        ]
        if len(set(containers)) < len(containers):
            problems.append(("containers", "names a container twice"))
        if problems:
            raise RequestError("The request body is invalid.", problems)

    def _move(self, id_: str, state: str) -> BackfillStatus:
        self._store.move(id_, state)
        return describe(self._store.read(id_))
