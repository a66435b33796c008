"""What there is to know of the cut-over: rehearsal, run, phase, and the watch after it."""

from collections.abc import Iterator
from dataclasses import dataclass

from cdc.cutover.attempt import Attempt
from cdc.cutover.store import Attempts
from cdc.postgres import forgotten, gate
from cdc.postgres.database import Database

_TIME = "%Y-%m-%d %H:%M:%S %Z"
_WORKS = "a process works on it now"
_INTERRUPTED = "it was interrupted: run python -m cdc cutover run again to go on, or abort to take it back"


@dataclass(frozen=True, slots=True)
class Report:
    """Tells it in lines."""

    database: Database
    attempts: Attempts
    proof_seconds: float

    def write(self) -> Iterator[str]:
        """Write it, line by line."""
        recorded = gate.read_phase(self.database)
        yield (
            "phase      none is recorded"
            if recorded is None
            else (f"phase      {recorded.phase} ({recorded.phase.name.lower()}) since {recorded.since:{_TIME}}")
        )
        yield from self._write_rehearsal(self.attempts.read_newest("rehearsal"))
        yield from self._write_run(self.attempts.read_newest("run"))
        for each in forgotten.count(self.database):
            yield f"watch      {each.container}: {each.documents} documents written since, {each.open} not accepted"

    def _write_rehearsal(self, newest: Attempt | None) -> Iterator[str]:
        if newest is None:
            yield "rehearsal  none: run python -m cdc cutover rehearse"
            return
        yield f"rehearsal  {newest.state}, begun {newest.started_at:{_TIME}} by {newest.by}{_tell_step(newest)}"
        yield from _write_details(newest)
        if newest.finished_at is not None:
            age = newest.progress.age_seconds
            fresh = f"holds for {self.proof_seconds - age:.0f} s more" if age <= self.proof_seconds else "is stale"
            yield f"           its proof {fresh}; forecast of the pause: {newest.progress.forecast_seconds or 0:.1f} s"
        for unready in newest.progress.unready:
            yield f"           a run would be refused: {unready}"

    def _write_run(self, newest: Attempt | None) -> Iterator[str]:
        if newest is None:
            yield "run        none"
            return
        yield f"run        {newest.state}, begun {newest.started_at:{_TIME}} by {newest.by}{_tell_step(newest)}"
        yield from _write_details(newest)
        if newest.progress.rules:
            yield f"           rules added: {', '.join(newest.progress.rules)}"
        if newest.progress.pause_seconds is not None:
            yield f"           the pause took {newest.progress.pause_seconds:.1f} s"
        if newest.state == "running":
            yield f"           {_WORKS if self.attempts.is_run_worked_on() else _INTERRUPTED}"


def _tell_step(attempt: Attempt) -> str:
    return f", at the step {attempt.progress.step or 'check'}" if attempt.state == "running" else ""


def _write_details(attempt: Attempt) -> Iterator[str]:
    if attempt.problem:
        yield f"           it stopped: {attempt.problem}"
    for step, seconds in attempt.progress.seconds.items():
        yield f"           {step}: {seconds:.1f} s"
    for name, proof in attempt.progress.containers.items() if attempt.kind == "rehearsal" else ():
        yield f"           {name}: {proof.keys} keys and {proof.values} documents by value are equal"
        if proof.orphaned:
            yield f"           {name}: {proof.orphaned} deletes have not arrived yet; the next reconcile finds them"
