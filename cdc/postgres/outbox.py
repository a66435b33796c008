"""The outbox: cache keys of changed rows, kept until they are removed from the cache."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdc.postgres.database import Database
from cdc.postgres.statements import statement

# The statement that notes keys is in cdc/postgres/rows.py, where the rows change.
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Note:
    """The cache keys of one row, noted by the transaction that changed it."""

    id: int
    keys: Sequence[str]


def read(database: Database, after: int, limit: int) -> list[Note]:
    """Return the oldest notes after the note with this id."""
    with database.connection() as connection:
        rows = connection.execute(statement("read_noted_keys"), {"after": after, "limit": limit}).fetchall()
    return [Note(*row) for row in rows]


def delete(database: Database, notes: Sequence[Note]) -> None:
    """Delete notes whose keys are removed."""
    with database.transaction() as connection:
        connection.execute(statement("delete_notes"), {"ids": [note.id for note in notes]})


def prune(database: Database, seconds: float) -> int:
    """Delete the notes that are older than so many seconds; return how many."""
    pruned, found = 0, _AT_ONCE
    while found == _AT_ONCE:
        with database.transaction() as connection:
            row = connection.execute(statement("prune_notes"), {"limit": _AT_ONCE, "seconds": seconds}).fetchone()
        (found,) = row or (0,)
        pruned += found
    return pruned
