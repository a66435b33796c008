"""Apply a migration in steps beside a running app: each step ends by itself, and an interrupted one goes on.

A line `-- step: KIND NAME` begins a step:
- `transaction`: statements in one transaction, which gives up when a lock does not come at once, and tries again;
- `batches`: one statement that takes %(after)s and %(limit)s and returns where the next batch begins, or no row;
- `index`: `create index concurrently if not exists`; NAME is the index with its schema. An invalid index of that name,
  which an interrupted run has left, is dropped first.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import LiteralString

from psycopg.sql import SQL, Identifier

from cdc.core.errors import TransientError
from cdc.postgres.database import Connection, Database
from cdc.postgres.statements import statement

# Any constants that differ from the advisory locks of other programs in the same database.
_LOCK, _INDEX_LOCK = 0x6D797374, 0x6D797375
_STEP = re.compile(r"^-- step: (\w+) ([\w.]+)$", re.MULTILINE)
# Whoever waits for a lock of a table keeps all others waiting behind it.
_LOCK_SECONDS = 0.3
_BATCH = 1_000
_PAUSE_SECONDS = 0.5
_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a migration."""

    migration: str
    kind: str
    name: str
    statements: LiteralString

    @property
    def key(self) -> dict[str, object]:
        """Return the parameters that name it in PostgreSQL."""
        return {"migration": self.migration, "step": self.name}


def read_steps(migration: str, statements: LiteralString) -> list[Step]:
    """Return the steps of a migration; [] if it is applied whole."""
    _, *parts = _STEP.split(statements)
    return [Step(migration, *each) for each in zip(parts[::3], parts[1::3], parts[2::3], strict=True)]


def apply(database: Database, steps: Sequence[Step], root_tables: Mapping[str, str]) -> None:
    """Apply the steps that are not finished yet; steps may read the root tables by container from a setting."""
    for step in steps:
        if step.kind == "index":
            _patiently(partial(_build_index, database, step))
        elif step.kind == "batches":
            while _patiently(partial(_run_batch, database, step)):
                pass
        else:
            _patiently(partial(_run, database, step, root_tables))


def lock(connection: Connection) -> None:
    """Take turns with other runs until the transaction ends: a pooler may give the next one another session."""
    connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])


def _patiently(attempt: Callable[[], bool]) -> bool:
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return attempt()
        except TransientError:
            if time.monotonic() >= end:
                raise
        time.sleep(_PAUSE_SECONDS)


@contextmanager
def _unfinished(database: Database, step: Step) -> Iterator[tuple[Connection, str | None]]:
    """Begin a transaction of a step, and return its position; None if the step is finished."""
    with database.transaction() as connection:
        lock(connection)
        connection.execute("select set_config('lock_timeout', %s, true)", [f"{_LOCK_SECONDS}s"])
        position, finished = connection.execute(statement("read_step"), step.key).fetchone() or ("", False)
        yield connection, None if finished else position


def _save(connection: Connection, step: Step, position: str = "", *, finished: bool = True) -> None:
    connection.execute(statement("save_step"), step.key | {"position": position, "finished": finished})


def _run(database: Database, step: Step, root_tables: Mapping[str, str]) -> bool:
    with _unfinished(database, step) as (connection, position):
        if position is None:
            return False
        connection.execute("select set_config('cdc.root_tables', %s, true)", [json.dumps(dict(root_tables))])
        connection.execute(step.statements)
        _save(connection, step)
    return True


def _run_batch(database: Database, step: Step) -> bool:
    """Run one batch, and return whether there may be another."""
    with _unfinished(database, step) as (connection, position):
        if position is None:
            return False
        last = connection.execute(step.statements, {"after": position, "limit": _BATCH}).fetchone()
        _save(connection, step, position if last is None else last[0], finished=last is None)
    return last is not None


def _build_index(database: Database, step: Step) -> bool:
    with _unfinished(database, step) as (_, position):
        if position is None:
            return False
    with _only_builder(database), database.unlimited() as connection:
        while not (found := _find_index(connection, step)) or not found[1]:
            if found:
                _drop(connection, step, found[0])
            connection.execute(step.statements)
    with _unfinished(database, step) as (connection, position):
        _save(connection, step)
    return position is not None


@contextmanager
def _only_builder(database: Database) -> Iterator[None]:
    """Let no other run build an index meanwhile.

    Building an index waits for all snapshots of earlier statements. So nobody waits inside a statement here, and none
    has parameters: with them, its snapshot would stay until the next statement.
    """
    attempt = f"select pg_try_advisory_xact_lock({_INDEX_LOCK})"
    with database.unlimited() as connection, connection.transaction():
        while connection.execute(attempt, prepare=False).fetchone() != (True,):
            time.sleep(_PAUSE_SECONDS)
        yield


def _find_index(connection: Connection, step: Step) -> tuple[str, bool] | None:
    """Return the table of the step's index, and whether the index is valid."""
    found = connection.execute(statement("read_index"), {"index": step.name}).fetchone()
    return None if found is None else (found[0], found[1])


def _drop(connection: Connection, step: Step, table: str) -> None:
    """Drop an index that an interrupted run has left, unless a server process still builds it and ends well."""
    with connection.transaction():  # waits until nobody builds an index of this table
        connection.execute(SQL("lock table {} in share update exclusive mode").format(_identifier(table)))
    found = _find_index(connection, step)
    if found is not None and not found[1]:
        connection.execute(SQL("drop index concurrently {}").format(_identifier(step.name)))


def _identifier(name: str) -> Identifier:
    return Identifier(*name.split("."))
