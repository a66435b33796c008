"""Health over HTTP."""

from typing import Literal

from pydantic import BaseModel

from cdc.core.errors import UnreadyError
from cdc.operations.checks import Checks


class Live(BaseModel):
    """The worker is running."""

    status: Literal["live"] = "live"


class Ready(BaseModel):
    """Changes can be applied now."""

    status: Literal["ready"] = "ready"
    checks: list[str]


def tell_ready(checks: Checks) -> Ready:
    """Return the names of the checks; raise UnreadyError if a check fails."""
    ran = checks.run()
    failed = [(check.name, check.problem) for check in ran if check.problem is not None]
    if failed:
        raise UnreadyError(f"Not ready: {', '.join(name for name, _ in failed)}.", failed)
    return Ready(checks=[check.name for check in ran])
