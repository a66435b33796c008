"""What is prepared once: the lease container, the tables, and a container that takes the place of another."""

from collections.abc import Sequence

from cdc.config.settings import Settings
from cdc.core.errors import FatalError
from cdc.cosmos.account import CosmosAccount
from cdc.operations import migrations
from cdc.operations.checks import check_lease_names
from cdc.postgres import containers
from cdc.postgres.database import Database


class Setup:
    """Prepare both stores."""

    def __init__(
        self, settings: Settings, replicated: Sequence[str], database: Database, account: CosmosAccount
    ) -> None:
        self._settings = settings
        self._replicated = replicated
        self._database = database
        self._account = account

    def migrate(self) -> list[str]:
        """Apply the missing migrations and return their names."""
        self._database.check()  # says why there is no connection, where the pool would only wait for one
        applied = migrations.migrate(self._database, migrations.read_migrations())
        return [migration.name for migration in applied]

    def create_lease_container(self) -> None:
        """Create the lease container where it is missing."""
        check_lease_names(self._settings, self._replicated)
        self._account.create_lease_container(self._settings.lease_database, self._settings.lease_container)

    def adopt(self, container: str) -> bool:
        """Let the container that the settings name now take the place of the one seen first; false where it is that."""
        if container not in self._replicated:
            raise FatalError(f"No container {container} is replicated: name one of {', '.join(self._replicated)}.")
        return containers.adopt(self._database, self._account.read_source_container(container))
