"""The composition root: builds the stores once per worker process and gives them to the use cases."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cdc.api.backfills import Backfills
from cdc.api.dead_letters import DeadLetters
from cdc.api.reconciliations import Reconciliations
from cdc.api.requests import Requests
from cdc.api.resync import Resync
from cdc.backfill import orchestration as backfill_flow
from cdc.backfill.copying import Backfill, FeedSource
from cdc.backfill.dry_run import DryRunSink
from cdc.backfill.job import Job
from cdc.backfill.live_feed import LiveFeed
from cdc.backfill.store import PostgresBackfills
from cdc.config.settings import Settings
from cdc.core import feed_items
from cdc.core.documents import Change, JsonObject
from cdc.core.errors import UnknownLagError
from cdc.core.mapper_groups import by_container
from cdc.core.mapping import Mapper
from cdc.cosmos.feeds import CosmosFeeds
from cdc.cosmos.leases import Leases
from cdc.cosmos.opening import open_account
from cdc.cosmos.places import PlaceReader
from cdc.cosmos.tail import Tail
from cdc.cutover.command import CutoverCommands
from cdc.cutover.opening import open_cutover
from cdc.cutover.steps import Say
from cdc.operations.ability import AbilityReader
from cdc.operations.checks import Checks
from cdc.operations.conditions import ConditionReader
from cdc.operations.counts import Counts
from cdc.operations.diagnosis import Diagnoser
from cdc.operations.feed_watch import FeedWatch
from cdc.operations.gauges import Gauges
from cdc.operations.invalidation import open_invalidation
from cdc.operations.lag import LagReader
from cdc.operations.lease_watch import LeaseWatch
from cdc.operations.maintain import Maintain, Part
from cdc.operations.measurements import Measurements
from cdc.operations.migrations import read_migrations
from cdc.operations.pauses import Pauses
from cdc.operations.phase_record import PhaseRecord
from cdc.operations.pruning import Pruning
from cdc.operations.readiness import Readiness
from cdc.operations.samples import Samples
from cdc.operations.setup import Setup
from cdc.operations.source_watch import SourceWatch
from cdc.operations.status import Status
from cdc.postgres.containers import ConfirmedSource, PostgresFeedStates
from cdc.postgres.database import Database
from cdc.postgres.opening import open_database
from cdc.postgres.pool import Use
from cdc.reconcile import orchestration as reconcile_flow
from cdc.reconcile.activities import Activities
from cdc.reconcile.advance import ContainerTools
from cdc.reconcile.compare import Comparison
from cdc.reconcile.confirm import Confirmation
from cdc.reconcile.cosmos_side import CosmosSide
from cdc.reconcile.ledger_side import PostgresLedgerSide
from cdc.reconcile.store import PostgresFindings, PostgresRotation, PostgresRuns
from cdc.reconcile.tables_side import PostgresTablesSide
from cdc.repair.opening import open_reread_store
from cdc.repair.parking import PostgresLetters
from cdc.repair.reread import Ending, retry
from cdc.replication.batch import Sink
from cdc.replication.breaker import Breaker
from cdc.replication.delivery import Delivery
from cdc.replication.sink import PostgresSink


class Runtime:
    """The app's use cases with their stores; connections open on first use. `mappers` has one for each container.

    `application` is the folder with the migrations of the tables that the mappers write.
    """

    def __init__(self, settings: Settings, mappers: Sequence[Mapper[Any]], application: Path) -> None:
        self.settings = settings
        self.mappers = mappers = by_container(mappers)
        self._migrations = read_migrations(application)
        self._by_container = {mapper.container: mapper for mapper in mappers}
        containers = list(self._by_container)
        self._build_stores(settings)
        feed, background, operators = (self._database.share(use) for use in Use)
        self._invalidation = open_invalidation(settings, background)
        self._source = self._confirm(background)
        self._backfills = PostgresBackfills(background)
        self._rereads = open_reread_store(settings, background, self._invalidation.on_commit)
        self._lease_watch = self._watch_leases(background)
        self._paused_feeds, self._source_watch = self._open_pauses(background), self._watch_source(background)

        states = PostgresFeedStates(feed)
        breaker = Breaker(feed, settings.breaker_documents, self._open_pauses(feed).trip)
        mode, key = settings.change_feed_mode, settings.identity_key.get_secret_value()
        self.delivery = Delivery(mode, self._confirm(feed), states, self._open_sink(feed), breaker, key)
        copied, seconds = FeedSource(self._feeds.open, self._read_changes), settings.backfill_activity_seconds
        self.backfill = Backfill(self._by_container, copied, self._backfills, self._open_job_sink, seconds)
        runs = PostgresRuns(background)
        self.reconcile = Activities(settings, containers, runs, self._open_tools, self._backfills.is_complete)
        self._samples, days = self._open_samples(background), settings.tombstone_retention_days
        self.pruning = Pruning(background, self._source, self._leases, self._backfills, runs, self._samples, days)
        self._measurements = Measurements(background, mappers)
        self._gauges = Gauges(containers, self._samples, wanted=settings.exports_telemetry)
        self._serve(settings, containers, operators)
        self.maintain = Maintain(self._list_parts(), background)

    def _serve(self, settings: Settings, containers: Sequence[str], database: Database) -> None:
        """Build what answers requests and commands."""
        source, backfills = self._confirm(database), PostgresBackfills(database)
        self.requests = Requests(settings.answer_seconds)
        began = settings.change_feed_mode, settings.change_feed_start
        live_feed = LiveFeed(source, PostgresFeedStates(database), self._leases, self._account, *began)
        identity_key = settings.identity_key.get_secret_value()
        rereads = open_reread_store(settings, database, self._invalidation.on_commit)
        self.pauses = self._open_pauses(database)
        self.dead_letters = DeadLetters(
            PostgresLetters(database), containers, identity_key, lambda: list(self.pauses.read().values())
        )
        self.resync = Resync(self._by_container, source.confirm, source, rereads, identity_key)
        self.backfills = Backfills(containers, backfills, live_feed.check, settings.backfill_retry_seconds)
        self.reconciliations = Reconciliations(settings, containers, PostgresRuns(database))

        lease_watch, self.samples = self._watch_leases(database), self._open_samples(database)
        self.phase = PhaseRecord(settings.phase, database, lambda phase: self.readiness.check(phase, anew=True))
        look = lease_watch, self.pauses, self.phase.check, self._watch_source(database).find_problems
        self.checks = Checks(settings, self.mappers, self._migrations, database, self._account, *look)
        measurements = Measurements(database, self.mappers)
        self._feed_watch = FeedWatch(self.samples.lag, containers, settings.lease_settle_seconds / 2)
        reports = self.reconciliations.newest_reports
        self.status = Status(
            settings,
            {mapper.container: mapper.types for mapper in self.mappers},
            database,
            AbilityReader(settings, self.checks, self._feed_watch, lease_watch, database),
            ConditionReader(settings, containers, database, self.samples, self.pauses, measurements, reports),
            Diagnoser(settings, lambda: {part.name: part.overdue_seconds for part in self.maintain.parts}),
        )
        self.setup = Setup(settings, containers, self._migrations, database, self._account)
        self.readiness = Readiness(
            settings,
            self.mappers,
            database,
            self.checks,
            measurements,
            self._look_anew,
            lambda container: self._leases.read_lag(source.confirm(container)),
            self.status.list_unmapped,
        )

    def retry_dead_letters(self) -> Counter[Ending]:
        """Read the documents of due dead letters again."""
        return retry(self.mappers, self._source, self._rereads)

    def open_cutover(self, say: Say) -> CutoverCommands:
        """Open the cut-over, which tells `say` how far it is."""
        database, ready = self._database.share(Use.OPERATORS), partial(self.readiness.check, anew=True)
        source, stores = self._confirm(database), (self._leases, self._feeds)
        return open_cutover(self.settings, self.mappers, database, self._account, source, *stores, ready, say)

    def close(self) -> None:
        """Close every connection."""
        self.requests.close()
        self.maintain.close()
        self._feed_watch.close()
        self._invalidation.close()
        self._database.close()
        self._feeds.close()
        self._account.close()

    def _list_parts(self) -> list[Part]:
        interval, measuring = self.settings.reconcile_interval_seconds, self.settings.readiness_measure_seconds
        in_every_phase = [
            Part("phase", self.phase.watch),
            Part("forgotten writers", self._source_watch.look),
            Part("cache keys", self._invalidation.catch_up, every=self._invalidation.every),
        ]
        if not self.settings.replicates:
            return in_every_phase
        return [
            *in_every_phase,
            Part("dead letters", self.retry_dead_letters),
            Part("leases", partial(self._lease_watch.look, list(self._by_container))),
            Part("paused feeds", self._paused_feeds.look),
            Part("counts", self._samples.counts.keep_ledger, every=60, budget=300),
            Part("samples", self._samples.take, every=60),
            Part("backfills", self.backfills.read_tasks, then=backfill_flow.restart),
            Part("gauges", self._gauges.read),
            Part("problems", self.status.note, every=60),
            Part("due reconciles", self.reconcile.begin_due, every=interval),
            Part("reconciles", self.reconcile.read_running, then=reconcile_flow.restart),
            Part("measurements", self._measurements.measure, every=measuring, budget=600),
            Part("pruning", partial(self.pruning.prune, list(self._by_container)), every=86_400, budget=600),
        ]

    def _build_stores(self, settings: Settings) -> None:
        self._account = open_account(settings)
        self._feeds = CosmosFeeds(self._account)
        self._database = open_database(settings)
        place = settings.lease_database, settings.lease_container, settings.trigger_lease_prefix
        self._leases = Leases(
            partial(self._account.read_leases, *place),
            partial(self._account.replace_lease, *place[:2]),
            self._account,
            settings.change_feed_mode,
            settings.trigger_start,
            settings.trigger_lease_prefix,
        )

    def _confirm(self, database: Database) -> ConfirmedSource:
        mode, states = self.settings.change_feed_mode, PostgresFeedStates(database)

        def note_feed(container: str) -> None:
            self._account.check_feed(container, mode)
            states.note_mode(container, mode)

        return ConfirmedSource(self._account, database, note_feed)

    def _watch_leases(self, database: Database) -> LeaseWatch:
        seconds, replicates = self.settings.lease_settle_seconds, self.settings.replicates
        return LeaseWatch(database, self._confirm(database), self._leases, seconds, replicates)

    def _watch_source(self, database: Database) -> SourceWatch:
        return SourceWatch(database, self._confirm(database), Tail(self._feeds))

    def _open_samples(self, database: Database) -> Samples:
        lag = LagReader(self._confirm(database), self._leases)
        typed = [mapper.container for mapper in self.mappers if len(mapper.parts) > 1]
        return Samples(database, list(self._by_container), lag, self._account, Counts(database, typed))

    def _look_anew(self) -> None:
        """Look at the leases and count the ledger, as the timer does now and then."""
        self._lease_watch.look(list(self._by_container))
        self._samples.counts.keep_ledger(anew=True)

    def _open_pauses(self, database: Database) -> Pauses:
        settings = self.settings
        reader = PlaceReader(self._account, settings.change_feed_mode, settings.trigger_start)
        containers, days = list(self._by_container), settings.feed_retention_days
        return Pauses(database, containers, self._confirm(database), self._leases, reader, days)

    def _read_changes(self, container: str, documents: Sequence[JsonObject]) -> list[Change]:
        paths = self._source.confirm(container, documents).partition_key_paths
        return [feed_items.read_change(container, paths, document) for document in documents]

    def _open_sink(self, database: Database, *, reapplies: bool = False, read_since: int | None = None) -> PostgresSink:
        seconds, invalidate = self.settings.dead_letter_backoff_seconds, self._invalidation.on_commit
        return PostgresSink(database, seconds, reapplies=reapplies, read_since=read_since, invalidate=invalidate)

    def _open_job_sink(self, job: Job, source_ts: int) -> Sink:
        database = self._database.share(Use.BACKGROUND)
        if job.options.dry_run:
            return DryRunSink(database, job.id, reapplies=job.options.reapply, read_since=source_ts)
        return self._open_sink(database, reapplies=job.options.reapply, read_since=source_ts)

    def _open_tools(self, container: str) -> ContainerTools:
        self._paused_feeds.refuse(container)
        source = CosmosSide.open(self._account, self._source, container)
        return make_tools(
            self.settings,
            self._by_container[container],
            source,
            self._database.share(Use.BACKGROUND),
            lambda: self._read_lag(container),
            self._invalidation.on_commit,
        )

    def _read_lag(self, container: str) -> float:
        problem = self._lease_watch.find_problems().get(container)
        if problem is not None:
            raise UnknownLagError(problem.sentence)
        return self._leases.read_lag(self._source.confirm(container))


def make_tools(
    settings: Settings,
    mapper: Mapper[Any],
    source: CosmosSide,
    database: Database,
    read_lag: Callable[[], float],
    invalidate: Callable[[], None] | None = None,
) -> ContainerTools:
    """Build the tools that compare and repair one container."""
    ledger = PostgresLedgerSide(database, mapper.container)
    tables = PostgresTablesSide(database, mapper)
    findings = PostgresFindings(database, settings.settle_seconds)
    rotation = PostgresRotation(database, mapper.container)
    return ContainerTools(
        Comparison(mapper, source, ledger, tables, findings, rotation, settings.settle_seconds),
        Confirmation(mapper, source, ledger, findings, open_reread_store(settings, database, invalidate)),
        read_lag,
        source.usage,
    )
