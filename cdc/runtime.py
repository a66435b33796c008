"""The composition root: builds the stores once for each worker process and gives them to the use cases."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from cdc import api, catalog, feed, identity, migrate, origins, tombstones
from cdc.backfill import Backfill, Source
from cdc.backfill_api import BackfillApi
from cdc.backfills import PostgresBackfills
from cdc.cosmos import Cosmos
from cdc.cosmos_queries import CosmosQueries
from cdc.deadletters import PostgresLetters
from cdc.errors import ConflictError, FatalError
from cdc.feed import FeedMode
from cdc.feed_states import FeedStates
from cdc.job import Job
from cdc.leases import Leases
from cdc.letters import DeadLetters
from cdc.model import Change, JsonObject, Mapper, Outcome
from cdc.notes import Ending
from cdc.origins import ConfirmedSource
from cdc.pages import Feeds
from cdc.postgres import Database
from cdc.preview import PreviewSink
from cdc.reconcile_api import Reconciliations
from cdc.repair import retry
from cdc.repairs import PostgresRepairs
from cdc.replicate import Sink, replicate
from cdc.resync import Resync
from cdc.settings import Settings
from cdc.sink import PostgresSink
from cdc.status import Check, RememberedCounts, all_pass, describe_feeds, read_status, run_checks

logger = logging.getLogger(__name__)

# At fifty letters each: what waits longer is taken by the next run of the timer.
_RETRY_ROUNDS = 20


class Runtime:
    """The app's use cases, bound to its stores; opens no connection before the first use."""

    def __init__(self, settings: Settings, mappers: Sequence[Mapper[Any]]) -> None:
        self.settings = settings
        self.mappers = mappers
        open_cosmos = _find_account(settings)
        self._cosmos = open_cosmos()
        self._database = _open_database(settings)
        self._sink = PostgresSink(self._database, settings.dead_letter_backoff_seconds)
        self._counts = RememberedCounts(self._sink)
        self._repairs = PostgresRepairs(
            self._database,
            backoff_seconds=settings.dead_letter_backoff_seconds,
            settle_seconds=settings.settle_seconds,
            claim_seconds=settings.dead_letter_claim_seconds,
        )
        self._feed_states = FeedStates(self._database)
        self._source = ConfirmedSource(self._cosmos, self._database, self._note_feed)
        place = settings.lease_database, settings.lease_container, settings.trigger_lease_prefix
        self._leases = Leases(
            partial(self._cosmos.read_leases, *place),
            partial(self._cosmos.replace_lease, *place[:2]),
            self._cosmos,
            settings.change_feed_mode,
            settings.change_feed_start,
        )
        identity_key = settings.identity_key.get_secret_value()
        by_container = {mapper.container: mapper for mapper in mappers}
        self.dead_letters = DeadLetters(PostgresLetters(self._database), by_container, identity_key)
        self.resync = Resync(by_container, self._source.confirm, self._source, self._repairs, identity_key)
        self._feeds = Feeds(self._cosmos)
        self._backfills = PostgresBackfills(self._database)
        retry_seconds, activity_seconds = settings.backfill_retry_seconds, settings.backfill_activity_seconds
        self.backfills = BackfillApi(by_container, self._backfills, self._check_backfill, retry_seconds)
        feeds = Source(self._feeds.open, self._read_changes)
        self.backfill = Backfill(by_container, feeds, self._backfills, self._open_sink, activity_seconds)
        # A client of its own: a long question keeps nobody from reading a document.
        self._questions = open_cosmos()
        open_source = partial(CosmosQueries.open, self._questions, self._source)
        self.reconciliations = Reconciliations(
            settings, mappers, self._database, open_source, self._read_lag, self._backfills
        )

    def replicate(self, mapper: Mapper[Any], items: Sequence[JsonObject]) -> Outcome:
        """Apply one batch of a change feed; raise only when the whole batch must be delivered again."""
        container, mode = mapper.container, self.settings.change_feed_mode
        feed.check_mode(mode, container, items)
        paths = self._source.confirm(container, feed.documents(mode, items)).partition_key_paths
        page = feed.read_page(mode, container, paths, items)
        # Before the page is applied: noted twice is better than not at all.
        self._feed_states.note_nameless_deletes(container, page.nameless)
        outcome = replicate(mapper, page.changes, self._sink)
        _log(container, outcome, page.nameless)
        return outcome

    def retry_dead_letters(self) -> Counter[Ending]:
        """Read again the documents whose dead letters are due."""
        endings = retry(self.mappers, self._source, self._repairs, _RETRY_ROUNDS)
        if endings:
            counts = ", ".join(f"{count} {ending}" for ending, count in endings.items())
            logger.info("read %d documents again: %s", endings.total(), counts)
        return endings

    def prune_tombstones(self) -> int:
        """Delete the tombstones that no delivery can come before any more."""
        pruned = sum(
            tombstones.prune(self._database, mapper.container, self._find_oldest_needed(mapper.container))
            for mapper in self.mappers
        )
        logger.info("pruned %d tombstones", pruned)
        return pruned

    def _find_oldest_needed(self, container: str) -> datetime:
        """Return the moment before which a tombstone is needed neither by the retention nor by who reads a feed."""
        pending = self._leases.read_oldest_pending(self._source.confirm(container))
        before = datetime.now(UTC) - timedelta(days=self.settings.tombstone_retention_days)
        others = [datetime.fromtimestamp(pending, UTC) if pending is not None else None]
        others.append(self._backfills.read_running_since(container))
        return min([before, *(other for other in others if other is not None)])

    def _check_backfill(self, container: str) -> None:
        """Raise where a copy would leave a gap: what changes before the live feed begins is in neither."""
        origin, start = self._source.confirm_now(container), self.settings.change_feed_start
        if self.settings.change_feed_mode is FeedMode.ALL_VERSIONS:
            if not self._leases.begin(origin):
                raise ConflictError(f"The live feed of {container} has not begun everywhere: ask again in a moment.")
        elif isinstance(start, datetime) and int(start.timestamp()) > self._cosmos.read_time(container):
            raise ConflictError(f"The live feed begins at CHANGE_FEED_START, {start.isoformat()}: ask again then.")

    def _read_lag(self, container: str) -> float | None:
        """Return the age in seconds of the oldest change that was not delivered; None where nobody can tell."""
        pending = self._leases.read_oldest_pending(self._source.confirm(container))
        if pending is None:
            return 0.0
        return self._cosmos.read_time(container) - pending if pending else None

    def status(self) -> api.Answer:
        """Answer with the state of the replication."""
        return api.answer(self._read_status)

    def ready(self) -> api.Answer:
        """Answer whether changes can be applied now."""
        return api.answer_checks(self.check())

    def check(self) -> list[Check]:
        """Check everything that must be so before changes can be applied."""
        postgres = run_checks(
            [("postgres", self._database.check), ("migrations", self._check_migrations)],
            [(f"tables of {m.container}", partial(catalog.check_tables, self._database, m)) for m in self.mappers],
        )
        # Without its tables PostgreSQL cannot say which containers were seen before.
        check_container = self._check_container if all_pass(postgres[:2]) else self._cosmos.read_origin
        return postgres + run_checks(
            [("cosmos", self._cosmos.check_account)],
            [
                *((f"container {m.container}", partial(check_container, m.container)) for m in self.mappers),
                ("leases", self._check_leases),
            ],
        )

    def migrate(self) -> list[str]:
        """Apply the missing migrations and return their names."""
        self._database.check()  # says why there is no connection, where the pool would only wait for one
        return [migration.name for migration in migrate.migrate(self._database, migrate.read_migrations())]

    def create_lease_container(self) -> None:
        """Create the lease container where it is missing."""
        self._check_lease_names()
        self._cosmos.create_lease_container(self.settings.lease_database, self.settings.lease_container)

    def adopt(self, container: str) -> bool:
        """Let the container that the settings name now take the place of the one seen first; false where it is that."""
        if container not in {mapper.container for mapper in self.mappers}:
            names = ", ".join(mapper.container for mapper in self.mappers)
            raise FatalError(f"No container {container} is replicated: name one of {names}.")
        return origins.adopt(self._database, self._cosmos.read_origin(container))

    def close(self) -> None:
        """Close every connection."""
        self._database.close()
        self._feeds.close()
        self._cosmos.close()
        self._questions.close()

    def _read_status(self) -> JsonObject:
        names = [mapper.container for mapper in self.mappers]
        status = read_status(self.settings.phase.name.lower(), names, self._counts)
        reports = self.reconciliations.newest_reports()
        containers = [each | {"reconciliation": reports.get(each["container"])} for each in status["containers"]]
        # Also containers that are not replicated any more were seen once.
        feeds = [state for state in self._feed_states.read() if state.container in names]
        return status | {"containers": containers, "change_feeds": describe_feeds(feeds)}

    def _read_changes(self, container: str, documents: Sequence[JsonObject]) -> list[Change]:
        paths = self._source.confirm(container, documents).partition_key_paths
        return [feed.read_change(container, paths, document) for document in documents]

    def _open_sink(self, job: Job) -> Sink:
        if job.options.dry_run:
            return PreviewSink(self._database, job.id, reapplies=job.options.reapply)
        backoff_seconds = self.settings.dead_letter_backoff_seconds
        return PostgresSink(self._database, backoff_seconds, reapplies=job.options.reapply)

    def _check_migrations(self) -> None:
        missing = migrate.find_missing(self._database, migrate.read_migrations())
        if missing:
            names = ", ".join(migration.name for migration in missing)
            raise FatalError(f"The database lacks {names}: run python -m cdc migrate.")

    def _check_lease_names(self) -> None:
        database, container = self.settings.lease_database, self.settings.lease_container
        if database == self.settings.cosmos_database and container in {mapper.container for mapper in self.mappers}:
            raise FatalError(
                f"LEASE_CONTAINER names {container}, which is replicated: name a container for leases alone."
            )

    def _check_leases(self) -> None:
        self._check_lease_names()
        self._cosmos.check_lease_container(self.settings.lease_database, self.settings.lease_container)

    def _check_container(self, container: str) -> None:
        origins.confirm(self._database, self._cosmos.read_origin(container))
        self._cosmos.check_feed(container, self.settings.change_feed_mode)

    def _note_feed(self, container: str) -> None:
        self._cosmos.check_feed(container, self.settings.change_feed_mode)
        self._feed_states.note_mode(container, self.settings.change_feed_mode)


def _find_account(settings: Settings) -> Callable[[], Cosmos]:
    """Return what opens a client of the account; all clients share one credential."""
    if settings.cosmos_connection is not None:
        return partial(Cosmos, settings.cosmos_connection.get_secret_value(), settings.cosmos_database)
    find = identity.default_identity if settings.cosmos_credential is None else identity.managed_identity
    return partial(Cosmos, str(settings.cosmos_endpoint), settings.cosmos_database, find(settings.cosmos_client_id))


def _open_database(settings: Settings) -> Database:
    return Database(
        settings.postgres_connection.get_secret_value(),
        password=_find_password(settings.postgres_identity),
        pool_size=settings.postgres_pool_size,
        session_state=settings.postgres_pooler != "transaction",
    )


def _find_password(name: str | None) -> Callable[[], str] | None:
    if name is None:
        return None
    return identity.token_password(
        identity.default_identity() if name == "default" else identity.managed_identity(name)
    )


def _log(container: str, outcome: Outcome, nameless: int) -> None:
    logger.info(
        "applied a batch of %s: %d applied, %d deleted, %d stale, %d undecided, %d parked",
        container, outcome.applied, outcome.deleted, outcome.stale, outcome.undecided, outcome.parked,
    )  # fmt: skip
    for problem in outcome.problems:
        logger.warning("parked a document of %s: %s at %s: %s", container, problem.kind, problem.path, problem.message)
    if outcome.gaps or nameless:
        logger.warning(
            "the change feed of %s has gaps: %d documents changed before versions that came, "
            "%d deletes do not say of which document; the next reconcile finds them",
            container, outcome.gaps, nameless,
        )  # fmt: skip
