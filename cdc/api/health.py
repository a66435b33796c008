"""Health over HTTP."""

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel

from cdc.core.errors import TransientError, UnreadyError
from cdc.operations.checks import Checks
from cdc.operations.status import UnmappedStatus


class Live(BaseModel):
    """The worker is running."""

    status: Literal["live"] = "live"


class Ready(BaseModel):
    """Changes can be applied now.

    `unmapped` documents are no failure, but have no rows; null says that their count is not known in time.
    """

    status: Literal["ready"] = "ready"
    checks: list[str]
    unmapped: list[UnmappedStatus] | None


def tell_ready(checks: Checks, list_unmapped: Callable[[], list[UnmappedStatus]]) -> Ready:
    """Return the names of the checks and what is unmapped; raise UnreadyError if a check fails."""
    ran = checks.run()
    failed = [(check.name, check.problem) for check in ran if check.problem is not None]
    failed = failed or [
        (check.name, "There was no time left for this check: ask again.") for check in ran if check.skipped
    ]
    if failed:
        raise UnreadyError(f"Not ready: {', '.join(name for name, _ in failed)}.", failed)
    try:
        unmapped = list_unmapped()
    except TransientError:
        unmapped = None
    return Ready(checks=[check.name for check in ran], unmapped=unmapped)
