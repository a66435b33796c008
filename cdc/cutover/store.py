"""Rehearsals and runs of the cut-over in PostgreSQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from cdc.core.errors import ConflictError
from cdc.cutover.attempt import Attempt, Kind, Progress
from cdc.postgres.database import Connection, Database
from cdc.postgres.statements import statement

_TAKEN = (
    "Another process has taken this over, or somebody has aborted it: look at it with python -m cdc cutover status."
)


@dataclass(frozen=True, slots=True)
class Attempts:
    """Begins, keeps and ends attempts; whatever a process keeps fails once another one has taken over."""

    database: Database

    @contextmanager
    def working_on_run(self) -> Iterator[None]:
        """Show everybody that a process works on a run, until this one ends."""
        with self.database.unlimited() as session:
            session.execute(statement("work_on_run"))
            try:
                yield
            finally:
                session.close()  # whatever became of this connection, the run has its own end

    def is_run_worked_on(self) -> bool:
        """Return whether a process works on a run that is not over."""
        with self.database.connection() as connection:
            row = connection.execute(statement("read_unfinished_cutover")).fetchone()
        return row is not None and row[-1]

    def begin(self, kind: Kind) -> Attempt:
        """Begin an attempt, or take over the one that is not over."""
        token = uuid4()
        parameters = {"kind": kind, "token": token, "progress": Progress().model_dump_json()}
        with self.database.transaction() as connection:
            (row,) = connection.execute(statement("begin_cutover"), parameters).fetchall()
        attempt = _read(row)
        attempt.token = token
        return attempt

    def save(self, attempt: Attempt, problem: str | None = None) -> None:
        """Keep the progress; raise ConflictError if another process works on it now."""
        with self.database.transaction() as connection:
            self.save_in(connection, attempt, problem)

    def save_in(self, connection: Connection, attempt: Attempt, problem: str | None = None) -> None:
        """Keep the progress in a transaction with what was done."""
        _own(connection.execute(statement("save_cutover"), _parameters(attempt) | {"problem": problem}).fetchone())

    def end(self, attempt: Attempt) -> None:
        """End an attempt as completed."""
        with self.database.transaction() as connection:
            self.end_in(connection, attempt)

    def end_in(self, connection: Connection, attempt: Attempt) -> None:
        """End an attempt in a transaction with its last step."""
        _own(connection.execute(statement("end_cutover"), _parameters(attempt)).fetchone())

    def abort_in(self, connection: Connection) -> Attempt | None:
        """End the unfinished run and return it; the process that works on it fails at its next step."""
        row = connection.execute(statement("abort_cutover")).fetchone()
        return None if row is None else _read(row)

    def read_newest(self, kind: Kind, states: Sequence[str] = ("running", "completed", "aborted")) -> Attempt | None:
        """Return the newest attempt of a kind in one of these states."""
        with self.database.connection() as connection:
            row = connection.execute(statement("read_cutovers"), {"kind": kind, "states": list(states)}).fetchone()
        return None if row is None else _read(row)


def _own(row: object) -> None:
    if row is None:
        raise ConflictError(_TAKEN)


def _parameters(attempt: Attempt) -> dict[str, object]:
    return {"number": attempt.number, "token": attempt.token, "progress": attempt.progress.model_dump_json()}


def _read(row: Sequence[Any]) -> Attempt:
    number, kind, state, started_at, finished_at, by, progress, problem = row
    return Attempt(number, kind, state, started_at, finished_at, by, Progress.model_validate(progress), problem)
