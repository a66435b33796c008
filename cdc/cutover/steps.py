"""The steps of the pause of writing: quiet, drain, verify. Each can be done again at any time."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cdc.config.settings import Phase
from cdc.core.errors import CdcError, FatalError, UnknownLagError
from cdc.core.mapping import Mapper
from cdc.cosmos.account import CosmosAccount
from cdc.cosmos.leases import Leases
from cdc.cosmos.places import Place
from cdc.cosmos.tail import Tail
from cdc.cutover.attempt import Attempt, Progress, Proof
from cdc.cutover.store import Attempts
from cdc.operations.phase_record import NamedCheck
from cdc.postgres.containers import ConfirmedSource
from cdc.postgres.database import Database
from cdc.postgres.statements import statement
from cdc.reconcile.cosmos_side import CosmosSide
from cdc.reconcile.drift import Window
from cdc.reconcile.ledger_side import PostgresLedgerSide
from cdc.reconcile.store import PostgresRuns
from cdc.reconcile.tables_side import PostgresTablesSide
from cdc.reconcile.verification import END, Verification

# What happens, for whoever watches: the step, and a sentence.
Say = Callable[[str, str], None]

# Cosmos must become quiet within so many settle times.
_QUIET_TRIES = 5
# What makes no progress for so long needs a person.
STUCK_SECONDS = 600.0
_REPAIRS = 3
# So many documents whose rows are gone are counted.
LOST_AT_MOST = 20
_ALL = 1e12
_UNQUIET = (
    "Cosmos is still written: the last change came {:.1f} s ago, and nothing may come for {:.0f} s. Stop what writes, "
    "take its access away, and run this command again."
)
_PARKED = (
    "{} documents of {} are parked, and no retry will apply them: GET /api/dead-letters says why. Correct them in "
    "Cosmos, or discard their letters, and run this command again."
)


class RefusedError(CdcError):
    """A cut-over that does not go on; the message says why and what to do. Nothing was switched."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What a rehearsal and a run do alike.

    Cosmos must be quiet for `settle_seconds`, and a proof holds for `proof_seconds`.
    """

    mappers: Sequence[Mapper[Any]]
    database: Database
    account: CosmosAccount
    source: ConfirmedSource
    leases: Leases
    tail: Tail
    attempts: Attempts
    check_readiness: Callable[[Phase], Sequence[NamedCheck]]
    settle_seconds: float
    proof_seconds: float
    say: Say

    @property
    def containers(self) -> list[str]:
        """Return the containers that are replicated."""
        return [mapper.container for mapper in self.mappers]

    @contextmanager
    def timed(self, attempt: Attempt, step: str) -> Iterator[None]:
        """Do a step; keep its name before it, and its time after it."""
        attempt.progress.step = step
        self.attempts.save(attempt)
        self.say(step, "begins")
        begun = time.monotonic()
        yield
        attempt.progress.seconds[step] = time.monotonic() - begun
        self.attempts.save(attempt)

    def identify(self) -> dict[str, Proof]:
        """Return which containers the settings name now; raise FatalError if one is not the one seen first."""
        found = [self.source.confirm_now(name) for name in self.containers]
        return {each.container: Proof(account=each.account, rid=each.rid, line=0) for each in found}

    def find_unready(self, attempt: Attempt) -> list[NamedCheck]:
        """Return the checks of readiness that would refuse a run, and keep them."""
        failed = [each for each in self.check_readiness(Phase.POSTGRES_ONLY) if not each.passed]
        attempt.progress.unready = [f"{each.name}: {each.actual}" for each in failed]
        return failed

    def wait_for_quiet(self, attempt: Attempt, at_write: Callable[[Attempt], None]) -> None:
        """Wait until nothing was written for the settle time; call `at_write` at once when something was.

        The places that an earlier process has kept count: what came since is still in the feed.
        """
        progress, begun = attempt.progress, time.monotonic()
        if not progress.ends:  # whatever was written before is not known
            at_write(attempt)
            self._note_ends(progress)
        while True:
            written = self.find_written(progress)
            if written:
                at_write(attempt)
                self._note_ends(progress)
            self.attempts.save(attempt)
            seconds = self.quiet_seconds(progress)
            if seconds >= self.settle_seconds:
                return
            if time.monotonic() - begun > _QUIET_TRIES * self.settle_seconds:
                raise RefusedError(_UNQUIET.format(seconds, self.settle_seconds))
            self.say("quiet", f"nothing was written for {seconds:.0f} of {self.settle_seconds:.0f} s")
            self.rest()

    def _note_ends(self, progress: Progress) -> None:
        progress.ends = {name: [each.write() for each in self.tail.find_ends(name)] for name in self.containers}
        progress.quiet_since = datetime.now(UTC)  # not before: what came while they were taken does not show after them

    def quiet_seconds(self, progress: Progress) -> float:
        """Return since when nothing was written."""
        assert progress.quiet_since is not None  # noqa: S101 - it is set with the ends
        return (datetime.now(UTC) - progress.quiet_since).total_seconds()

    def find_written(self, progress: Progress) -> list[str]:
        """Return the containers to which something was written since the ends were noted."""
        places = {name: [Place.read(each) for each in ends] for name, ends in progress.ends.items()}
        return [name for name in self.containers if self.tail.has_after(name, places.get(name, []))]

    def drain(self, attempt: Attempt, until: dict[str, int] | None = None) -> None:
        """Wait until every lease is past the newest change, or past this `_ts`, and no letter waits.

        Raises RefusedError for a letter that no retry will end, and if nothing moves for a long time.
        """
        moved, before = time.monotonic(), list[str]()
        while waiting := self._find_waiting(until):
            if waiting != before:
                moved, before = time.monotonic(), waiting
            elif time.monotonic() - moved > STUCK_SECONDS:
                raise RefusedError(f"Nothing moves any more: {' '.join(waiting)} Check that the app runs.")
            self.say("drain", " ".join(waiting))
            self.attempts.save(attempt)
            self.rest()

    def _find_waiting(self, until: dict[str, int] | None) -> list[str]:
        waiting = []
        for name in self.containers:
            try:
                pending = self.leases.read_pending(self.source.confirm(name))
            except UnknownLagError as error:
                waiting.append(str(error))
                continue
            if pending.oldest is not None and (until is None or pending.oldest <= until[name]):
                waiting.append(f"{name}: about {pending.changes} changes have not arrived.")
        return [*waiting, *([] if until is not None else self._find_letters())]

    def _find_letters(self) -> list[str]:
        with self.database.connection() as connection:
            found = connection.execute(statement("count_open_letters"), {"containers": self.containers}).fetchall()
        for name, _, stuck in found:
            if stuck:
                raise RefusedError(_PARKED.format(stuck, name))
        return [f"{name}: {letters} dead letters wait for a retry." for name, letters, _ in found]

    def verify_changes(self, attempt: Attempt, proven: dict[str, Proof]) -> None:
        """Compare all counts, and the keys of what changed since it was proven; let a reconcile repair what differs.

        Rows that are gone differ, too: a rule may have taken them along while its run was dead.
        """
        for number in range(_REPAIRS + 1):
            differing = {name: count for name in self.containers if (count := self._count_changed(name, proven[name]))}
            if not differing:
                return
            told = ", ".join(f"{count} documents of {name}" for name, count in differing.items())
            if number == _REPAIRS:
                raise RefusedError(
                    f"{told} differ, and a reconcile has not repaired them: look at GET /api/reconciliations."
                )
            self.say("changes", f"{told} differ: a reconcile repairs them")
            self._reconcile(attempt, list(differing))

    def _count_changed(self, container: str, proven: Proof) -> int:
        verification = self.open_verification(container)
        changed = verification.plan_keys(Window(proven.line, END))
        windows = [*verification.find_differing(verification.plan_counts(END)), *changed]
        parts = [part for window in windows for part in verification.plan_keys(window)]
        self.say("changes", f"{container}: all counts, and the keys of {len(parts)} windows")
        differing = {each.identity for part in parts for each in verification.compare_keys(part, END)[1]}
        return len(differing.union(verification.tables.find_lost(LOST_AT_MOST)))

    def _reconcile(self, attempt: Attempt, containers: list[str]) -> None:
        """Let the app reconcile these containers, and wait for the end."""
        runs, begun = PostgresRuns(self.database), time.monotonic()
        left = containers
        while left:  # a run that another began may have looked before
            _, started = runs.begin(left, "counts", repair=True, sample=0, max_request_units=_ALL)
            left = [name for name in left if name not in started]
            while runs.list_running(containers):
                if time.monotonic() - begun > STUCK_SECONDS:
                    raise RefusedError("The reconcile does not end: check that the app runs, with its timer maintain.")
                self.attempts.save(attempt)
                self.rest()

    def open_verification(self, container: str) -> Verification:
        """Open the verification of a container; raise FatalError if it is not the one seen first."""
        mapper = next(each for each in self.mappers if each.container == container)
        return Verification(
            mapper,
            CosmosSide.open(self.account, self.source, container),
            PostgresLedgerSide(self.database, container),
            PostgresTablesSide(self.database, mapper),
        )

    def refuse_pauses(self) -> None:
        """Raise RefusedError while a container is paused."""
        with self.database.connection() as connection:
            row = connection.execute(statement("count_pauses"), {"containers": self.containers}).fetchone()
        if row is None or row[0]:
            raise RefusedError(
                "A container is paused, so its changes do not arrive: run python -m cdc resume CONTAINER."
            )

    def rest(self) -> None:
        """Wait a moment."""
        time.sleep(min(1.0, self.settle_seconds / 10))


def check_same(proven: dict[str, Proof], now: dict[str, Proof]) -> None:
    """Raise FatalError unless these are the containers that were rehearsed."""
    for name, found in now.items():
        if name not in proven:
            raise FatalError(f"{name} was not part of the rehearsal: run python -m cdc cutover rehearse again.")
        if proven[name].source != found.source:
            raise FatalError(
                f"{name} is another container than the one of the rehearsal: check COSMOS_CONNECTION and "
                "COSMOS_DATABASE, and run python -m cdc cutover rehearse again."
            )
