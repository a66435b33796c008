"""The history of a container over HTTP."""

from collections.abc import Callable, Collection, Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from cdc.api.answers import ContainerName, RequestModel, say
from cdc.core.errors import UnknownError
from cdc.operations.samples import KEPT_DAYS, Sample, find_step

_MOST_HOURS = 24 * KEPT_DAYS


class HistoryQuery(RequestModel):
    """Which samples to show: those of a container of the last hours."""

    container: ContainerName
    hours: Annotated[
        Annotated[int, Field(ge=1, le=_MOST_HOURS)], say(f"must be a whole number from 1 to {_MOST_HOURS}")
    ] = 24


class History(BaseModel):
    """The samples of a container, oldest first.

    Over a long span each one stands for `step_seconds`: it has the worst lag and backlog of that time, and the last
    counts.
    """

    container: str
    hours: int
    step_seconds: int
    samples: Sequence[Sample]


def read_history(
    containers: Collection[str], read: Callable[[str, int], Sequence[Sample]], query: HistoryQuery
) -> History:
    """Return the history of a container; refuse an unknown one, which would look as if nothing had happened."""
    if query.container not in containers:
        raise UnknownError.of_container(containers)
    samples = read(query.container, query.hours)
    return History(container=query.container, hours=query.hours, step_seconds=find_step(query.hours), samples=samples)
