"""Open the database that the settings name."""

from collections.abc import Callable

from cdc.config import entra
from cdc.config.postgres_settings import PostgresSettings
from cdc.postgres.database import Database


def open_database(settings: PostgresSettings) -> Database:
    """Return the database; it connects on first use."""
    return Database(
        settings.postgres_connection.get_secret_value(),
        password=_find_password(settings.postgres_identity),
        pool_size=settings.postgres_pool_size,
        session_state=settings.postgres_pooler != "transaction",
    )


def _find_password(name: str | None) -> Callable[[], str] | None:
    identity = entra.find_identity(name)
    return None if identity is None else entra.token_password(identity)
