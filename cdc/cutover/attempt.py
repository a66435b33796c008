"""A rehearsal or a run of the cut-over: how far it is, and what it has proven."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from cdc.core.documents import JsonObject

Kind = Literal["rehearsal", "run"]


class Proof(BaseModel):
    """What was verified of one container: it is this one, and its documents below the line are equal on both sides.

    It is as old as its first reading, `since`. `sample` documents were to be compared by value, None for all. `next` is
    where an unfinished verification goes on; None from the beginning, or when it is finished.
    """

    account: str
    rid: str
    line: int
    since: datetime = Field(default_factory=lambda: datetime.now(UTC))
    sample: int | None = 0
    next: int | None = None
    finished: bool = False
    keys: int = 0
    values: int = 0
    orphaned: int = 0

    @property
    def source(self) -> tuple[str, str]:
        """Return which container it is."""
        return self.account, self.rid

    @property
    def age_seconds(self) -> float:
        """Return how old it is."""
        return (datetime.now(UTC) - self.since).total_seconds()

    def covers(self, sample: int | None) -> bool:
        """Return whether it has at least so many values."""
        return self.sample is None or (sample is not None and sample <= self.sample)


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

    @property
    def age_seconds(self) -> float:
        """Return how old the oldest part of the proof is."""
        return max((each.age_seconds for each in self.containers.values()), default=0.0)


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
