"""Pause and resume containers over HTTP."""

from typing import Annotated

from pydantic import BaseModel, Field

from cdc.api.answers import RequestModel
from cdc.operations.pauses import Pauses, PauseStatus


class PauseRequest(RequestModel):
    """Why a container is paused: everybody who looks sees it, so name nobody."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]


class ResumeRequest(RequestModel):
    """Whether what the mapper has parked since just before the pause stays parked."""

    accept: bool = False


class Resumed(BaseModel):
    """A container that was resumed, and how many of its dead letters are due now."""

    container: str
    due: int


def pause(pauses: Pauses, container: str, request: PauseRequest) -> PauseStatus:
    """Pause a container."""
    return pauses.pause(container, request.reason)


def resume(pauses: Pauses, container: str, request: ResumeRequest) -> Resumed:
    """Resume a container."""
    return Resumed(container=container, due=pauses.resume(container, accept=request.accept))
