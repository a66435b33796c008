"""Where the watch on Cosmos reads on after the cut-over, and the documents that somebody has written there since."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from cdc.core.documents import Change, Identity, JsonObject
from cdc.postgres.database import Connection, Database
from cdc.postgres.statements import statement


@dataclass(frozen=True, slots=True)
class ForgottenWrites:
    """The documents of a container that were written to Cosmos since the cut-over; `open` ones nobody has accepted."""

    container: str
    documents: int
    open: int
    writes: int
    first_seen_at: datetime | None
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Overdue:
    """A watched container at which nobody has looked since."""

    container: str
    since: datetime


def begin(connection: Connection, container: str, positions: Sequence[JsonObject]) -> None:
    """Begin to watch a container from these positions."""
    connection.execute(statement("begin_watch"), {"container": container, "positions": Jsonb(list(positions))})


def read_positions(database: Database) -> dict[str, list[JsonObject]]:
    """Return where the watch reads on in each container; nothing before phase 3 is recorded."""
    with database.connection() as connection:
        return dict(connection.execute(statement("read_watch")).fetchall())


def move(
    database: Database,
    container: str,
    before: Sequence[JsonObject],
    after: Sequence[JsonObject],
    changes: Sequence[Change],
) -> bool:
    """Note which changes the ledger lacks, and move the place; return False if another instance has moved it."""
    place = {"container": container, "before": Jsonb(list(before)), "after": Jsonb(list(after))}
    with database.transaction() as connection:
        if connection.execute(statement("move_watch"), place).fetchone() is None:
            return False
        if changes:
            connection.execute(statement("add_forgotten"), _parameters(changes))
    return True


def _parameters(changes: Sequence[Change]) -> dict[str, object]:
    newest = {change.key: change for change in changes}.values()  # one statement may not update a row twice
    return {
        "keys": [change.key for change in newest],
        "containers": [change.identity.container for change in newest],
        "partition_keys": [change.identity.partition_key for change in newest],
        "ids": [change.identity.id for change in newest],
        "etags": [change.version.etag for change in newest],
        "seconds": [change.version.ts for change in newest],
    }


def count(database: Database) -> list[ForgottenWrites]:
    """Count what was found, by container."""
    with database.connection() as connection:
        return [ForgottenWrites(*row) for row in connection.execute(statement("count_forgotten"))]


def count_open(database: Database) -> list[ForgottenWrites]:
    """Count what nobody has accepted, by container."""
    return [each for each in count(database) if each.open]


def find_overdue(database: Database, seconds: float) -> list[Overdue]:
    """Return the watched containers at which nobody has looked for so long."""
    with database.connection() as connection:
        return [Overdue(*row) for row in connection.execute(statement("find_overdue_watch"), {"seconds": seconds})]


def list_open(database: Database, limit: int) -> list[Identity]:
    """Return some of the documents that nobody has accepted, newest first."""
    with database.connection() as connection:
        return [Identity(*row) for row in connection.execute(statement("list_forgotten"), {"limit": limit})]


def accept(database: Database) -> int:
    """Accept what was found so far; return how many documents."""
    with database.transaction() as connection:
        return connection.execute(statement("accept_forgotten")).rowcount
