"""The state of the replication: only numbers, no identities."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime

from pydantic import BaseModel

from cdc.config.settings import Phase
from cdc.core.errors import TransientError
from cdc.core.feed_items import FeedMode
from cdc.core.mapping import OTHER_TYPE
from cdc.operations.counts import Counts, LedgerCount, LetterCount
from cdc.operations.lease_watch import LeaseProblem, LeaseWatch
from cdc.operations.pauses import Pauses, PauseStatus
from cdc.operations.phase_record import PhaseStatus
from cdc.operations.phases import MEANINGS
from cdc.postgres.containers import FeedState, PostgresFeedStates
from cdc.reconcile.report import RunReport, UnmappedType


class LetterCounts(BaseModel):
    """Dead letters of one kind and state."""

    kind: str
    state: str
    documents: int


class UnmappedStatus(UnmappedType):
    """Documents of one type that no mapper took; if a mapper takes it now, a backfill with `reapply` applies them."""

    container: str
    has_mapper: bool

    def describe(self) -> str:
        """Return it as one sentence."""
        type_ = "types that are not named" if self.type == OTHER_TYPE else f"type {self.type}"
        if self.has_mapper:
            return (
                f"unmapped documents of {type_}: {self.documents}; a mapper takes them now: run a backfill with reapply"
            )
        return f"unmapped documents of {type_}: {self.documents}; no mapper takes them"


class ContainerStatus(BaseModel):
    """A container: its documents by state, the newest `_ts`, its dead letters, the newest finished reconcile.

    `paused` says why nothing of it is written, if that is so. `documents` and `newest_ts` are as of `counted_at`: a
    large ledger is counted now and then, and all three are null before its first count.
    """

    container: str
    paused: PauseStatus | None
    documents: dict[str, int] | None
    counted_at: datetime | None
    newest_ts: int | None
    dead_letters: list[LetterCounts]
    unmapped: list[UnmappedStatus]
    reconciliation: RunReport | None


class ChangeFeedStatus(BaseModel):
    """A change feed: mode, gaps, the times after which a backfill and a complete reconcile must begin.

    `lease_problem` says which part of the feed has no lease, or several, and what to do.
    """

    container: str
    mode: FeedMode | None
    gaps: int
    suspects: int
    backfill_since: datetime | None
    complete_reconcile_since: datetime | None
    lease_problem: str | None
    lease_problem_since: datetime | None


class StatusReport(BaseModel):
    """The state of the replication in numbers, and what the phase means."""

    phase: str
    phase_meaning: str
    recorded_phase: str | None
    phase_problem: str | None
    containers: list[ContainerStatus]
    change_feeds: list[ChangeFeedStatus]


class Status:
    """Collects the state of the replication.

    `types` has the replicated containers and the document types that their mappers take. `read_reports` returns the
    newest finished reconcile of each container.
    """

    def __init__(
        self,
        phase: Phase,
        types: Mapping[str, Collection[str]],
        counts: Counts,
        feed_states: PostgresFeedStates,
        lease_watch: LeaseWatch,
        pauses: Pauses,
        read_reports: Callable[[], Mapping[str, RunReport]],
        read_phase: Callable[[], PhaseStatus],
    ) -> None:
        self._phase = phase
        self._types = types
        self._counts = counts
        self._feed_states = feed_states
        self._lease_watch = lease_watch
        self._pauses = pauses
        self._read_reports = read_reports
        self._read_phase = read_phase

    def read(self) -> StatusReport:
        """Return the state of each replicated container and of its change feed."""
        letters, reports, paused = self._counts.count_letters(), self._read_reports(), self._pauses.read()
        states = [state for state in self._feed_states.read() if state.container in self._types]
        problems = self._lease_watch.find_problems()
        # The table also has containers that are no longer replicated.
        feeds = [_describe_feed(state, problems.get(state.container)) for state in states]
        phase = self._read_phase()
        ledger = self._counts.read_ledger()
        unmapped = [] if ledger is None else self._describe_unmapped(ledger)
        containers = [
            describe_container(name, ledger, letters, unmapped, reports.get(name), paused.get(name))
            for name in self._types
        ]
        return StatusReport(
            phase=self._phase.name.lower(),
            phase_meaning=MEANINGS[self._phase],
            recorded_phase=phase.recorded,
            phase_problem=phase.problem,
            containers=containers,
            change_feeds=feeds,
        )

    def list_paused(self) -> list[PauseStatus]:
        """Return the paused containers."""
        return [pause for name, pause in self._pauses.read().items() if name in self._types]

    def list_unmapped(self) -> list[UnmappedStatus]:
        """Return the unmapped documents of every container by type; raise TransientError if nobody has counted yet."""
        ledger = self._counts.read_ledger()
        if ledger is None:
            raise TransientError("The ledger is large and was not counted yet: try again in a minute.")
        return self._describe_unmapped(ledger)

    def _describe_unmapped(self, ledger: LedgerCount) -> list[UnmappedStatus]:
        return [
            UnmappedStatus(
                container=count.container,
                type=count.unmapped_type,
                documents=count.documents,
                has_mapper=count.unmapped_type in self._types[count.container],
            )
            for count in ledger.counts
            if count.unmapped_type is not None and count.container in self._types
        ]


def describe_container(
    name: str,
    ledger: LedgerCount | None,
    letters: Iterable[LetterCount],
    unmapped: Iterable[UnmappedStatus] = (),
    report: RunReport | None = None,
    paused: PauseStatus | None = None,
) -> ContainerStatus:
    """Return the status of a container from the counts of all containers."""
    return ContainerStatus(
        container=name,
        paused=paused,
        documents=None if ledger is None else ledger.of(name),
        counted_at=None if ledger is None else ledger.counted_at,
        newest_ts=None if ledger is None else ledger.newest_ts(name),
        dead_letters=[
            LetterCounts(kind=count.kind, state=count.state, documents=count.documents)
            for count in letters
            if count.container == name
        ],
        unmapped=[each for each in unmapped if each.container == name],
        reconciliation=report,
    )


def _describe_feed(state: FeedState, problem: LeaseProblem | None) -> ChangeFeedStatus:
    return ChangeFeedStatus(
        container=state.container,
        mode=state.mode,
        gaps=state.gaps,
        suspects=state.suspects,
        backfill_since=state.backfill_since,
        complete_reconcile_since=state.complete_reconcile_since,
        lease_problem=problem.sentence if problem else None,
        lease_problem_since=problem.since if problem else None,
    )
