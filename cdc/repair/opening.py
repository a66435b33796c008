"""Open the store of repairs with what the settings say."""

from collections.abc import Callable

from cdc.config.settings import Settings
from cdc.postgres.database import Database
from cdc.repair.store import PostgresRereadStore


def open_reread_store(
    settings: Settings, database: Database, invalidate: Callable[[], None] | None
) -> PostgresRereadStore:
    """Return the store; `invalidate` is called after every repair, if there is a cache."""
    return PostgresRereadStore(
        database,
        backoff_seconds=settings.dead_letter_backoff_seconds,
        settle_seconds=settings.settle_seconds,
        claim_seconds=settings.dead_letter_claim_seconds,
        invalidate=invalidate,
    )
