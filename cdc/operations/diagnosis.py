"""What is wrong, by what PostgreSQL knows of the containers, the reconciles and the timer."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cdc.config.settings import Settings
from cdc.core.mapping import OTHER_TYPE
from cdc.operations.ability import Ability
from cdc.operations.conditions import Condition, Conditions, UnfinishedCutover
from cdc.operations.feed_watch import Feed
from cdc.operations.lag import Lag
from cdc.operations.problems import Code, CurrentProblem
from cdc.operations.unmapped import UnmappedStatus

# The timer notes something in every minute, whatever is away but PostgreSQL.
_TIMER_SECONDS = 300
_NO_TIME = "It was not measured in time."
_OLD_LETTER = timedelta(days=1)
_STUCK = timedelta(minutes=15)
_OLD_COUNT_SECONDS = 3_600
# A statement may wait for two minutes before it fails.
_LONGEST_BATCH = timedelta(minutes=4)
# Both times that a lag lies between are whole seconds of the source: what waits may be older by so much.
_WHOLE_SECONDS = timedelta(seconds=1)
_FAILING_FIRST = "Do first what `feed_failing` says: it is the reason. This is gone when the changes have arrived."

Diagnosis = Iterator[CurrentProblem]


@dataclass(frozen=True, slots=True)
class Diagnoser:
    """Judges conditions; `part_limits` says after how many seconds each part of the timer is overdue."""

    settings: Settings
    part_limits: Callable[[], Mapping[str, float]]

    def find(self, known: Conditions, ability: Ability, unmapped: Iterable[UnmappedStatus], now: datetime) -> Diagnosis:
        """Return every problem that `ability` does not have yet."""
        for documents in unmapped:
            yield from self._judge_unmapped(documents)
        for (name, container), measured in known.measurements.items():
            if not measured.passed:
                message = f"{name}: {measured.actual}, as of {_time(measured.measured_at)}."
                yield CurrentProblem.of(Code.RULE_BROKEN, message, container)
        if known.cutover is not None:
            yield _judge_cutover(known.cutover)
        for each in known.containers:
            yield from _judge_pause(each)
            yield from _judge_letters(each, now)
            yield from _judge_backfill(each, now)
            if ability.replicates:
                failing = list(self._judge_failure(each, ability, now))
                yield from failing
                yield from (_explain(late, failing) for late in self._judge_lag(each, ability, now))
                yield from self._judge_copy(each)
                yield from self._judge_reconcile(each, now)
        if ability.replicates:
            yield from self._judge_timer(known, now)

    def _judge_lag(self, known: Condition, ability: Ability, now: datetime) -> Diagnosis:
        feed, name = ability.feeds.get(known.container), known.container
        lag, at = _find_lag(known, feed, now)
        if lag.code is not None or (feed is not None and feed.unrenewed_since is not None and lag.seconds is not None):
            return  # the reason is told already
        if lag.seconds is None and ability.can_measure:
            yield CurrentProblem.of(Code.LAG_UNKNOWN, lag.unknown or _NO_TIME, name)
        elif lag.seconds is not None and lag.seconds > self.settings.readiness_max_lag_seconds and known.pause is None:
            message = f"Waiting changes: about {lag.backlog}, the oldest for {lag.seconds:.0f} s."
            yield CurrentProblem.of(Code.FEED_BEHIND, message, name, at - timedelta(seconds=lag.seconds))

    def _judge_failure(self, known: Condition, ability: Ability, now: datetime) -> Diagnosis:
        failure = known.failure
        if failure is None or known.pause is not None or now - failure.last_at > self._longest_attempt:
            return
        lag, at = _find_lag(known, ability.feeds.get(known.container), now)
        if lag.seconds is not None and at > failure.last_at:  # the oldest change that waits
            older = _WHOLE_SECONDS if lag.backlog else timedelta()
            arrived_at: datetime | None = at - timedelta(seconds=lag.seconds) - older
        else:
            arrived_at = None if known.applied is None else known.applied.last_at
        if arrived_at is not None and arrived_at > failure.last_at:
            return
        message = f"The last attempt failed at {_time(failure.last_at)}: {failure.problem}"
        yield CurrentProblem.of(Code.FEED_FAILING, message, known.container, failure.since)

    @property
    def _longest_attempt(self) -> timedelta:
        """How long a batch that keeps failing may take from one failure to the next."""
        hours, minutes, seconds = map(int, self.settings.retry_maximum_interval.split(":"))
        return timedelta(hours=hours, minutes=minutes, seconds=seconds) + _LONGEST_BATCH

    def _judge_copy(self, known: Condition) -> Diagnosis:
        facts, feed = known.evidence, known.feed
        since = None if feed is None else feed.backfill_since
        is_needed = since is not None or self.settings.trigger_start != "beginning"
        begun_at = None if known.backfill is None else known.backfill.started_at
        comes = facts.is_copying and (since is None or begun_at is None or begun_at >= since)
        if is_needed and facts.copied_at is None and not comes and known.seen_at is not None:
            which = "A backfill" if since is None else f"A backfill that begins after {_time(since)}"
            message = f"{which} must complete."
            yield CurrentProblem.of(Code.BACKFILL_REQUIRED, message, known.container, since)
        after, done = facts.incomplete_until, facts.compared_since
        if after is not None and (done is None or done < after):
            message = f"A reconcile of all keys that begins after {_time(after)} must complete."
            yield CurrentProblem.of(Code.COMPARISON_REQUIRED, message, known.container, after)

    def _judge_reconcile(self, known: Condition, now: datetime) -> Diagnosis:
        report, runs, name = known.report, known.evidence.runs, known.container
        if report is not None and known.pause is None and report.state in ("failed", "behind"):
            code = Code.RECONCILE_FAILED if report.state == "failed" else Code.RECONCILE_BEHIND
            yield CurrentProblem.of(code, report.message or "It gives no reason.", name, report.finished_at)
        if report is not None and report.observations:
            count = len(report.observations)
            message = f"Paths with properties or values that its mapper does not know: {count}."
            yield CurrentProblem.of(Code.PROPERTY_UNKNOWN, message, name)
        if runs is not None and runs.unresolved:
            message = f"Differences that are left: {runs.unresolved}."
            yield CurrentProblem.of(Code.DRIFT_UNRESOLVED, message, name, runs.newest_at)
        if runs is not None and runs.unclaimed:
            message = f"Rows that belong to no document: {runs.unclaimed}."
            yield CurrentProblem.of(Code.ROWS_UNCLAIMED, message, name, runs.newest_at)
        last = known.seen_at if runs is None else runs.newest_at
        limit = self.settings.readiness_max_age_seconds
        if last is not None and (now - last).total_seconds() > limit:
            what = "No reconcile has completed yet." if runs is None else f"The last one completed at {_time(last)}."
            yield CurrentProblem.of(Code.RECONCILE_OVERDUE, what, name, last + timedelta(seconds=limit))

    def _judge_unmapped(self, each: UnmappedStatus) -> Diagnosis:
        name = "types that are not named" if each.type == OTHER_TYPE else f"the type {each.type}"
        if each.has_mapper:
            message = f"Documents of {name} that have no rows yet: {each.documents}."
            yield CurrentProblem.of(Code.UNMAPPED_BEFORE, message, each.container)
        elif f"{each.container}:{each.type}" not in self.settings.readiness_accepted_types:
            message = f"Documents of {name} that have no rows: {each.documents}."
            yield CurrentProblem.of(Code.UNMAPPED_TYPE, message, each.container, type_=each.type)

    def _judge_timer(self, known: Conditions, now: datetime) -> Diagnosis:
        done = [each.sample.at for each in known.containers if each.sample is not None] + list(known.parts.values())
        first = min((each.seen_at for each in known.containers if each.seen_at is not None), default=None)
        last = max(done, default=first)
        if last is not None and (now - last).total_seconds() > _TIMER_SECONDS:
            message = f"It has noted nothing since {_time(last)}."
            yield CurrentProblem.of(Code.MAINTAIN_OVERDUE, message, since=last)
            return
        limits = self.part_limits()
        for part, done_at in known.parts.items():
            if (now - done_at).total_seconds() > limits.get(part, float("inf")):
                yield CurrentProblem.of(Code.PART_OVERDUE, f"{part}: last done at {_time(done_at)}.", since=done_at)
        if known.ledger is not None and known.ledger.age_seconds > _OLD_COUNT_SECONDS:
            at = known.ledger.counted_at
            yield CurrentProblem.of(Code.COUNTS_OLD, f"The ledger was counted last at {_time(at)}.", since=at)


def _explain(late: CurrentProblem, failing: Sequence[CurrentProblem]) -> CurrentProblem:
    """Return a late feed without advice of its own if the reason is told already."""
    return late.model_copy(update={"remedy": _FAILING_FIRST}) if failing and late.code == Code.FEED_BEHIND else late


def _find_lag(known: Condition, feed: Feed | None, now: datetime) -> tuple[Lag, datetime]:
    """Return the lag that was measured now, or else that of a young sample, and when it was measured."""
    sample = known.sample
    if feed is not None:
        return feed.lag, feed.measured_at
    if sample is not None and (now - sample.at).total_seconds() <= _TIMER_SECONDS:
        return Lag(sample.lag_seconds, sample.backlog, sample.unknown), sample.at
    return Lag(), now


def _judge_cutover(run: UnfinishedCutover) -> CurrentProblem:
    if run.is_worked_on:
        message = f"It runs since {_time(run.since)}, and is at the step {run.step}."
        return CurrentProblem.of(Code.CUTOVER_RUNNING, message, since=run.since)
    reason = f" It stopped: {run.problem}" if run.problem else ""
    message = f"The run that began at {_time(run.since)} was interrupted at the step {run.step}.{reason}"
    return CurrentProblem.of(Code.CUTOVER_UNFINISHED, message, since=run.since)


def _judge_pause(known: Condition) -> Diagnosis:
    pause = known.pause
    if pause is None:
        return
    code = Code.BREAKER if pause.source == "breaker" else Code.PAUSED
    yield CurrentProblem.of(code, f"Paused by the {pause.source}: {pause.reason}", known.container, pause.since)
    if pause.warning is not None:
        yield CurrentProblem.of(Code.PAUSED_LONG, pause.warning, known.container, pause.since)


def _judge_letters(known: Condition, now: datetime) -> Diagnosis:
    if known.unaided:
        message = f"Parked documents that wait for somebody: {known.unaided}. Dead letter {known.unaided_letter}"
        yield CurrentProblem.of(Code.LETTERS, message, known.container)
    oldest = known.oldest_letter
    if oldest is not None and now - oldest > _OLD_LETTER:
        yield CurrentProblem.of(Code.LETTER_OLD, f"Parked since {_time(oldest)}.", known.container, oldest)


def _judge_backfill(known: Condition, now: datetime) -> Diagnosis:
    backfill = known.backfill
    if backfill is None:
        return
    moved = max(filter(None, (known.moved_at, backfill.started_at)))
    if backfill.state == "paused":
        yield CurrentProblem.of(Code.BACKFILL_PAUSED, f"The backfill {backfill.id} is paused.", known.container)
    elif backfill.problem is not None:
        yield CurrentProblem.of(Code.BACKFILL_STUCK, backfill.problem, known.container)
    elif now - moved > _STUCK and known.pause is None:
        message = f"The backfill {backfill.id} has made no progress since {_time(moved)}."
        yield CurrentProblem.of(Code.BACKFILL_STUCK, message, known.container, moved)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S %Z}"
