"""Health over HTTP."""

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel

from cdc.core.errors import UnreadyError
from cdc.operations.checks import Checks
from cdc.operations.status import UnmappedStatus


class Live(BaseModel):
    """The worker is running."""

    status: Literal["live"] = "live"


class Ready(BaseModel):
    """Changes can be applied now; `unmapped` documents are no failure, but have no rows."""

    status: Literal["ready"] = "ready"
    checks: list[str]
    unmapped: list[UnmappedStatus]


def tell_ready(checks: Checks, list_unmapped: Callable[[], list[UnmappedStatus]]) -> Ready:
    """Return the names of the checks and what is unmapped; raise UnreadyError if a check fails."""
    ran = checks.run()
    failed = [(check.name, check.problem) for check in ran if check.problem is not None]
    if failed:
        raise UnreadyError(f"Not ready: {', '.join(name for name, _ in failed)}.", failed)
    return Ready(checks=[check.name for check in ran], unmapped=list_unmapped())
