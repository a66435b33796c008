"""Answers of an app that never ran: built from the models of the API, so that they have its shapes."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from cdc.api.backfills import BackfillPage
from cdc.api.dead_letters import LetterItem, LetterPage
from cdc.api.history import History
from cdc.api.reconciliations import ReconciliationPage
from cdc.backfill.progress import BackfillStatus, Totals
from cdc.core.errors import ProblemKind
from cdc.operations.pauses import PauseStatus
from cdc.operations.phase_record import PhaseChangeReport, PhaseReport
from cdc.operations.problems import Code, CurrentProblem, sum_up
from cdc.operations.readiness import ReadinessCheck, ReadinessReport
from cdc.operations.samples import Sample
from cdc.operations.status import ContainerStatus, LetterCounts, StatusReport
from cdc.operations.unmapped import UnmappedStatus
from cdc.reconcile.report import ReconciliationStatus, RotationReport, RunReport, UnmappedType
from cdc.repair.letters import LetterState

NAMES = ("Accounts", "GameSessions", "PlayerScenarioScores", "UserProfiles", "PendingSignups")
NOW = datetime.now(UTC)
STEP_SECONDS = 180


def healthy() -> dict[str, Any]:
    """Return the answers of an app with five containers and 24 hours of history, by path."""
    return write([a_container(name) for name in NAMES], [])


def troubled() -> dict[str, Any]:
    """Return the answers of an app that has every kind of thing to say."""
    pause = PauseStatus(
        container=NAMES[1],
        reason="the table is being rebuilt",
        since=ago(minutes=40),
        by="operator_login",
        source="operator",
        warning="Its feed loses changes after 2026-12-05 10:00 UTC: resume it before.",
    )
    letters = [
        LetterCounts(kind="mapping", state=state, documents=number)
        for state, number in (("waiting", 12), ("discarded", 2))
    ]
    unmapped = UnmappedStatus(container=NAMES[3], type="Guest", documents=41, has_mapper=True)
    containers = [
        a_container(NAMES[0], dead_letters=letters, oldest_letter_at=ago(hours=30)),
        a_container(
            NAMES[1], lag_seconds=2400.0, backlog=18_220, catch_up_seconds=None, paused=pause, changes_per_second=0.0
        ),
        a_container(
            NAMES[2], lag_seconds=None, backlog=None, lag_unknown="Cosmos does not answer.", lag_at=ago(minutes=9)
        ),
        a_container(NAMES[3], unmapped=[unmapped], backfill=_backfill("running", NAMES[3])),
        a_container(
            NAMES[4],
            reconciliation=_run(NAMES[4], drift={"missing": 40, "stale": 2}, left=40),
            counted_at=ago(minutes=14),
        ),
    ]
    problems = [
        CurrentProblem.of(
            Code.FEED_DEAD,
            "18,220 changes wait since 40 min, and no host renews the leases of the feed.",
            NAMES[1],
            ago(minutes=40),
        ),
        CurrentProblem.of(Code.PAUSED, "Paused by the operator: the table is being rebuilt", NAMES[1], ago(minutes=40)),
        CurrentProblem.of(
            Code.LETTER_OLD, "The oldest of 12 parked documents has been there for 30 hours.", NAMES[0], ago(hours=30)
        ),
        CurrentProblem.of(Code.UNMAPPED_TYPE, "41 documents of type Guest.", NAMES[3], ago(hours=2)),
        CurrentProblem.of(Code.UNMAPPED_TYPE, "3 documents of type Robot.", NAMES[3], ago(hours=2)),
        CurrentProblem.of(Code.COUNTS_OLD, "The ledger was counted 14 minutes ago.", None, ago(minutes=14)),
    ]
    return write(containers, problems)


def write(containers: list[ContainerStatus], problems: list[CurrentProblem]) -> dict[str, Any]:
    """Return the JSON of each path."""
    backfills = [
        _backfill(state, name) for state, name in (("running", NAMES[3]), ("paused", NAMES[1]), ("completed", NAMES[0]))
    ]
    answers: dict[str, Any] = {
        "status": StatusReport(
            verdict=sum_up(problems),
            at=NOW,
            problems=problems,
            phase="dual_write_cosmos_read",
            phase_meaning="The application writes and reads Cosmos DB; this app replicates it to PostgreSQL.",
            recorded_phase="dual_write_cosmos_read",
            containers=containers,
            change_feeds=[],
        ),
        "backfills": BackfillPage(items=backfills, next=None),
        "reconciliations": ReconciliationPage(
            items=[
                ReconciliationStatus(
                    id="7", state="completed", ended_early=None, containers=[_run(name) for name in NAMES]
                )
            ],
            next=None,
        ),
        "dead-letters": LetterPage(items=[_letter(number) for number in range(1, 4)], next=None, paused=[]),
        "phase": PhaseReport(
            setting="dual_write_cosmos_read",
            recorded="dual_write_cosmos_read",
            since=ago(hours=90),
            problem="MIGRATION_PHASE is 1, but the recorded phase is 2: set MIGRATION_PHASE to 2."
            if problems
            else None,
            changes=[
                PhaseChangeReport(
                    before=None,
                    phase="dual_write_cosmos_read",
                    at=ago(hours=90),
                    by="owner",
                    override="first start",
                    checks=[],
                )
            ],
        ),
        "readiness": _readiness(failing=bool(problems)),
    }
    histories = {
        f"status/history?container={each.container}&hours=24": _history(each.container, place)
        for place, each in enumerate(containers)
    }
    return {path: answer.model_dump(mode="json") for path, answer in (answers | histories).items()}


def ago(**span: float) -> datetime:
    """Return a time before now."""
    return NOW - timedelta(**span)


def a_container(name: str, **other: Any) -> ContainerStatus:
    """Return a container in which nothing is wrong but what is given."""
    usual: dict[str, Any] = {
        "container": name,
        "lag_seconds": 0.0,
        "backlog": 0,
        "lag_unknown": None,
        "lag_at": ago(seconds=2),
        "changes_per_second": 12.4,
        "catch_up_seconds": 0.0,
        "last_applied_at": ago(seconds=3),
        "documents": {"applied": 1_203_441, "parked": 12, "deleted": 5_122, "unmapped": 41},
        "applied_by_table": {},
        "counted_at": ago(seconds=40),
        "newest_ts": 1_800_000_000,
        "source_documents": 1_203_494,
        "dead_letters": [],
        "oldest_letter_at": None,
        "unmapped": [],
        "reconciliation": _run(name),
        "backfill": None,
        "paused": None,
    }
    return ContainerStatus(**{**usual, **other})


def _run(name: str, **other: Any) -> RunReport:
    usual: dict[str, Any] = {
        "id": "7",
        "container": name,
        "mode": "counts",
        "repair": True,
        "sample": 200,
        "max_request_units": 2_000.0,
        "state": "completed",
        "message": "Too many documents are missing: run a backfill." if other else None,
        "started_at": ago(minutes=9),
        "finished_at": ago(minutes=8),
        "keys": 50_120,
        "values": 200,
        "request_units": 812.5,
        "ended_early": "too_much_differs" if other else None,
        "drift": {"missing": 0, "stale": 0},
        "repaired": 0,
        "left": 0,
        "unmapped": [UnmappedType(type="Guest", documents=41)],
        "rotation": RotationReport(
            every_key_compared_since=ago(hours=6), round_began_at=ago(hours=1), keys_of_this_round=50_120
        ),
    }
    return RunReport(**{**usual, **other})


def _backfill(state: str, name: str) -> BackfillStatus:
    return BackfillStatus(
        id=f"backfill-{state}",
        state=state,
        containers=[name],
        resting=[name] if state == "paused" else [],
        problem="PostgreSQL does not answer." if state == "running" else None,
        dry_run=state == "completed",
        reapply=False,
        started_at=ago(minutes=50),
        finished_at=ago(minutes=5) if state == "completed" else None,
        max_request_units_per_second=400.0 if state == "running" else None,
        max_parallel_ranges=4,
        page_size=300,
        documents=1_200_000,
        totals=Totals(read=500_000, applied=400_000, stale=99_990, undecided=0, parked=10, unmapped=0),
        percent=100.0 if state == "completed" else 41.7,
        seconds_left=4_200 if state == "running" else None,
        request_units=812_000.0,
        request_units_per_second=338.25,
    )


def _letter(number: int) -> LetterItem:
    return LetterItem(
        id=number,
        document=f"{number:032x}",
        container=NAMES[0],
        kind=ProblemKind.MAPPING,
        path="CompletedScenarios[2].CompletedAt",
        message="is no date",
        state=LetterState.WAITING,
        attempts=number,
        parked_at=ago(hours=number),
        next_attempt_at=None,
    )


def _readiness(*, failing: bool) -> ReadinessReport:
    checks = [
        ReadinessCheck(
            name="setup", passed=True, actual="14 of 14 pass", required="all checks of python -m cdc check pass"
        ),
        *(
            ReadinessCheck(name="lag", container=name, passed=True, actual="0 s", required="at most 60 s")
            for name in NAMES
        ),
    ]
    if failing:
        remedy = "Correct the documents in Cosmos, or discard their letters: GET /api/dead-letters."
        checks.append(
            ReadinessCheck(
                name="dead letters",
                container=NAMES[0],
                passed=False,
                actual="12",
                required="none but discarded ones",
                remedy=remedy,
            )
        )
        checks.append(
            ReadinessCheck(
                name="full comparison",
                container=NAMES[4],
                passed=False,
                actual="since 2026-11-29 08:00:00 UTC",
                required="every key compared since 2026-11-29 09:00:00 UTC",
                measured_at=ago(minutes=8),
                remedy="Wait until the reconciles have compared all keys.",
            )
        )
    return ReadinessReport(to=2, phase="dual_write_postgres_read", ready=not failing, note=None, checks=checks)


def _history(name: str, place: int) -> History:
    """Return a day: a quiet night, a busy noon, and for some containers a time without samples or without a lag."""
    samples = []
    for number in range(24 * 3600 // STEP_SECONDS):
        at, wave = ago(seconds=STEP_SECONDS * (24 * 3600 // STEP_SECONDS - number)), math.sin(number / 40 + place)
        lag = max(0.0, 40 * place * wave + 3 * math.sin(number)) if place else max(0.0, 4 * math.sin(number))
        known = not (place == 2 and number > 430) and not (place == 3 and 200 < number < 230)
        if place == 4 and 100 < number < 140:
            continue
        samples.append(
            Sample(
                container=name,
                at=at,
                lag_seconds=lag if known else None,
                backlog=int(lag * 12) if known else None,
                unknown=None if known else "Cosmos does not answer.",
                source_documents=1_203_494,
                documents=1_203_494,
                unmapped=41,
                parked=12,
                applied=number * 1_000,
            )
        )
    return History(container=name, hours=24, step_seconds=STEP_SECONDS, samples=samples)
