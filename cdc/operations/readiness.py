"""Readiness for a phase: named checks, each measured, with what is and what must be."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from cdc.config.settings import Phase, Settings
from cdc.core.errors import CdcError
from cdc.core.mapping import Mapper
from cdc.operations.checks import COVERAGE, Check, Checks
from cdc.operations.evidence import Evidence, read_evidence
from cdc.operations.lookups import find_unserved
from cdc.operations.measurements import Measurement, Measurements, rule_check
from cdc.operations.unmapped import UnmappedStatus
from cdc.postgres import gate
from cdc.postgres.database import Database

_NOTES = {
    Phase.COSMOS_ONLY: "Nothing must hold before phase 0: this app does nothing in it.",
    Phase.POSTGRES_ONLY: "Only the cut-over leads to phase 3; these checks must pass before it begins.",
}

_OLD = "Find out why it is not measured any more: the timer maintain and the reconciles do it."
_MEASURE = "Wait for the timer maintain, or measure now: `python -m cdc readiness --anew`."
_RECONCILE = "Wait for the next reconcile, or start one: `POST /api/reconciliations`."
_DRIFT = "Look at the findings of this reconcile, and start one with repair: `POST /api/reconciliations`."
_UNCLAIMED = "Look at these rows with `python -m cdc show ID --drift`, and delete those that nobody needs."
_RULES = "`python -m cdc cutover check --identities` names the documents: correct them in Cosmos."
_NO_TIME = "The time of the request was too short: run `python -m cdc readiness`."
_LONG_SECONDS = 7_200


class ReadinessCheck(BaseModel):
    """One check: what is, what must be, and, if it fails, what to do. `measured_at` is null if it was measured now."""

    model_config = ConfigDict(frozen=True)

    name: str
    container: str | None = None
    passed: bool
    actual: str
    required: str
    measured_at: datetime | None = None
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class _Requirement:
    name: str
    container: str | None
    required: str

    def judge(self, passed: bool, actual: object, remedy: str, measured_at: datetime | None = None) -> ReadinessCheck:
        return ReadinessCheck(
            name=self.name,
            container=self.container,
            passed=passed,
            actual=str(actual),
            required=self.required,
            measured_at=measured_at,
            remedy=None if passed else remedy,
        )


class ReadinessReport(BaseModel):
    """Whether the application may go to a phase, and why."""

    to: int
    phase: str
    ready: bool
    note: str | None
    checks: list[ReadinessCheck]


class Readiness:
    """Checks whether the application may go to a phase.

    `look` looks at the leases of all containers; `read_lag` raises UnknownLagError if the leases of one do not tell.
    """

    def __init__(
        self,
        settings: Settings,
        mappers: Sequence[Mapper[Any]],
        database: Database,
        checks: Checks,
        measurements: Measurements,
        look: Callable[[], None],
        read_lag: Callable[[str], float],
        list_unmapped: Callable[[], Iterable[UnmappedStatus]],
    ) -> None:
        self._settings = settings
        self._mappers = mappers
        self._database = database
        self._checks = checks
        self._measurements = measurements
        self._look = look
        self._read_lag = read_lag
        self._list_unmapped = list_unmapped

    def report(self, to: int | None = None, *, anew: bool = False) -> ReadinessReport:
        """Report on a phase, by default on the next one."""
        phase = self._find_next() if to is None else Phase(to)
        checks = self.check(phase, anew=anew)
        return ReadinessReport(
            to=phase,
            phase=phase.name.lower(),
            ready=all(check.passed for check in checks),
            note=_NOTES.get(phase),
            checks=checks,
        )

    def check(self, to: int, *, anew: bool) -> list[ReadinessCheck]:
        """Run the checks of a phase; with `anew`, measure now what is usually measured by the timer.

        If a store does not answer, only the check of the setup is returned.
        """
        if to < Phase.DUAL_WRITE_COSMOS_READ:
            return []
        setup = self._checks.run()
        checks = [_check_setup([each for each in setup if each.name != COVERAGE])]
        if to == Phase.DUAL_WRITE_COSMOS_READ or any(each.skipped for each in setup):
            return checks
        if anew:
            self._measurements.measure()
            self._look()
        return [*checks, self._check_settled(), *self._check_containers()]

    def _find_next(self) -> Phase:
        recorded = gate.read_phase(self._database)
        current = self._settings.phase if recorded is None else recorded.phase
        return Phase(min(current + 1, Phase.POSTGRES_ONLY))

    def _check_settled(self) -> ReadinessCheck:
        limit, recorded = self._settings.readiness_settle_seconds, gate.read_phase(self._database)
        requirement = _Requirement("settle time", None, f"at least {_span(limit)} since the last change of the phase")
        if recorded is None:
            return requirement.judge(False, "no phase is recorded", "Run `python -m cdc setup`.")
        seconds = (datetime.now(UTC) - recorded.since).total_seconds()
        return requirement.judge(seconds >= limit, _span(seconds), "Wait: faults of this phase may show only later.")

    def _check_containers(self) -> Iterator[ReadinessCheck]:
        containers = [mapper.container for mapper in self._mappers]
        evidence = read_evidence(self._database, containers, self._settings.settle_seconds)
        measured, unmapped = self._measurements.read(), list(self._list_unmapped())
        for mapper, known in zip(self._mappers, evidence, strict=True):
            yield _check_backfill(known)
            yield self._check_lag(known.container)
            yield _check_letters(known)
            yield _check_pause(known)
            yield from self._check_runs(known)
            yield _check_comparison(known)
            yield self._check_unmapped(known.container, unmapped)
            yield self._check_coverage(known)
            yield _check_lookups(self._database, mapper)
            yield from self._check_rules(mapper, measured)

    def _check_lag(self, container: str) -> ReadinessCheck:
        limit = self._settings.readiness_max_lag_seconds
        requirement = _Requirement("lag", container, f"at most {_span(limit)}")
        try:
            lag = self._read_lag(container)
        except CdcError as error:
            return requirement.judge(False, "not known", str(error))
        remedy = "Wait until the feed has caught up; if it does not, look for failed batches in the log."
        return requirement.judge(lag <= limit, _span(lag), remedy)

    def _check_runs(self, known: Evidence) -> Iterator[ReadinessCheck]:
        wanted, runs = self._settings.readiness_clean_runs, known.runs
        drift = _Requirement("drift", known.container, "none unresolved in the newest completed reconcile")
        clean = _Requirement(
            "clean runs", known.container, f"at least {wanted} without unresolved drift, one after the other"
        )
        unclaimed = _Requirement("unclaimed rows", known.container, "none in the newest completed reconcile")
        if runs is None:
            for each in (drift, clean, unclaimed):
                yield each.judge(False, "no reconcile has completed", _RECONCILE)
            return
        yield self._judge_aged(drift, runs.unresolved == 0, runs.unresolved, _DRIFT, runs.newest_at, runs.age_seconds)
        yield clean.judge(runs.clean >= wanted, runs.clean, "Wait for the next reconciles.", runs.newest_at)
        yield self._judge_aged(
            unclaimed, runs.unclaimed == 0, runs.unclaimed, _UNCLAIMED, runs.newest_at, runs.age_seconds
        )

    def _check_unmapped(self, container: str, unmapped: Iterable[UnmappedStatus]) -> ReadinessCheck:
        found = [each for each in unmapped if each.container == container]
        accepted = self._settings.readiness_accepted_types
        open_ = [each for each in found if each.has_mapper or f"{container}:{each.type}" not in accepted]
        requirement = _Requirement("unmapped types", container, "none but those in READINESS_ACCEPTED_TYPES")
        actual = ", ".join(f"{each.type} ({each.documents} documents)" for each in found) or "none"
        return requirement.judge(not open_, actual, " ".join(_tell_remedy(each) for each in open_))

    def _check_coverage(self, known: Evidence) -> ReadinessCheck:
        requirement = _Requirement("feed coverage", known.container, "leases cover the whole feed exactly once")
        if known.leases_seen_at is None or known.look_age_seconds is None:
            return requirement.judge(False, "nobody has looked", "Wait for the timer maintain: it looks at the leases.")
        problem = known.lease_problem
        actual = "not covered" if problem else "covered"
        return self._judge_aged(
            requirement, problem is None, actual, problem or "", known.leases_seen_at, known.look_age_seconds
        )

    def _check_rules(
        self, mapper: Mapper[Any], measured: Mapping[tuple[str, str], Measurement]
    ) -> Iterator[ReadinessCheck]:
        for rule in mapper.rules:
            requirement = _Requirement(rule_check(rule), mapper.container, "0 rows break it")
            found = measured.get((requirement.name, mapper.container))
            if found is None:
                yield requirement.judge(False, "never measured", _MEASURE)
            else:
                yield self._judge_aged(
                    requirement, found.passed, found.actual, _RULES, found.measured_at, found.age_seconds
                )

    def _judge_aged(
        self, requirement: _Requirement, passed: bool, actual: object, remedy: str, at: datetime, age: float
    ) -> ReadinessCheck:
        """Judge a result that was kept: one that is too old proves nothing."""
        limit = self._settings.readiness_max_age_seconds
        if age <= limit:
            return requirement.judge(passed, actual, remedy, at)
        too_old = f"{actual}, but {_span(age)} ago, longer than {_span(limit)}"
        return requirement.judge(False, too_old, _OLD if passed else f"{_OLD} {remedy}", at)


def _check_setup(found: Sequence[Check]) -> ReadinessCheck:
    failed = [f"{check.name}: {check.problem}" for check in found if check.problem is not None]
    passed = sum(check.problem is None and not check.skipped for check in found)
    requirement = _Requirement("setup", None, "all checks of `python -m cdc check` pass")
    return requirement.judge(passed == len(found), f"{passed} of {len(found)} pass", " ".join(failed) or _NO_TIME)


def _check_backfill(known: Evidence) -> ReadinessCheck:
    requirement = _Requirement("backfill", known.container, "completed since its feed began, and none unfinished")
    if known.is_copying:
        return requirement.judge(False, "a backfill is not finished", "Wait for it: `GET /api/backfills`.")
    copied = known.copied_at
    actual = "never completed" if copied is None else f"completed at {copied:%Y-%m-%d %H:%M:%S %Z}"
    return requirement.judge(copied is not None, actual, "Run a backfill of this container: `POST /api/backfills`.")


def _check_letters(known: Evidence) -> ReadinessCheck:
    requirement = _Requirement("dead letters", known.container, "none but discarded ones")
    remedy = "Correct the documents in Cosmos, or discard their letters: `GET /api/dead-letters`."
    return requirement.judge(known.letters == 0, known.letters, remedy)


def _check_pause(known: Evidence) -> ReadinessCheck:
    requirement = _Requirement("pause", known.container, "not paused")
    reason = known.pause_reason
    actual = "not paused" if reason is None else f"paused: {reason}"
    return requirement.judge(
        reason is None, actual, f"Remove the reason, then run `python -m cdc resume {known.container}`."
    )


def _check_comparison(known: Evidence) -> ReadinessCheck:
    """All keys must have been compared since the copy, and since something was or may have been wrong."""
    since = known.compared_since
    moments = (known.copied_at, known.incomplete_until, known.runs.unclean_at if known.runs else None)
    after = max((moment for moment in moments if moment is not None), default=None)
    required = "every key compared" if after is None else f"every key compared since {after:%Y-%m-%d %H:%M:%S %Z}"
    requirement = _Requirement("full comparison", known.container, required)
    actual = "not complete yet" if since is None else f"since {since:%Y-%m-%d %H:%M:%S %Z}"
    passed = since is not None and (after is None or since >= after)
    remedy = (
        'Wait until the reconciles have compared all keys, or do it now: `POST /api/reconciliations {"mode": "keys"}`.'
    )
    return requirement.judge(passed, actual, remedy)


def _check_lookups(database: Database, mapper: Mapper[Any]) -> ReadinessCheck:
    requirement = _Requirement("look-ups", mapper.container, "an index serves each look-up of the application")
    unserved = find_unserved(database, [mapper])
    return requirement.judge(not unserved, f"{len(unserved)} without an index", "; ".join(unserved))


def _tell_remedy(unmapped: UnmappedStatus) -> str:
    if unmapped.has_mapper:
        return f"A mapper takes {unmapped.type} now: run a backfill of {unmapped.container} with `reapply`."
    accepted = f"`{unmapped.container}:{unmapped.type}` to `READINESS_ACCEPTED_TYPES`"
    return f"Deploy a mapper and run a backfill with `reapply`, or accept it: add {accepted}."


def _span(seconds: float) -> str:
    """Tell a time in seconds, or hours if it is long."""
    return f"{seconds:.0f} s" if seconds < _LONG_SECONDS else f"{seconds / 3_600:.1f} h"
