"""Backfills over HTTP."""

import logging
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Protocol

from pydantic import Field

from cdc.api import answers
from cdc.backfill.job import Options
from cdc.backfill.progress import describe, describe_whole
from cdc.core.documents import JsonObject
from cdc.core.errors import CdcError, RequestError

logger = logging.getLogger(__name__)

_LEAST_UNITS = 50
_DEFAULTS = Options()


class StartRequest(answers.RequestModel):
    """What a backfill may be asked for."""

    containers: Annotated[tuple[str, ...] | None, Field(min_length=1)] = None
    max_request_units_per_second: Annotated[float | None, Field(ge=_LEAST_UNITS, le=1e7)] = None
    max_parallel_ranges: Annotated[int, Field(ge=1, le=32)] = _DEFAULTS.max_parallel_ranges
    page_size: Annotated[int, Field(ge=1, le=10_000)] = _DEFAULTS.page_size
    reapply: bool = False
    dry_run: bool = False


class ListRequest(answers.RequestModel):
    """Which backfills are asked for."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    after: str | None = None


class Backfills(Protocol):
    """Where backfills are asked for."""

    def insert(self, id_: str, containers: Sequence[str], options: Options) -> None:
        """Ask for a backfill; raise ConflictError where another one has one of the containers."""
        ...

    def list_running(self) -> list[str]:
        """Return the backfills that somebody must be working at."""
        ...

    def read(self, id_: str) -> JsonObject:
        """Return everything about one backfill; raise UnknownError where there is none."""
        ...

    def list_newest(self, after: str | None, limit: int) -> list[JsonObject]:
        """Return backfills, newest first."""
        ...

    def move(self, id_: str, state: str) -> None:
        """Give a backfill another state; raise ConflictError where it cannot reach that."""
        ...


class BackfillApi:
    """Answers requests; whatever is started is a row first, for which an orchestration is started afterwards."""

    def __init__(
        self,
        containers: Collection[str],
        backfills: Backfills,
        check_container: Callable[[str], object],
        retry_seconds: float,
    ) -> None:
        self._containers = containers
        self._backfills = backfills
        self._check_container = check_container
        self._retry_seconds = retry_seconds

    def start(self, body: bytes) -> answers.Answer:
        """Ask for a backfill."""
        return answers.accept(lambda: self._start(answers.read_body(StartRequest, body)))

    def list_newest(self, query: Mapping[str, str]) -> answers.Answer:
        """Answer with backfills, newest first."""
        return answers.answer(lambda: self._list(answers.read_query(ListRequest, query)))

    def read(self, id_: str) -> answers.Answer:
        """Answer with one backfill and its feed ranges."""
        return answers.answer(lambda: describe_whole(self._backfills.read(id_)))

    def move(self, id_: str, state: str) -> answers.Answer:
        """Pause, resume or cancel a backfill, and answer with it."""
        return answers.answer(lambda: self._move(id_, state))

    def list_tasks(self) -> list[JsonObject]:
        """Return the inputs of the orchestrations that must be there, each with its instance's id."""
        try:
            running = self._backfills.list_running()
        except CdcError as error:  # whoever asked has been told, and the timer comes again
            logger.warning("backfills cannot be looked for: %s", error)
            running = []
        return [{"id": id_, "generation": None, "retry_seconds": self._retry_seconds} for id_ in running]

    def _start(self, request: StartRequest) -> tuple[str, str]:
        containers = sorted(self._containers) if request.containers is None else list(request.containers)
        self._check_names(containers)
        for container in containers:
            self._check_container(container)
        id_ = uuid.uuid4().hex
        self._backfills.insert(id_, containers, Options(**request.model_dump(exclude={"containers"})))
        return id_, f"/api/backfills/{id_}"

    def _check_names(self, containers: Sequence[str]) -> None:
        problems = [
            (f"containers.{place}", f"is not replicated: name one of {', '.join(sorted(self._containers))}")
            for place, name in enumerate(containers)
            if name not in self._containers
        ]
        if len(set(containers)) < len(containers):
            problems.append(("containers", "names a container twice"))
        if problems:
            raise RequestError("The body is not as it must be.", problems)

    def _list(self, request: ListRequest) -> JsonObject:
        if request.after is not None:
            self._backfills.read(request.after)  # a page after nothing would look like the last one
        found = self._backfills.list_newest(request.after, request.limit + 1)
        page, following = answers.cut_page(found, request.limit, lambda row: row["id"])
        return {"items": [describe(row) for row in page], "next": following}

    def _move(self, id_: str, state: str) -> JsonObject:
        self._backfills.move(id_, state)
        return describe(self._backfills.read(id_))
