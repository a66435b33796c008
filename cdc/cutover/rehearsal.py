"""The rehearsal: all that a run reads, timed, with a proof and a forecast of the pause. It writes no row."""

import time
from dataclasses import dataclass

from cdc.config.settings import Phase
from cdc.core.errors import ConflictError
from cdc.cutover.attempt import Attempt, Proof
from cdc.cutover.rules import Rules
from cdc.cutover.steps import LOST_AT_MOST, RefusedError, Steps
from cdc.postgres import gate
from cdc.reconcile.drift import Kind, Suspect, Window
from cdc.reconcile.verification import END

# The steps of which a pause consists, beside the settle time.
_OF_THE_PAUSE = ("drain", "changes", "rules", "counts")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Rehearses the cut-over; `sample` documents of each container are compared by value, None for all."""

    steps: Steps
    rules: Rules

    def rehearse(self, sample: int | None) -> Attempt:
        """Rehearse, or go on where an interrupted rehearsal stopped; raise CdcError if a run would fail."""
        recorded = gate.read_phase(self.steps.database)
        if recorded is not None and recorded.phase is Phase.POSTGRES_ONLY:
            raise ConflictError("Phase 3 is recorded: the cut-over is over.")
        gate.check_recorder(self.steps.database)
        attempt = self.steps.attempts.begin("rehearsal")
        self._begin(attempt, sample)
        steps, progress = self.steps, attempt.progress
        with steps.timed(attempt, "check"):
            self.rules.check()
            steps.refuse_pauses()
            steps.find_unready(attempt)
        with steps.timed(attempt, "drain"):
            steps.drain(attempt, {name: steps.account.read_time(name) for name in steps.containers})
        with steps.timed(attempt, "full verification"):
            for container in steps.containers:
                self._verify(attempt, container, sample)
        with steps.timed(attempt, "rules"):
            self.rules.check()
        with steps.timed(attempt, "changes"):
            self._time_changes(progress.containers)
        with steps.timed(attempt, "counts"):
            self._time_counts()
        progress.forecast_seconds = steps.settle_seconds + sum(progress.seconds[step] for step in _OF_THE_PAUSE)
        steps.attempts.end(attempt)
        return attempt

    def _begin(self, attempt: Attempt, sample: int | None) -> None:
        """Go on with what was proven of the same containers, unless it is too old, or less than what is asked for."""
        proven, now = attempt.progress.containers, self.steps.identify()
        for name, fresh in now.items():
            fresh.sample, known = sample, proven.get(name, fresh)
            if known.source == fresh.source and known.age_seconds <= self.steps.proof_seconds and known.covers(sample):
                now[name] = known
        attempt.progress.containers = now

    def _verify(self, attempt: Attempt, container: str, sample: int | None) -> None:
        """Compare every key below the settle line, window by window, and values."""
        proof = attempt.progress.containers[container]
        if proof.finished:
            return
        verification, steps = self.steps.open_verification(container), self.steps
        if not proof.line:
            proof.line = int(steps.account.read_time(container) - steps.settle_seconds)
        suspects, different = list[Suspect](), list[Suspect]()
        for window in verification.plan_keys(Window(proof.next, proof.line), bodies=sample is None):
            keys, found = verification.compare_keys(window, proof.line)
            suspects += found
            if sample is None:
                values, wrong = verification.compare_all_values(window)
                proof.values, different = proof.values + values, different + wrong
            proof.keys += keys
            if not suspects and not different:  # what differs is found again after an interruption
                proof.next = window.high
            steps.say("verify", f"{container}: {proof.keys} keys, {proof.values} documents by value")
            steps.attempts.save(attempt)
        if sample is not None:
            values, wrong = verification.compare_some_values(sample)
            proof.values, different = proof.values + values, different + wrong
        proof.orphaned = self._judge(container, self._confirm(attempt, container, suspects) + different)
        proof.finished, proof.next = True, None

    def _confirm(self, attempt: Attempt, container: str, suspects: list[Suspect]) -> list[Suspect]:
        """Look at suspects again after the settle time: a change may still be on its way."""
        if suspects:
            self.steps.say("verify", f"{container}: {len(suspects)} documents seem to differ, and are looked at again")
            end = time.monotonic() + self.steps.settle_seconds
            while time.monotonic() < end:
                self.steps.attempts.save(attempt)
                self.steps.rest()
        return self.steps.open_verification(container).confirm(suspects)

    def _judge(self, container: str, found: list[Suspect]) -> int:
        """Raise RefusedError for drift; deletes that a reconcile has still to find are usual, and are counted."""
        wrong = [each for each in found if each.kind is not Kind.ORPHANED]
        if wrong:
            raise RefusedError(
                f"{len(wrong)} documents of {container} differ between Cosmos and PostgreSQL: start a reconcile with "
                "POST /api/reconciliations, and rehearse again."
            )
        return len(found)

    def _time_changes(self, proven: dict[str, Proof]) -> None:
        """Do what the pause will do: all counts, and the keys of what changed since."""
        for container in self.steps.containers:
            verification = self.steps.open_verification(container)
            verification.find_differing(verification.plan_counts(proven[container].line))
            for window in verification.plan_keys(Window(proven[container].line, END)):
                verification.compare_keys(window, END)

    def _time_counts(self) -> None:
        for container in self.steps.containers:
            verification = self.steps.open_verification(container)
            verification.tally_source(verification.plan_counts(END))
            lost = verification.tables.find_lost(LOST_AT_MOST)
            self._judge(container, [Suspect(identity, Kind.DIFFERENT, None, None) for identity in lost])
