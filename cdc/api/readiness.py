"""Readiness for a phase over HTTP."""

from typing import Annotated

from pydantic import Field

from cdc.api.answers import RequestModel, say


class ReadinessQuery(RequestModel):
    """The phase to be ready for; by default the next one."""

    to: Annotated[Annotated[int, Field(ge=0, le=3)] | None, say("must be a number from 0 to 3")] = None
