"""The recorded phase against the setting, and the change of it."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel

from cdc.config.settings import Phase
from cdc.core.documents import JsonObject
from cdc.core.errors import ConflictError, FatalError, UnreadyError
from cdc.operations.checks import Note
from cdc.postgres import gate
from cdc.postgres.database import Database
from cdc.postgres.gate import RecordedPhase
from cdc.telemetry import rows
from cdc.telemetry.rows import Action

logger = logging.getLogger(__name__)


class UnrecordedError(FatalError):
    """No phase is recorded, so nothing is written."""


class NamedCheck(Protocol):
    """A check of readiness."""

    @property
    def name(self) -> str: ...
    @property
    def container(self) -> str | None: ...
    @property
    def remedy(self) -> str | None: ...
    @property
    def passed(self) -> bool: ...
    @property
    def actual(self) -> str: ...
    @property
    def required(self) -> str: ...
    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


class PhaseChangeReport(BaseModel):
    """A change of the recorded phase, with the checks as they stood, and why somebody overrode them."""

    before: str | None
    phase: str
    at: datetime
    by: str
    override: str | None
    checks: list[JsonObject]


class PhaseStatus(BaseModel):
    """The phase of the settings and the recorded one, and what is wrong between them."""

    setting: str
    recorded: str | None
    since: datetime | None
    problem: str | None


class PhaseReport(PhaseStatus):
    """The phase, and its newest changes."""

    changes: list[PhaseChangeReport]


class PhaseRecord:
    """Compares the phase of the settings with the recorded one, and records another.

    `check_readiness` measures whether the application may go to a phase.
    """

    def __init__(
        self, setting: Phase, database: Database, check_readiness: Callable[[Phase], Sequence[NamedCheck]]
    ) -> None:
        self._setting = setting
        self._database = database
        self._check_readiness = check_readiness
        self._logged: str | None = None

    def check(self) -> Note | None:
        """Return a note if setting and record differ; raise FatalError if either is phase 3, or none is recorded."""
        problem = find_problem(self._setting, gate.read_phase(self._database))
        return None if problem is None else Note(problem)

    def watch(self) -> None:
        """Log a difference once, until there is another one; raise what `check` raises."""
        note = self.check()
        if note is not None and note != self._logged:
            rows.tell(logger, logging.WARNING, Action.PHASE, str(note))
        self._logged = note

    def read(self) -> PhaseStatus:
        """Return setting and record."""
        recorded = gate.read_phase(self._database)
        return PhaseStatus(
            setting=_name(self._setting),
            recorded=recorded and _name(recorded.phase),
            since=recorded and recorded.since,
            problem=tell_problem(self._setting, recorded),
        )

    def report(self) -> PhaseReport:
        """Return setting, record, and history."""
        return PhaseReport(
            **self.read().model_dump(),
            changes=[
                PhaseChangeReport(
                    before=None if each.before is None else _name(each.before),
                    phase=_name(each.phase),
                    at=each.at,
                    by=each.by,
                    override=each.override,
                    checks=list(each.checks),
                )
                for each in gate.read_changes(self._database)
            ],
        )

    def change(self, phase: Phase, override: str | None = None) -> None:
        """Record a phase; a higher one only if every check of readiness passes, or with a reason to override them."""
        recorded = gate.read_phase(self._database)
        if recorded is None:
            raise FatalError("No phase is recorded yet: run python -m cdc setup first.")
        _refuse_cut_over(recorded.phase, phase)
        gate.check_recorder(self._database)  # before it measures, which takes long
        checks = self._check_readiness(phase) if phase > recorded.phase else ()
        failed = [check for check in checks if not check.passed]
        if failed and not override:
            raise UnreadyError(
                f"Phase {phase} is not recorded, because {len(failed)} checks of readiness fail. "
                "--override WHY records it in spite of them.",
                [(_locate(check), f"{check.actual} (must be: {check.required}). {check.remedy}") for check in failed],
            )
        stood = [check.model_dump(mode="json") for check in checks]
        gate.record(self._database, recorded.phase, phase, stood, override)


def _refuse_cut_over(recorded: Phase, phase: Phase) -> None:
    if recorded is phase:
        raise ConflictError(f"Phase {phase} is already recorded.")
    if phase is Phase.POSTGRES_ONLY:
        raise ConflictError("Phase 3 is recorded by the cut-over alone, with its proof: python -m cdc cutover.")
    if recorded is Phase.POSTGRES_ONLY:
        raise ConflictError(
            "Phase 3 is recorded, and no lower phase starts again: it would overwrite the application's rows with "
            "older documents of Cosmos."
        )


def tell_problem(setting: Phase, recorded: RecordedPhase | None) -> str | None:
    """Return what is wrong between the setting and the recorded phase, and what to do, in words."""
    try:
        return find_problem(setting, recorded)
    except FatalError as error:
        return str(error)


def find_problem(setting: Phase, recorded: RecordedPhase | None) -> str | None:
    """Return how setting and record differ; raise FatalError if either is phase 3, or none is recorded."""
    if recorded is None:
        raise UnrecordedError("No phase is recorded, so nothing is written: run python -m cdc setup.")
    phase = recorded.phase
    if setting is phase:
        return None
    said = f"MIGRATION_PHASE is {_describe(setting)}, but the recorded phase is {_describe(phase)}"
    if phase is Phase.POSTGRES_ONLY:
        raise FatalError(f"{said}, so this app writes nothing: set MIGRATION_PHASE to 3, or stop this app.")
    if setting is Phase.POSTGRES_ONLY:
        raise FatalError(
            f"{said}: nothing is replicated, and the changes wait in Cosmos. Set MIGRATION_PHASE to {phase}; only the "
            "cut-over records phase 3."
        )
    return f"{said}: set MIGRATION_PHASE to {phase}, or record the other with python -m cdc phase {setting}."


def _locate(check: NamedCheck) -> str:
    return f"{check.container}: {check.name}" if check.container else check.name


def _name(phase: Phase) -> str:
    return phase.name.lower()


def _describe(phase: Phase) -> str:
    return f"{phase} ({_name(phase)})"
