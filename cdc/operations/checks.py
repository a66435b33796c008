"""Checks that must pass before changes can be applied."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cdc.config.settings import Settings
from cdc.core import deadline
from cdc.core.errors import CdcError, FatalError
from cdc.core.mapping import Mapper
from cdc.cosmos.account import CosmosAccount
from cdc.operations import rights, table_check
from cdc.operations.lease_watch import LeaseWatch
from cdc.operations.migrations import Migration, find_missing
from cdc.operations.pauses import Pauses
from cdc.postgres import containers
from cdc.postgres.database import Database
from cdc.postgres.statements import statement

_LOG_ADVICE = (
    "postgres: the server's own log quotes rows of statements that fail, so it may hold personal data: set "
    "log_error_verbosity = terse for the server"
)


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check; `problem` says what is wrong and what to do.

    Show `detail` only on a terminal, as with TransientError.
    """

    name: str
    problem: str | None = None
    detail: str = ""
    skipped: bool = False
    note: str | None = None
    error: CdcError | None = field(default=None, compare=False)


# Readiness for a phase judges it on its own.
COVERAGE = "coverage of the feeds"
PLACES = "places of paused feeds"
FORGOTTEN = "forgotten writers"


class Note(str):
    """What a check that passes wants to be seen."""

    __slots__ = ()


# A check's problem is the list of sentences that it returns, or the CdcError that it raises. It may return a Note.
NamedCheck = tuple[str, Callable[[], object]]


class Checks:
    """Checks the settings against both stores."""

    def __init__(
        self,
        settings: Settings,
        mappers: Sequence[Mapper[Any]],
        migrations: Sequence[Migration],
        database: Database,
        account: CosmosAccount,
        lease_watch: LeaseWatch,
        pauses: Pauses,
        check_phase: Callable[[], Note | None],
        find_forgotten: Callable[[], list[str]],
    ) -> None:
        self._settings = settings
        self._mappers = mappers
        self._migrations = migrations
        self._database = database
        self._account = account
        self._lease_watch = lease_watch
        self._pauses = pauses
        self._check_phase = check_phase
        self._find_forgotten = find_forgotten

    def run(self) -> list[Check]:
        """Run all checks."""
        postgres = run_checks(
            [
                ("postgres", self._database.check),
                ("rights", partial(rights.check_rights, self._database, self._mappers)),
                ("migrations", self._check_migrations),
            ],
            [
                ("phase", self._check_phase),
                *(
                    (f"tables of {m.container}", partial(table_check.check_tables, self._database, m))
                    for m in self._mappers
                ),
                (COVERAGE, self._find_lease_problems),
                (PLACES, self._pauses.find_problems),
                (FORGOTTEN, self._find_forgotten),
            ],
        )
        # Without its tables, PostgreSQL cannot return which containers were seen first.
        check_container = self._check_container if all_pass(postgres[:3]) else self._account.read_source_container
        return postgres + run_checks(
            [("cosmos", self._account.check_account)],
            [
                *((f"container {m.container}", partial(check_container, m.container)) for m in self._mappers),
                ("leases", self._check_leases),
            ],
        )

    def list_advice(self) -> list[str]:
        """Return what is no failure, but should be set otherwise."""
        with self._database.connection() as connection:
            row = connection.execute(statement("read_log_verbosity")).fetchone()
        return [] if row == ("terse",) else [_LOG_ADVICE]

    def _check_migrations(self) -> None:
        missing = find_missing(self._database, self._migrations)
        if missing:
            names = ", ".join(migration.name for migration in missing)
            raise FatalError(f"The database lacks the migrations {names}: run python -m cdc migrate.")

    def _check_container(self, container: str) -> None:
        containers.confirm(self._database, self._account.read_source_container(container))
        self._account.check_feed(container, self._settings.change_feed_mode)

    def _find_lease_problems(self) -> list[str]:
        names = [mapper.container for mapper in self._mappers]
        return [each.sentence for name, each in self._lease_watch.find_problems().items() if name in names]

    def _check_leases(self) -> None:
        check_lease_names(self._settings, [mapper.container for mapper in self._mappers])
        self._account.check_lease_container(self._settings.lease_database, self._settings.lease_container)


def check_lease_names(settings: Settings, replicated: Collection[str]) -> None:
    """Raise FatalError if the lease container is a replicated container."""
    if settings.lease_database == settings.cosmos_database and settings.lease_container in replicated:
        raise FatalError(
            f"LEASE_CONTAINER is {settings.lease_container}, which is replicated: use a container only for leases."
        )


def run_checks(gates: Iterable[NamedCheck], others: Iterable[NamedCheck]) -> list[Check]:
    """Run the gates up to the first that fails; run the others only if all gates pass."""
    checks: list[Check] = []
    for name, check in gates:
        checks.append(_run(name, check) if all_pass(checks) else Check(name, skipped=True))
    open_ = all_pass(checks)
    return checks + [_run(name, check) if open_ else Check(name, skipped=True) for name, check in others]


def _run(name: str, check: Callable[[], object]) -> Check:
    limit = deadline.current()
    if limit is not None and not limit.remaining():
        return Check(name, skipped=True)  # the failure of an earlier check took the time
    try:
        found = check()
        if isinstance(found, Note):
            return Check(name, note=found)
        return Check(name, "; ".join(found) or None if isinstance(found, list) else None)
    except CdcError as error:
        return Check(name, str(error), getattr(error, "detail", ""), error=error)


def all_pass(checks: Iterable[Check]) -> bool:
    """Return whether every check ran and passed."""
    return all(check.problem is None and not check.skipped for check in checks)
