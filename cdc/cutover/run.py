"""The run: quiet, drain, verify, rules, positions, quiet and counts once more, switch; the order keeps rows."""

from dataclasses import dataclass

from cdc.config.settings import Phase
from cdc.core.documents import JsonObject
from cdc.core.errors import CdcError, ConflictError, FatalError, UnreadyError
from cdc.cutover.attempt import Attempt, Progress
from cdc.cutover.rules import Rules
from cdc.cutover.steps import RefusedError, Steps, check_same
from cdc.postgres import forgotten, gate
from cdc.postgres.database import Connection
from cdc.postgres.pool import Use
from cdc.postgres.statements import statement
from cdc.reconcile.drift import Tally, Window
from cdc.reconcile.ledger_side import tally
from cdc.reconcile.tables_side import find_lost
from cdc.reconcile.verification import END

# How often it begins again when something came in between.
_ROUNDS = 3
# The locks of the gate wait at most so long.
_SWITCH_SECONDS = 300.0

Counted = dict[str, list[tuple[Window, Tally]]]
Positions = dict[str, list[JsonObject]]


@dataclass(frozen=True, slots=True)
class Run:
    """Runs and aborts the cut-over."""

    steps: Steps
    rules: Rules

    def run(self) -> Attempt:
        """Cut over, or go on where an interrupted run stopped; until its last step nothing is switched."""
        self._refuse_phase()
        gate.check_recorder(self.steps.database)
        proof = self._check_proof()
        with self.steps.attempts.working_on_run():
            attempt = self.steps.attempts.begin("run")
            try:
                self._run(attempt, proof)
            except CdcError as error:
                self._note(attempt, error)
                raise
        return attempt

    def _run(self, attempt: Attempt, proof: Progress) -> None:
        steps, progress = self.steps, attempt.progress
        with steps.timed(attempt, "check"):
            self._check(attempt)
            if _name_sources(progress) != _name_sources(proof):
                progress.ends = {}
            progress.containers = proof.containers
        for _ in range(_ROUNDS):
            with steps.timed(attempt, "quiet"):
                steps.wait_for_quiet(attempt, self.rules.take_back)  # no document may arrive under the rules
            with steps.timed(attempt, "drain"):
                steps.drain(attempt)
            with steps.timed(attempt, "changes"):
                steps.verify_changes(attempt, proof.containers)
            with steps.timed(attempt, "rules"):
                self.rules.apply(attempt)
            with steps.timed(attempt, "counts"):
                positions = self._take_positions()
                counted, written = self._count(), steps.find_written(progress)
            if not written and self._switch(attempt, counted, positions):
                return
            steps.say("counts", "something came in between: once more")
            self.rules.take_back(attempt)
        raise RefusedError(
            "Something changes again and again, so nothing was switched. Stop what writes or deletes in Cosmos, take "
            "its access away, and run this command again."
        )

    def abort(self) -> Attempt | None:
        """Take back what an unfinished run has done, and return that run; None if there is none."""
        self._refuse_phase(of_abort=True)
        gate.check_recorder(self.steps.database)
        with self.steps.database.transaction() as connection:
            attempt = self.steps.attempts.abort_in(connection)
            if attempt is not None:
                self.rules.drop(connection, attempt.progress.rules)
        if attempt is None:
            self._refuse_phase(of_abort=True)  # it may have ended just now
        return attempt

    def _refuse_phase(self, *, of_abort: bool = False) -> None:
        recorded = gate.read_phase(self.steps.database)
        if recorded is None:
            raise FatalError("No phase is recorded yet: run python -m cdc setup first.")
        if recorded.phase is Phase.POSTGRES_ONLY:
            raise ConflictError(
                f"Phase 3 is recorded since {recorded.since:%Y-%m-%d %H:%M:%S %Z}: PostgreSQL is the primary store, "
                "and nothing leads back from it."
            )
        if not of_abort and recorded.phase is not Phase.DUAL_WRITE_POSTGRES_READ:
            raise ConflictError(f"The cut-over leads from phase 2 to 3, but phase {recorded.phase} is recorded.")

    def _check_proof(self) -> Progress:
        """Return the newest rehearsal; raise if there is none, it is stale, or it was of other containers."""
        rehearsal = self.steps.attempts.read_newest("rehearsal", ["completed"])
        if rehearsal is None:
            raise ConflictError("Nothing was rehearsed yet: run python -m cdc cutover rehearse.")
        age, limit = rehearsal.progress.age_seconds, self.steps.proof_seconds
        if age > limit:
            raise ConflictError(
                f"The proof of the newest rehearsal is {age:.0f} s old, and a proof holds for {limit:.0f} s: "
                "run python -m cdc cutover rehearse again."
            )
        check_same(rehearsal.progress.containers, self.steps.identify())
        return rehearsal.progress

    def _check(self, attempt: Attempt) -> None:
        if not attempt.progress.rules:
            self.rules.check()
        self.steps.refuse_pauses()
        failed = self.steps.find_unready(attempt)
        if failed:
            raise UnreadyError(
                f"The cut-over does not begin, because {len(failed)} checks of readiness fail.",
                [(each.name, f"{each.actual}; must be: {each.required}") for each in failed],
            )

    def _take_positions(self) -> Positions:
        """Return where the watch will begin: whatever is written from here on is either in the ledger or an alarm."""
        return {name: [each.write() for each in self.steps.tail.find_ends(name)] for name in self.steps.containers}

    def _count(self) -> Counted:
        counted = Counted()
        for name in self.steps.containers:
            verification = self.steps.open_verification(name)
            windows = verification.plan_counts(END)
            counted[name] = list(zip(windows, verification.tally_source(windows), strict=True))
        return counted

    def _switch(self, attempt: Attempt, counted: Counted, positions: Positions) -> bool:
        """Record phase 3 with the proof, unless the ledger differs from what was counted; then nothing is changed.

        The gate is closed: no transaction of this app writes until the end.
        """
        progress, database = attempt.progress, self.steps.database
        progress.step = "switch"
        self.steps.say("switch", "begins")
        with gate.closed(database.share(Use.OPERATORS, seconds=_SWITCH_SECONDS)) as connection:
            problem = self._find_problem(connection, counted)
            if problem is not None:
                self.steps.say("switch", problem)
                return False
            progress.pause_seconds = self.steps.quiet_seconds(progress)
            self.steps.attempts.end_in(connection, attempt)
            for name, places in positions.items():
                forgotten.begin(connection, name, places)
            gate.record_in(connection, Phase.DUAL_WRITE_POSTGRES_READ, Phase.POSTGRES_ONLY, _describe(progress))
        return True

    def _find_problem(self, connection: Connection, counted: Counted) -> str | None:
        """Say what is not as it was verified."""
        for mapper in self.steps.mappers:
            name = mapper.container
            if any(tally(connection, name, window) != found for window, found in counted[name]):
                return f"the counts of {name} differ"
            if find_lost(connection, mapper, 1):
                return f"rows of {name} are gone"
        if (
            connection.execute(statement("count_open_letters"), {"containers": self.steps.containers}).fetchone()
            is not None
        ):
            return "documents are parked"
        missing = self.rules.find_missing(connection)
        return f"the rules {', '.join(missing)} are not in force" if missing else None

    def _note(self, attempt: Attempt, error: CdcError) -> None:
        """Keep why it stopped, if PostgreSQL answers and nobody else has taken over."""
        try:
            self.steps.attempts.save(attempt, str(error))
        except CdcError:
            return


def _name_sources(progress: Progress) -> dict[str, tuple[str, str]]:
    return {name: proof.source for name, proof in progress.containers.items()}


def _describe(progress: Progress) -> list[JsonObject]:
    """Return the proof in the form of checks, as the history of the phase keeps them."""
    return [
        {
            "name": f"verified {name}",
            "passed": True,
            "actual": f"{proof.keys} keys, {proof.values} documents by value up to _ts {proof.line}, then all counts",
            "required": "both sides are equal",
        }
        for name, proof in progress.containers.items()
    ]
