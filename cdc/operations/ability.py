"""Whether changes can arrive now: the checks and the feeds, as problems. `health/ready` and status both ask this."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from cdc.config.settings import REPLICATING, Settings
from cdc.core import deadline
from cdc.core.deadline import Deadline
from cdc.core.errors import CdcError, ReplacedError, TransientError
from cdc.cosmos.account import DeniedError, MissingError
from cdc.cosmos.leases import is_double
from cdc.operations.checks import COVERAGE, FORGOTTEN, PLACES, Check, Checks
from cdc.operations.feed_watch import Feed, FeedWatch
from cdc.operations.lease_watch import LeaseWatch
from cdc.operations.phase_record import UnrecordedError
from cdc.operations.problems import Code, CurrentProblem
from cdc.operations.source_watch import OVERDUE_SECONDS, tell_forgotten, tell_overdue
from cdc.postgres import forgotten, gate, pauses
from cdc.postgres.database import Database
from cdc.postgres.pool import RefusedError

# The rest of a request's time is for what PostgreSQL knows.
_SHARE = 0.8
_LONGEST_SECONDS = 60.0
# Without these nobody can measure a feed.
_NEEDED = ("cosmos", "leases")
_NO_TIME = "There was no time left for this check: ask again."


Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Ability:
    """What was found: the checks that ran, the feeds as they were measured, and every problem of both.

    `replicates` says whether feeds should run, by the setting or by the recorded phase: then they are measured, also by
    an instance that has none.
    """

    checks: Sequence[Check]
    replicates: bool = False
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    problems: Sequence[CurrentProblem] = ()

    def passes(self, name: str) -> bool:
        """Return whether a check ran and passed."""
        return any(each.name == name and each.problem is None and not each.skipped for each in self.checks)

    @property
    def can_measure(self) -> bool:
        """Whether feeds should run, and nothing that was checked keeps anybody from measuring them."""
        return self.replicates and all(map(self.passes, _NEEDED))


@dataclass(frozen=True, slots=True)
class AbilityReader:
    """Runs the checks and measures the feeds."""

    settings: Settings
    checks: Checks
    feeds: FeedWatch
    lease_watch: LeaseWatch
    database: Database

    def read(self, patience: float) -> Ability:
        """Look at everything; the feeds may take so many seconds."""
        with Deadline(deadline.shorten(_LONGEST_SECONDS, _SHARE)).applies():
            ran = Ability(self.checks.run())
        try:
            found = list(self._judge_checks(ran.checks))
            ran, measures = replace(ran, replicates=self._replicates(ran)), self._is_kept_from(ran)
        except CdcError as error:
            return replace(ran, problems=[CurrentProblem.of(Code.POSTGRES_UNREACHABLE, str(error))])
        feeds = self.feeds.read(patience) if ran.can_measure or measures else {}
        found += self._judge_feeds(feeds) if ran.replicates else ()
        return replace(ran, feeds=feeds, problems=_without_doubles(found))

    def _replicates(self, ran: Ability) -> bool:
        if not ran.passes("phase"):
            return False
        recorded = gate.read_phase(self.database)
        return self.settings.replicates or (recorded is not None and recorded.phase in REPLICATING)

    def _is_kept_from(self, ran: Ability) -> bool:
        """Tell whether the recorded phase replicates, but not with this app's setting: what waits can be measured."""
        if ran.passes("phase") or not all(map(ran.passes, ("migrations", *_NEEDED))):
            return False
        recorded = gate.read_phase(self.database)
        return recorded is not None and recorded.phase in REPLICATING

    def _judge_checks(self, checks: Sequence[Check]) -> Iterator[CurrentProblem]:
        failed = any(check.problem is not None for check in checks)
        for check in checks:
            if check.note is not None:
                yield CurrentProblem.of(Code.PHASE_DIFFERS, check.note)
            elif check.skipped and not failed:
                yield CurrentProblem.of(Code.NOT_CHECKED, f"{check.name}: {_NO_TIME}")
            elif check.problem is not None and check.error is None and check.name == COVERAGE:
                for name, each in self._only_ours(self.lease_watch.find_problems()):
                    code = Code.LEASE_DOUBLE if is_double(each.sentence) else Code.LEASE_MISSING
                    yield CurrentProblem.of(code, each.sentence, name, each.since)
            elif check.problem is not None and check.error is None and check.name == PLACES:
                for name, skip in self._only_ours(pauses.read_skips(self.database)):
                    yield CurrentProblem.of(Code.PAUSED_FEED_WENT_ON, skip.sentence, name, skip.at)
            elif check.problem is not None and check.error is None and check.name == FORGOTTEN:
                yield from self._judge_source()
            elif check.problem is not None:
                message = f"{check.problem.removesuffix('.')}."  # what to do comes behind it
                yield CurrentProblem.of(find_code(check), message, _find_container(check))

    def _only_ours(self, found: Mapping[str, Found]) -> Iterable[tuple[str, Found]]:
        """Leave out containers that no setting names any more: nobody mends what is noted of them."""
        return ((name, each) for name, each in found.items() if name in self.feeds.containers)

    def _judge_source(self) -> Iterator[CurrentProblem]:
        for each in forgotten.count_open(self.database):
            yield CurrentProblem.of(Code.FORGOTTEN_WRITE, tell_forgotten(each), each.container, each.first_seen_at)
        for overdue in forgotten.find_overdue(self.database, OVERDUE_SECONDS):
            yield CurrentProblem.of(Code.WATCH_OVERDUE, tell_overdue(overdue), overdue.container, overdue.since)

    def _judge_feeds(self, feeds: Mapping[str, Feed]) -> Iterator[CurrentProblem]:
        for name, feed in feeds.items():
            yield from judge_feed(name, feed, self.settings.lease_acquire_interval_ms / 1_000)


def judge_feed(container: str, feed: Feed, start_seconds: float) -> Iterator[CurrentProblem]:
    """Return what keeps a feed from arriving; a host may need `start_seconds` to begin."""
    lag, since = feed.lag, feed.unrenewed_since
    if lag.code is not None and lag.unknown is not None:
        yield CurrentProblem.of(lag.code, lag.unknown, container)
    if since is None:
        return
    nobody = f"No host has renewed the leases of {container} since {since:%Y-%m-%d %H:%M:%S %Z}"
    if lag.seconds is not None and lag.seconds > start_seconds:
        waiting = f"{nobody}. Waiting changes: about {lag.backlog}, the oldest for {lag.seconds:.0f} s."
        yield CurrentProblem.of(Code.FEED_DEAD, waiting, container, since)
    else:
        yield CurrentProblem.of(Code.LEASE_UNRENEWED, f"{nobody}.", container, since)


def find_code(check: Check) -> Code:
    """Return what kind of problem a failed check is."""
    by_postgres = not check.name.startswith(("cosmos", "leases", "container "))
    match check.error:
        case RefusedError():
            return Code.POSTGRES_REFUSED
        case DeniedError():
            return Code.COSMOS_REFUSED
        case ReplacedError():
            return Code.CONTAINER_REPLACED
        case UnrecordedError():
            return Code.PHASE_UNKNOWN
        case TransientError():
            return Code.POSTGRES_UNREACHABLE if by_postgres else Code.COSMOS_UNREACHABLE
        case MissingError() | None:
            return Code.SETUP_INCOMPLETE
        case _:
            return _BY_NAME.get(check.name.partition(" ")[0], Code.SETUP_INCOMPLETE)


# What a failure that only a person can mend means, by the first word of the check's name.
_BY_NAME = {
    "postgres": Code.POSTGRES_UNFIT,
    "phase": Code.PHASE_MISMATCH,
    "cosmos": Code.COSMOS_UNFIT,
    "container": Code.COSMOS_UNFIT,
}


def _find_container(check: Check) -> str | None:
    for prefix in ("tables of ", "container "):
        if check.name.startswith(prefix):
            return check.name.removeprefix(prefix)
    return None


def _without_doubles(problems: Sequence[CurrentProblem]) -> list[CurrentProblem]:
    """Keep the first of each kind and container: what is measured now may be noted already."""
    found: dict[tuple[str, str | None, str], CurrentProblem] = {}
    for each in problems:
        found.setdefault((each.code, each.container, "" if each.container else each.message), each)
    return list(found.values())
