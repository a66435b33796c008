"""The gate: the recorded phase and the paused containers, which every writing transaction reads first."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from cdc.config.settings import Phase
from cdc.core.documents import JsonObject
from cdc.core.errors import ConflictError, FatalError
from cdc.postgres.database import Connection, Database
from cdc.postgres.statements import statement

# A phase changes a few times in the life of a project.
_NEWEST = 100


@dataclass(frozen=True, slots=True)
class RecordedPhase:
    """The phase that holds for all instances, and since when."""

    phase: Phase
    since: datetime


@dataclass(frozen=True, slots=True)
class PhaseChange:
    """One change of the recorded phase; `before` is None for the first."""

    before: Phase | None
    phase: Phase
    at: datetime
    by: str
    checks: Sequence[JsonObject]
    override: str | None


def enter(connection: Connection, container: str | None = None) -> None:
    """Refuse to write in phase 3, without a recorded phase, or into a paused container.

    Call it first in every transaction that writes rows or the ledger: phase and pauses then stay until its end. Inside
    a pipeline the statement is only sent; its error is raised when a later answer is read.
    """
    connection.execute(statement("enter_gate"), {"container": container})


@contextmanager
def closed(database: Database) -> Iterator[Connection]:
    """Lend a transaction in which phase and pauses may be changed: no writing transaction runs meanwhile."""
    with database.transaction() as connection:
        connection.execute(statement("close_gate"))
        yield connection


def read_phase(database: Database) -> RecordedPhase | None:
    """Return the recorded phase."""
    with database.connection() as connection:
        return _read_phase(connection)


def read_changes(database: Database) -> list[PhaseChange]:
    """Return the newest changes of the phase, newest first."""
    with database.connection() as connection:
        rows = connection.execute(statement("read_phase_changes"), {"limit": _NEWEST}).fetchall()
    return [
        PhaseChange(None if before is None else Phase(before), Phase(phase), *others) for before, phase, *others in rows
    ]


def check_recorder(database: Database) -> None:
    """Raise FatalError unless this login may record a phase."""
    with database.connection() as connection:
        may = connection.execute(statement("may_record_phase")).fetchone()
    if may != (True,):
        raise FatalError(
            "The login of POSTGRES_CONNECTION may not record a phase: run this command as the login that migrates."
        )


def record_first(database: Database, phase: Phase) -> RecordedPhase:
    """Record a phase if none is recorded; return the recorded one."""
    recorded = read_phase(database)
    while recorded is None:
        check_recorder(database)
        with closed(database) as connection:
            if _read_phase(connection) is None:
                _write(connection, None, phase, (), None)
        recorded = read_phase(database)
    return recorded


def record(
    database: Database, before: Phase, phase: Phase, checks: Sequence[JsonObject] = (), override: str | None = None
) -> None:
    """Record a change of the phase; raise ConflictError if the recorded phase is not `before`."""
    with closed(database) as connection:
        record_in(connection, before, phase, checks, override)


def record_in(
    connection: Connection, before: Phase, phase: Phase, checks: Sequence[JsonObject], override: str | None = None
) -> None:
    """Record a change of the phase in a transaction in which the gate is closed; raise as `record` does."""
    recorded = _read_phase(connection)
    if recorded is None or recorded.phase is not before:
        raise ConflictError("Somebody else has changed the phase: look at it again with python -m cdc phase.")
    _write(connection, before, phase, checks, override)


def _read_phase(connection: Connection) -> RecordedPhase | None:
    row = connection.execute(statement("read_phase")).fetchone()
    return None if row is None else RecordedPhase(Phase(row[0]), row[1])


def _write(
    connection: Connection, before: Phase | None, phase: Phase, checks: Sequence[JsonObject], override: str | None
) -> None:
    parameters = {
        "before": None if before is None else int(before),
        "phase": int(phase),
        "checks": Jsonb(list(checks)),
        "override": override,
    }
    connection.execute(statement("write_phase"), parameters)
    connection.execute(statement("add_phase_change"), parameters)
