"""How many changes were applied so far."""

from dataclasses import dataclass
from datetime import datetime

from cdc.postgres.database import Connection, Database
from cdc.postgres.statements import statement


@dataclass(frozen=True, slots=True)
class Applied:
    """The changes of a container that feed and backfills have applied so far, and when the last one was applied."""

    changes: int
    last_at: datetime


def note(connection: Connection, container: str, changes: int) -> None:
    """Count changes in the transaction that applies them; nobody else writes the row of its connection."""
    if changes:
        connection.execute(statement("note_applied"), {"container": container, "changes": changes})


def read(database: Database) -> dict[str, Applied]:
    """Return what was applied, by container; a container of which nothing was applied is not there."""
    with database.connection() as connection:
        rows = connection.execute(statement("read_applied")).fetchall()
    return {container: Applied(changes, last_at) for container, changes, last_at in rows}


def merge(database: Database) -> None:
    """Add up the rows of connections that are over."""
    with database.transaction() as connection:
        connection.execute(statement("merge_applied"))
