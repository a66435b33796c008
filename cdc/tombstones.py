"""Prune tombstones that no delivery can come before any more."""

from datetime import datetime

from cdc.postgres import Database
from cdc.queries import statement

# At some ten thousand a second this is far from what a statement may take.
_AT_ONCE = 10_000


def prune(database: Database, container: str, before: datetime) -> int:
    """Delete the tombstones of a container that are older than `before`; one that a letter waits for stays."""
    parameters = {"container": container, "before": before, "limit": _AT_ONCE}
    pruned, found = 0, _AT_ONCE
    while found == _AT_ONCE:
        with database.transaction() as connection:
            found = connection.execute(statement("prune_tombstones"), parameters).rowcount
        pruned += found
    return pruned
