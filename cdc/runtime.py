"""The composition root: builds the stores once for each worker process and gives them to the use cases."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cdc import api, catalog, identity, migrate, origins
from cdc.cosmos import Cosmos
from cdc.cosmos_queries import CosmosFeed
from cdc.errors import FatalError
from cdc.feed import read_change
from cdc.model import JsonObject, Mapper, Outcome
from cdc.notes import Ending
from cdc.origin import Origin
from cdc.postgres import Database
from cdc.reconcile_api import Reconciliations
from cdc.repair import retry
from cdc.repairs import PostgresRepairs
from cdc.replicate import replicate
from cdc.settings import Settings
from cdc.sink import PostgresSink
from cdc.status import Check, all_pass, read_status, run_checks

logger = logging.getLogger(__name__)

# At fifty letters each: what waits longer is taken by the next run of the timer.
_RETRY_ROUNDS = 20


class Runtime:
    """The app's use cases, bound to its stores; opens no connection before the first use."""

    def __init__(self, settings: Settings, mappers: Sequence[Mapper[Any]]) -> None:
        self.settings = settings
        self.mappers = mappers
        self._cosmos = _open_cosmos(settings)
        self._database = _open_database(settings)
        self._sink = PostgresSink(self._database, settings.dead_letter_backoff_seconds)
        self._repairs = PostgresRepairs(
            self._database,
            backoff_seconds=settings.dead_letter_backoff_seconds,
            settle_seconds=settings.settle_seconds,
        )
        self._origins: dict[str, Origin] = {}
        # A client of its own: a long question keeps nobody from reading a document.
        self._questions = _open_cosmos(settings)
        self.reconciliations = _open_reconciliations(settings, mappers, self._database, self._questions)

    def replicate(self, mapper: Mapper[Any], documents: Sequence[JsonObject]) -> Outcome:
        """Apply one batch of a change feed; raise only when the whole batch must be delivered again."""
        paths = self._confirm_origin(mapper.container, documents).partition_key_paths
        changes = [read_change(mapper.container, paths, document) for document in documents]
        outcome = replicate(mapper, changes, self._sink)
        _log(mapper.container, outcome)
        return outcome

    def retry_dead_letters(self) -> Counter[Ending]:
        """Read again the documents whose dead letters are due."""
        for mapper in self.mappers:
            self._confirm_origin(mapper.container)
        endings = retry(self.mappers, self._cosmos, self._repairs, _RETRY_ROUNDS)
        if endings:
            counts = ", ".join(f"{count} {ending}" for ending, count in endings.items())
            logger.info("read %d documents again: %s", endings.total(), counts)
        return endings

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
        self._cosmos.create_lease_container(self.settings.lease_database, self.settings.lease_container)

    def adopt(self, container: str) -> None:
        """Let the container that the settings name now take the place of the one seen first."""
        if container not in {mapper.container for mapper in self.mappers}:
            names = ", ".join(mapper.container for mapper in self.mappers)
            raise FatalError(f"No container {container} is replicated: name one of {names}.")
        origins.adopt(self._database, self._cosmos.read_origin(container))

    def close(self) -> None:
        """Close every connection."""
        self._database.close()
        self._cosmos.close()
        self._questions.close()

    def _read_status(self) -> JsonObject:
        names = [mapper.container for mapper in self.mappers]
        status = read_status(self.settings.phase.name.lower(), names, self._sink)
        reports = self.reconciliations.newest_reports()
        containers = [each | {"reconciliation": reports.get(each["container"])} for each in status["containers"]]
        return status | {"containers": containers}

    def _check_migrations(self) -> None:
        missing = migrate.find_missing(self._database, migrate.read_migrations())
        if missing:
            names = ", ".join(migration.name for migration in missing)
            raise FatalError(f"The database lacks {names}: run python -m cdc migrate.")

    def _check_leases(self) -> None:
        self._cosmos.check_lease_container(self.settings.lease_database, self.settings.lease_container)

    def _check_container(self, container: str) -> None:
        origins.confirm(self._database, self._cosmos.read_origin(container))

    def _confirm_origin(self, container: str, documents: Sequence[JsonObject] = ()) -> Origin:
        """Return the container that the documents come from, asked once; raise FatalError when it is another one."""
        origin = self._origins.get(container)
        if origin is None or not origin.has(documents):
            self._cosmos.check_account()
            origin = self._cosmos.read_origin(container)
            origins.confirm(self._database, origin)
            self._origins[container] = origin
        if not origin.has(documents):
            raise FatalError(f"The change feed of {container} delivers documents of a container that is gone.")
        return origin


def _open_cosmos(settings: Settings) -> Cosmos:
    if settings.cosmos_connection is not None:
        return Cosmos(settings.cosmos_connection.get_secret_value(), settings.cosmos_database)
    find = identity.default_identity if settings.cosmos_credential is None else identity.managed_identity
    return Cosmos(str(settings.cosmos_endpoint), settings.cosmos_database, find(settings.cosmos_client_id))


def _open_reconciliations(
    settings: Settings, mappers: Sequence[Mapper[Any]], database: Database, cosmos: Cosmos
) -> Reconciliations:
    feed = CosmosFeed(
        cosmos,
        database=settings.lease_database,
        container=settings.lease_container,
        prefix=f"{settings.lease_prefix}-latest-version-",
    )
    return Reconciliations(settings, mappers, database, cosmos, feed.read_lag)


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


def _log(container: str, outcome: Outcome) -> None:
    logger.info(
        "applied a batch of %s: %d applied, %d deleted, %d stale, %d undecided, %d parked",
        container, outcome.applied, outcome.deleted, outcome.stale, outcome.undecided, outcome.parked,
    )  # fmt: skip
    for problem in outcome.problems:
        logger.warning("parked a document of %s: %s at %s: %s", container, problem.kind, problem.path, problem.message)
