"""Health over HTTP."""

from collections.abc import Callable
from typing import Literal, TypeVar

from pydantic import BaseModel

from cdc.core.errors import TransientError, UnreadyError
from cdc.operations.ability import Ability
from cdc.operations.pauses import PauseStatus
from cdc.operations.problems import Severity
from cdc.operations.unmapped import UnmappedStatus

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
    read_ability: Callable[[], Ability],
    list_unmapped: Callable[[], list[UnmappedStatus]],
    list_paused: Callable[[], list[PauseStatus]],
) -> Ready:
    """Return what passed, what is unmapped and what is paused; raise UnreadyError if anything is stopped."""
    ability = read_ability()
    stopped = [(each.code, each.message) for each in ability.problems if each.severity is Severity.STOPPED]
    if stopped:
        raise UnreadyError(f"Not ready: {', '.join(dict(stopped))}.", stopped)
    return Ready(
        checks=[check.name for check in ability.checks],
        notes=[each.message for each in ability.problems],
        unmapped=_ask(list_unmapped),
        paused=_ask(lambda: [pause.container for pause in list_paused()]),
    )


def _ask(list_: Callable[[], list[Noted]]) -> list[Noted] | None:
    try:
        return list_()
    except TransientError:
        return None
