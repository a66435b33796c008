"""The one look: a verdict, what is wrong and what to do, and the numbers of each container. It names no document."""

import logging
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

from pydantic import BaseModel

from cdc.backfill.progress import BackfillStatus
from cdc.config.settings import Settings
from cdc.core.errors import CdcError, TransientError
from cdc.core.feed_items import FeedMode
from cdc.operations.ability import Ability, AbilityReader
from cdc.operations.conditions import Condition, ConditionReader, Conditions
from cdc.operations.counts import LedgerCount, LetterCount
from cdc.operations.diagnosis import Diagnoser
from cdc.operations.feed_watch import Feed
from cdc.operations.pauses import PauseStatus
from cdc.operations.phase_record import tell_problem
from cdc.operations.phases import MEANINGS
from cdc.operations.problem_notes import Key, ProblemNotes
from cdc.operations.problems import Code, CurrentProblem, Health, Severity, sum_up
from cdc.operations.unmapped import UnmappedStatus, list_unmapped
from cdc.postgres import gate
from cdc.postgres.containers import FeedState
from cdc.postgres.database import Database
from cdc.reconcile.report import RunReport
from cdc.telemetry import rows
from cdc.telemetry.rows import Action

logger = logging.getLogger(__name__)

_SEVERITIES, _CODES = list(Severity), list[str](Code)
# A request does not wait longer for the feeds to be measured: it shows what was measured before.
_PATIENCE_SECONDS = 0.6
_NOTING_SECONDS = 10.0


class LetterCounts(BaseModel):
    """Dead letters of one kind and state."""

    kind: str
    state: str
    documents: int


class ContainerStatus(BaseModel):
    """A container in numbers: its lag, its documents, its dead letters, its newest finished reconcile.

    `lag_seconds` is the age of the oldest change that has not arrived, and `backlog` about how many have not; both are
    as of `lag_at`, and `lag_unknown` says why they are null. `documents` and `newest_ts` are as of `counted_at`: a
    large ledger is counted now and then. `source_documents` is the source's own count, as of the newest sample.
    `applied_by_table` has the applied documents of a container with several types by the root table of their type.
    `catch_up_seconds` is how long it takes at the present rate, null if it takes for ever. `paused` says why nothing
    is written.
    """

    container: str
    lag_seconds: float | None
    backlog: int | None
    lag_unknown: str | None
    lag_at: datetime | None
    changes_per_second: float | None
    catch_up_seconds: float | None
    last_applied_at: datetime | None
    documents: dict[str, int] | None
    applied_by_table: dict[str, int]
    counted_at: datetime | None
    newest_ts: int | None
    source_documents: int | None
    dead_letters: list[LetterCounts]
    oldest_letter_at: datetime | None
    unmapped: list[UnmappedStatus]
    reconciliation: RunReport | None
    backfill: BackfillStatus | None
    paused: PauseStatus | None


class ChangeFeedStatus(BaseModel):
    """A change feed: mode, gaps, the times after which a backfill and a complete reconcile must begin."""

    container: str
    mode: FeedMode | None
    gaps: int
    suspects: int
    backfill_since: datetime | None
    complete_reconcile_since: datetime | None


class StatusReport(BaseModel):
    """The verdict, every problem, the worst first, and the containers in numbers.

    While PostgreSQL does not answer, the lists of containers and feeds are empty. `phase_meaning` says what the setting
    means for this app, or how the recorded phase differs from it.
    """

    verdict: Health
    at: datetime
    problems: list[CurrentProblem]
    phase: str
    phase_meaning: str
    recorded_phase: str | None
    containers: list[ContainerStatus]
    change_feeds: list[ChangeFeedStatus]


class Status:
    """Looks at everything. `types` has the replicated containers and the document types that their mappers take."""

    def __init__(
        self,
        settings: Settings,
        types: Mapping[str, Collection[str]],
        database: Database,
        ability: AbilityReader,
        conditions: ConditionReader,
        diagnoser: Diagnoser,
    ) -> None:
        self._settings = settings
        self._types = types
        self._places = {name: place for place, name in enumerate(types)}
        self._database = database
        self._ability = ability
        self._conditions = conditions
        self._diagnoser = diagnoser
        self._notes = ProblemNotes(database)
        self._first_seen: dict[Key, datetime] = {}

    def read(self, patience: float = _PATIENCE_SECONDS) -> StatusReport:
        """Look at everything; the feeds may take so many seconds. Whatever is away is a problem, not an error."""
        now, ability = datetime.now(UTC), self.read_ability(patience)
        problems, known, recorded, noted = list(ability.problems), None, None, dict[Key, datetime]()
        if ability.passes("postgres") and ability.passes("migrations"):
            try:
                known, recorded = self._conditions.read(), gate.read_phase(self._database)
                noted = self._notes.read()
            except CdcError as error:
                problems.append(CurrentProblem.of(Code.NUMBERS_UNKNOWN, str(error)))
        unmapped = list_unmapped(known.ledger if known else None, self._types)
        if known is not None:
            problems += self._diagnoser.find(known, ability, unmapped, now)
        if not ability.replicates and not any(each.severity is Severity.STOPPED for each in problems):
            problems.append(CurrentProblem.of(Code.NOT_REPLICATING, MEANINGS[self._settings.phase]))
        return StatusReport(
            verdict=sum_up(problems),
            at=now,
            problems=self._date(problems, noted, now),
            phase=self._settings.phase.name.lower(),
            phase_meaning=(recorded and tell_problem(self._settings.phase, recorded)) or MEANINGS[self._settings.phase],
            recorded_phase=recorded and recorded.phase.name.lower(),
            containers=[] if known is None else list(_describe_all(known, ability.feeds, unmapped)),
            change_feeds=[] if known is None else [_describe_feed(each.feed) for each in known.containers if each.feed],
        )

    def read_ability(self, patience: float = _PATIENCE_SECONDS) -> Ability:
        """Look whether changes can arrive now."""
        return self._ability.read(patience)

    def list_paused(self) -> list[PauseStatus]:
        """Return the paused containers."""
        return [pause for name, pause in self._conditions.pauses.read().items() if name in self._types]

    def list_unmapped(self) -> list[UnmappedStatus]:
        """Return the unmapped documents of every container by type; raise TransientError if nobody has counted yet."""
        ledger = self._conditions.samples.counts.read_ledger()
        if ledger is None:
            raise TransientError("The ledger is large and was not counted yet: try again in a minute.")
        return list_unmapped(ledger, self._types)

    def note(self) -> None:
        """Note since when each problem is there, for whoever looks later, and log each for the alerts."""
        report = self.read(_NOTING_SECONDS)
        for each in report.problems:
            if each.severity is not Severity.NOTE:
                _tell(each)
        if report.containers:  # else PostgreSQL did not say which problems are gone
            self._notes.keep(report.problems)

    def _date(
        self, problems: Iterable[CurrentProblem], noted: Mapping[Key, datetime], now: datetime
    ) -> list[CurrentProblem]:
        """Order the problems; one that does not say since when it is there is as old as somebody has seen it."""
        found = sorted(problems, key=self._rank)
        keys = [(each.code, each.container) for each in found]
        self._first_seen = {key: min(noted.get(key, now), self._first_seen.get(key, now)) for key in keys}
        return [
            each if each.since else each.model_copy(update={"since": self._first_seen[key]})
            for each, key in zip(found, keys, strict=True)
        ]

    def _rank(self, problem: CurrentProblem) -> tuple[int, int, int]:
        """The worst come first, then in the order of the table, then of the containers."""
        place = -1 if problem.container is None else self._places.get(problem.container, len(self._places))
        return _SEVERITIES.index(problem.severity), _CODES.index(problem.code), place


def _tell(problem: CurrentProblem) -> None:
    level = logging.ERROR if problem.severity is Severity.STOPPED else logging.WARNING
    values = {"container": problem.container, "code": problem.code, "severity": problem.severity.value}
    rows.tell(logger, level, Action.PROBLEM, f"there is a problem, see {problem.docs}:", **values)


def _describe_all(
    known: Conditions, feeds: Mapping[str, Feed], unmapped: Iterable[UnmappedStatus]
) -> Iterable[ContainerStatus]:
    for each in known.containers:
        yield describe_container(each, feeds.get(each.container), known.ledger, known.letters, unmapped)


def describe_container(
    known: Condition,
    feed: Feed | None,
    ledger: LedgerCount | None,
    letters: Iterable[LetterCount],
    unmapped: Iterable[UnmappedStatus],
) -> ContainerStatus:
    """Return the status of a container; counts are those of all containers."""
    name, sample, rate = known.container, known.sample, known.rate
    caught_up = feed is not None and feed.lag.backlog == 0
    return ContainerStatus(
        container=name,
        lag_seconds=feed.lag.seconds if feed else sample and sample.lag_seconds,
        backlog=feed.lag.backlog if feed else sample and sample.backlog,
        lag_unknown=feed.lag.unknown if feed else sample.unknown if sample else "It was not measured yet.",
        lag_at=feed.measured_at if feed else sample and sample.at,
        changes_per_second=rate and rate.changes_per_second,
        # The rate's own backlog is a sample's: what it says of an empty one is over when something waits now.
        catch_up_seconds=0.0 if caught_up else (rate and rate.catch_up_seconds) or None,
        last_applied_at=known.applied and known.applied.last_at,
        documents=ledger and ledger.of(name),
        applied_by_table=ledger.by_table(name) if ledger else {},
        counted_at=ledger and ledger.counted_at,
        newest_ts=ledger and ledger.newest_ts(name),
        source_documents=sample and sample.source_documents,
        dead_letters=[
            LetterCounts(kind=count.kind, state=count.state, documents=count.documents)
            for count in letters
            if count.container == name
        ],
        oldest_letter_at=known.oldest_letter,
        unmapped=[each for each in unmapped if each.container == name],
        reconciliation=known.report,
        backfill=known.backfill,
        paused=known.pause,
    )


def _describe_feed(state: FeedState) -> ChangeFeedStatus:
    return ChangeFeedStatus(
        container=state.container,
        mode=state.mode,
        gaps=state.gaps,
        suspects=state.suspects,
        backfill_since=state.backfill_since,
        complete_reconcile_since=state.complete_reconcile_since,
    )
