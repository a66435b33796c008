"""Prune tombstones that no delivery can come before any more."""

from datetime import datetime

from cdc.postgres import Database
from cdc.queries import statement


def prune(database: Database, container: str, before: datetime) -> int:
    """Delete the tombstones of a container that are older than `before`; one that a letter waits for stays."""
    with database.transaction() as connection:
        return connection.execute(statement("prune_tombstones"), {"container": container, "before": before}).rowcount
