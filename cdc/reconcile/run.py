"""A reconcile run: its options, remaining tasks, and results so far."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from cdc.reconcile.drift import Kind, Limits, Suspect, Tally, Window

Mode = Literal["counts", "keys", "deep"]
# `different` windows were counted twice, or are halves of such a window: they are not counted again.
Step = Literal[
    "begin", "gaps", "count", "different", "keys", "rows", "values", "settle", "confirm", "repair", "unclaimed"
]
# Steps that query Cosmos for many documents; they are skipped when the run's request units are spent.
FIRST_STEP: Step = "begin"
COUNTING: tuple[Step, ...] = ("count", "different")
COMPARING: tuple[Step, ...] = (*COUNTING, "keys", "values")
# Why a run ended its comparison early, the most serious reason first, and the sentence in its report.
Ended = Literal["too_much_differs", "request_units"]
SENTENCES: dict[Ended, str] = {
    "too_much_differs": "Too much differs: the comparison was stopped.",
    "request_units": "The run used up its request units; the next run continues.",
}
# More suspects than this end the comparison; the next run continues.
_SUSPECTS_AT_MOST = 10_000


@dataclass(slots=True)
class Usage:
    """The cost of queries to Cosmos."""

    queries: int = 0
    request_units: float = 0

    def add(self, request_units: float) -> None:
        """Count one answer."""
        self.queries += 1
        self.request_units += request_units


@dataclass(frozen=True, slots=True)
class Census:
    """The number of documents in a container and the source's time in seconds."""

    documents: int
    now: int


@dataclass(frozen=True, slots=True)
class Finding:
    """A stored suspect and its number."""

    number: int
    suspect: Suspect


class Task(BaseModel):
    """One limited piece of work: a window, or a part of a sample."""

    step: Step
    window: Window | None = None
    source: Tally = Tally()
    ledger: Tally = Tally()
    # Whether comparing the keys of this window advances the rotation.
    rotates: bool = False
    # The ledger key after which the sample continues, in hexadecimal, and how many of its documents are left.
    start: str = ""
    left: int = 0

    @property
    def narrows(self) -> bool:
        """Return whether this counts or follows from a count: it must leave request units for the rotation."""
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
    """The progress of a run, saved at least every second or so."""

    # Only documents older than this source time are compared.
    line: int = 0
    source_documents: int = 0
    ledger_documents: int = 0
    tasks: list[Task] = Field(default_factory=lambda: [Task(step=FIRST_STEP)])
    figures: Figures = Field(default_factory=Figures)
    suspects: dict[Kind, int] = Field(default_factory=dict)
    repairable: list[Kind] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    ended_early: Ended | None = None
    # Whether this run has compared keys of the rotation; which windows, and whether these were all keys. It counts only
    # once the run completes: what differs is confirmed at its end.
    rotated: bool = False
    compared: list[Window] = Field(default_factory=list)
    all_compared: bool = False
    # How many documents the run may delete, if the request set it.
    max_deletes: int | None = None

    @property
    def limits(self) -> Limits:
        """Return the limits for automatic repairs of this run."""
        return Limits.of(self.ledger_documents, self.max_deletes)

    @property
    def has_too_many(self) -> bool:
        """Return whether more was found than a run repairs or keeps: searching further would only cost."""
        found = self.suspects
        allowed = all(self.limits.allow(kind, documents) for kind, documents in found.items())
        return not allowed or sum(found.values()) > _SUSPECTS_AT_MOST

    def note_compared(self, window: Window) -> None:
        """Note that the keys of a window were compared."""
        self.rotated = True
        if self.compared and self.compared[-1].high == window.low:
            window = Window(self.compared.pop().low, window.high)
        self.compared.append(window)

    def note(self, sentence: str) -> None:
        """Add a sentence to the report, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def leave_out(self, is_left_out: Callable[[Task], bool], why: Ended) -> None:
        """Drop some of the remaining tasks and record why."""
        self.tasks = [task for task in self.tasks if not is_left_out(task)]
        self.ended_early = why
        self.note(SENTENCES[why])


class Run(BaseModel):
    """An unfinished run of one container."""

    id: int
    container: str
    mode: Mode
    repair: bool
    # How many documents are mapped again; None for all.
    sample: int | None
    max_request_units: float
    progress: Progress
    # The trace of the request or the timer that began it.
    traceparent: str | None = None

    def has_spent(self, task: Task) -> bool:
        """Return whether no request units are left for a task; counting may use half of them.

        Each run counts and compares at least one window, so that every run makes progress.
        """
        figures = self.progress.figures
        if task.step in COUNTING:
            return figures.windows > 0 and figures.request_units >= self.max_request_units / 2
        return (self.progress.rotated or not task.rotates) and figures.request_units >= self.max_request_units

    @property
    def reads_bodies(self) -> bool:
        """Return whether every document is read completely and compared by value."""
        return self.mode == "deep" and self.sample is None
