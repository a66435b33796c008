"""One-time preparation: lease container, migrations, and adoption of a container."""

from collections.abc import Iterable, Sequence
from typing import Any

from cdc.config.settings import Phase, Settings
from cdc.core.errors import FatalError
from cdc.core.mapping import Mapper
from cdc.cosmos.account import CosmosAccount
from cdc.operations.checks import check_lease_names
from cdc.operations.migrations import Migration, migrate
from cdc.postgres import containers, gate
from cdc.postgres.database import Database


class Setup:
    """Prepares both stores."""

    def __init__(
        self,
        settings: Settings,
        replicated: Sequence[str],
        migrations: Sequence[Migration],
        database: Database,
        account: CosmosAccount,
    ) -> None:
        self._settings = settings
        self._replicated = replicated
        self._migrations = migrations
        self._database = database
        self._account = account

    def migrate(self, mappers: Iterable[Mapper[Any]]) -> list[str]:
        """Apply the missing migrations and return their names; `mappers` are those of all containers, chosen or not."""
        roots = {mapper.container: str(mapper.tables[0]) for mapper in mappers}
        self._database.check()  # reports why there is no connection; the pool would only wait
        return [migration.name for migration in migrate(self._database, self._migrations, roots)]

    def create_lease_container(self) -> None:
        """Create the lease container if it is missing."""
        check_lease_names(self._settings, self._replicated)
        self._account.create_lease_container(self._settings.lease_database, self._settings.lease_container)

    def record_phase(self) -> gate.RecordedPhase:
        """Record the phase of the settings if none is recorded, and return the recorded one."""
        if gate.read_phase(self._database) is None and self._settings.phase is Phase.POSTGRES_ONLY:
            raise FatalError(
                "No phase is recorded, and only the cut-over records phase 3: set MIGRATION_PHASE to the phase of "
                "the application, and run python -m cdc setup again."
            )
        return gate.record_first(self._database, self._settings.phase)

    def adopt(self, container: str) -> bool:
        """Adopt the container that the settings name now; return False if it already is the one seen first."""
        if container not in self._replicated:
            raise FatalError(f"The container {container} is not replicated: name one of {', '.join(self._replicated)}.")
        return containers.adopt(self._database, self._account.read_source_container(container))
