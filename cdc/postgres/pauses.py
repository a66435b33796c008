"""Paused containers, the places of their leases, and the feeds that went on during a pause."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from cdc.core.documents import Change, JsonObject
from cdc.core.errors import ConflictError, ProblemKind
from cdc.core.ordering import Verdict, judge
from cdc.postgres import gate, ledger
from cdc.postgres.arrays import Array
from cdc.postgres.database import Database
from cdc.postgres.statements import statement

# The breaker counts what was read within this time.
WINDOW_SECONDS = 60
# It pauses some seconds later, when it has read the leases and the last write is over.
_REPLAYED_SECONDS = 2 * WINDOW_SECONDS


@dataclass(frozen=True, slots=True)
class Pause:
    """A paused container: why, since when, by which login, and where its leases were.

    The `source` is `operator` or `breaker`. Without positions, nobody could read the leases yet.
    """

    container: str
    reason: str
    since: datetime
    by: str
    source: str
    positions: Sequence[JsonObject]


@dataclass(frozen=True, slots=True)
class Skip:
    """A feed that went on although its container was paused: what to do, and when it was seen."""

    sentence: str
    at: datetime


def add(database: Database, container: str, reason: str, source: str, positions: Sequence[JsonObject]) -> bool:
    """Pause a container once all running writes are over; return False if it is paused already."""
    parameters = {"container": container, "reason": reason, "source": source, "positions": Jsonb(list(positions))}
    with gate.closed(database) as connection:
        connection.execute(statement("forget_batches"), parameters)
        return connection.execute(statement("add_pause"), parameters).rowcount == 1


def remove(database: Database, container: str, *, replay: bool) -> int:
    """Resume a container; return how many letters of its mapper, parked since just before the pause, are due now."""
    with gate.closed(database) as connection:
        row = connection.execute(statement("remove_pause"), {"container": container}).fetchone()
        if row is None:
            raise ConflictError(f"{container} is not paused.")
        connection.execute(statement("forget_batches"), {"container": container})
        if not replay:
            return 0
        chosen = {
            "container": container, "kind": ProblemKind.MAPPING.value, "since": row[0], "window": _REPLAYED_SECONDS,
        }  # fmt: skip
        return connection.execute(statement("replay_since"), chosen).rowcount


def read_all(database: Database) -> dict[str, Pause]:
    """Return the pauses by container."""
    with database.connection() as connection:
        return {row[0]: Pause(*row) for row in connection.execute(statement("read_pauses"))}


def move(database: Database, pause: Pause, positions: Sequence[JsonObject]) -> None:
    """Store the positions up to which a paused feed was checked."""
    parameters = {"container": pause.container, "since": pause.since, "positions": Jsonb(list(positions))}
    with database.connection() as connection:
        connection.execute(statement("move_pause"), parameters)


def note_skip(database: Database, container: str, problem: str) -> None:
    """Store that a feed went on during a pause: a backfill and a complete reconcile must begin later than now."""
    with database.connection() as connection:
        connection.execute(statement("note_skip"), {"container": container, "problem": problem})


def read_skips(database: Database) -> dict[str, Skip]:
    """Return by container the feeds that went on during a pause, as long as that is not mended."""
    with database.connection() as connection:
        return {name: Skip(sentence, at) for name, sentence, at in connection.execute(statement("read_skips"))}


def are_known(database: Database, changes: Collection[Change]) -> bool:
    """Return whether these versions are in PostgreSQL, or newer ones, or will be read again."""
    keys = [change.key for change in changes]
    with database.connection() as connection:
        held = ledger.read_held(connection, keys)()
        again = connection.execute(statement("find_to_be_read_again"), {"keys": Array.of("bytea", keys)}).fetchall()
    return all(
        (change.key in held and judge(change, held[change.key]) in (Verdict.SAME, Verdict.STALE))
        or (change.key,) in again
        for change in changes
    )
