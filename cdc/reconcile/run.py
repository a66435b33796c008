"""A reconcile run: what was asked for, what is left to do, and what it came to so far."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from cdc.reconcile.drift import Kind, Limits, Suspect, Tally, Window

Mode = Literal["counts", "keys", "deep"]
# `different` windows were measured twice, or follow from such: they are narrowed down without being measured again.
Step = Literal[
    "begin", "gaps", "count", "different", "keys", "rows", "values", "settle", "confirm", "repair", "unclaimed"
]
# Steps that ask Cosmos about many documents, and end when the run's request units are spent.
COUNTING: tuple[Step, ...] = ("count", "different")
COMPARING: tuple[Step, ...] = (*COUNTING, "keys", "values")
# Why a run has not compared all that it was to compare, the gravest first, and what the report says of it.
Ended = Literal["too_much_differs", "request_units"]
SENTENCES: dict[Ended, str] = {
    "too_much_differs": "So much differs that the comparison was ended.",
    "request_units": "The run ended for want of request units; the next one goes on.",
}
# More suspects than a run keeps end its comparison: the next run goes on.
_SUSPECTS_AT_MOST = 10_000


@dataclass(slots=True)
class Usage:
    """What questions to Cosmos took."""

    queries: int = 0
    request_units: float = 0

    def add(self, request_units: float) -> None:
        """Count one answer."""
        self.queries += 1
        self.request_units += request_units


@dataclass(frozen=True, slots=True)
class Census:
    """How many documents a container has, and the source's time of the answer in seconds."""

    documents: int
    now: int


@dataclass(frozen=True, slots=True)
class Finding:
    """A suspect that is kept, by its number."""

    number: int
    suspect: Suspect


class Task(BaseModel):
    """One bounded piece of work: a window, or a stretch of a sample."""

    step: Step
    window: Window | None = None
    source: Tally = Tally()
    ledger: Tally = Tally()
    # Whether comparing the keys of this window moves the rotation on.
    rotates: bool = False
    # From which key of the ledger on the sample goes, in hexadecimal, and how many documents of it are left.
    start: str = ""
    left: int = 0

    @property
    def narrows(self) -> bool:
        """Tell whether this counts, or follows from a count: it must leave something for the keys in turn."""
        return self.step in COUNTING or (self.step == "keys" and not self.rotates)


class Figures(BaseModel):
    """What a run did, in numbers."""

    windows: int = 0
    bisections: int = 0
    queries: int = 0
    request_units: float = 0
    keys: int = 0
    values: int = 0
    unclaimed: int = 0


class Progress(BaseModel):
    """What is left of a run; kept after every task."""

    # Only what is older than this time of the source is compared.
    line: int = 0
    source_documents: int = 0
    ledger_documents: int = 0
    tasks: list[Task] = Field(default_factory=lambda: [Task(step="begin")])
    figures: Figures = Field(default_factory=Figures)
    suspects: dict[Kind, int] = Field(default_factory=dict)
    repairable: list[Kind] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    ended_early: Ended | None = None
    # Whether keys were compared in turn.
    rotated: bool = False
    # How many documents somebody lets the run delete.
    max_deletes: int | None = None

    @property
    def limits(self) -> Limits:
        """Return what the run may repair by itself."""
        return Limits.of(self.ledger_documents, self.max_deletes)

    @property
    def has_too_many(self) -> bool:
        """Tell whether more was found than a run repairs or keeps: looking for more of it would only cost."""
        found = self.suspects
        allowed = all(self.limits.allow(kind, documents) for kind, documents in found.items())
        return not allowed or sum(found.values()) > _SUSPECTS_AT_MOST

    def note(self, sentence: str) -> None:
        """Add a sentence to the report, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def leave_out(self, is_left_out: Callable[[Task], bool], why: Ended) -> None:
        """Leave out some of what is still to be done, and say why."""
        self.tasks = [task for task in self.tasks if not is_left_out(task)]
        self.ended_early = why
        self.note(SENTENCES[why])


class Run(BaseModel):
    """A run of one container that is not over."""

    id: int
    container: str
    mode: Mode
    repair: bool
    # How many documents are mapped again; none for all.
    sample: int | None
    max_request_units: float
    progress: Progress

    def has_spent(self, task: Task) -> bool:
        """Tell whether nothing is left for a task: half of the request units is for counting.

        However few they are, each run counts and compares one window, so that the next one begins further on.
        """
        figures = self.progress.figures
        if task.step in COUNTING:
            return figures.windows > 0 and figures.request_units >= self.max_request_units / 2
        return (self.progress.rotated or not task.rotates) and figures.request_units >= self.max_request_units

    @property
    def reads_bodies(self) -> bool:
        """Tell whether every document is read whole, to be compared by value."""
        return self.mode == "deep" and self.sample is None
