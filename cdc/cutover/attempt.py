"""A rehearsal or a run of the cut-over: how far it is, and what it has proven."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from cdc.core.documents import JsonObject

Kind = Literal["rehearsal", "run"]


class Proof(BaseModel):
    """What was verified of one container: it is this one, and its documents below the line are equal on both sides.

    `next` is where an unfinished verification goes on; None from the beginning, or when it is finished.
    """

    account: str
    rid: str
    line: int
    next: int | None = None
    finished: bool = False
    keys: int = 0
    values: int = 0
    orphaned: int = 0


class Progress(BaseModel):
    """What is kept after every step; `seconds` has how long each step took.

    `ends` are the places of each feed since which nothing was written, and `quiet_since` the time when they were taken.
    `rules` are those that this run has added. `unready` are the checks that would refuse a run.
    """

    step: str = ""
    seconds: dict[str, float] = Field(default_factory=dict)
    containers: dict[str, Proof] = Field(default_factory=dict)
    ends: dict[str, list[JsonObject]] = Field(default_factory=dict)
    quiet_since: datetime | None = None
    rules: list[str] = Field(default_factory=list)
    forecast_seconds: float | None = None
    pause_seconds: float | None = None
    unready: list[str] = Field(default_factory=list)


@dataclass(slots=True)
class Attempt:
    """A rehearsal or a run; only the process that began it last, or took it over, has its token."""

    number: int
    kind: Kind
    state: Literal["running", "completed", "aborted"]
    started_at: datetime
    finished_at: datetime | None
    by: str
    progress: Progress
    problem: str | None
    token: UUID | None = None
