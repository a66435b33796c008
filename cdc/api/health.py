"""Health over HTTP."""

from collections.abc import Callable
from typing import Literal, TypeVar

from pydantic import BaseModel

from cdc.core.errors import TransientError, UnreadyError
from cdc.operations.checks import Checks
from cdc.operations.pauses import PauseStatus
from cdc.operations.status import UnmappedStatus

Noted = TypeVar("Noted")


class Live(BaseModel):
    """The worker is running."""

    status: Literal["live"] = "live"


class Ready(BaseModel):
    """Changes can be applied now.

    `unmapped` documents are no failure, but have no rows. Nothing is written of the `paused` containers; status, which
    needs a key, says why. Null says that this is not known in time.
    """

    status: Literal["ready"] = "ready"
    checks: list[str]
    notes: list[str]
    unmapped: list[UnmappedStatus] | None
    paused: list[str] | None


def tell_ready(
    checks: Checks,
    list_unmapped: Callable[[], list[UnmappedStatus]],
    list_paused: Callable[[], list[PauseStatus]],
) -> Ready:
    """Return the names of the checks, what is unmapped and what is paused; raise UnreadyError if a check fails."""
    ran = checks.run()
    failed = [(check.name, check.problem) for check in ran if check.problem is not None]
    failed = failed or [
        (check.name, "There was no time left for this check: ask again.") for check in ran if check.skipped
    ]
    if failed:
        raise UnreadyError(f"Not ready: {', '.join(name for name, _ in failed)}.", failed)
    return Ready(
        checks=[check.name for check in ran],
        notes=[check.note for check in ran if check.note],
        unmapped=_ask(list_unmapped),
        paused=_ask(lambda: [pause.container for pause in list_paused()]),
    )


def _ask(list_: Callable[[], list[Noted]]) -> list[Noted] | None:
    try:
        return list_()
    except TransientError:
        return None
