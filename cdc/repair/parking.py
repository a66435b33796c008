"""Keep dead letters in PostgreSQL."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cdc.core.documents import Change, Identity
from cdc.core.errors import ProblemKind
from cdc.core.row_keys import RowKey
from cdc.core.writes import Write
from cdc.postgres.arrays import Array
from cdc.postgres.database import Connection, Database
from cdc.postgres.statements import statement
from cdc.repair.letters import Choice, Letter, LetterState, Mark

# A document that waits for another one is read again after the back-off, twice that, four times that, and so on.
_WAITING = [ProblemKind.CONFLICT.value, ProblemKind.MISSING_PARENT.value]
_TRIES = 5
# The index on `wanted_key` cannot hold longer keys.
_LONGEST_KEY = 2_000
# `_ts` has whole seconds: after this time no more versions get the same `_ts`. The maximum limits the wait if the
# source's clock is ahead.
_UNDECIDED_SECONDS = 2
_UNDECIDED_AT_MOST = 10


@dataclass(frozen=True, slots=True)
class Turnover:
    """The hashes of the row keys that a transaction frees and writes; letters of other documents may wait for them."""

    freed: Sequence[bytes]
    written: Sequence[bytes]

    def parameters(self) -> dict[str, object]:
        """Return the parameters of the statements."""
        return {"freed": Array.of("bytea", self.freed), "written": Array.of("bytea", self.written)}


def lock(connection: Connection, changes: Sequence[Change], turnover: Turnover) -> Callable[[], set[bytes]]:
    """Lock all letters that a transaction clears, parks or wakes, in key order, and return their keys.

    Inside a pipeline the statement is only sent: the returned function waits for the answer.
    """
    if not changes:
        return set
    parameters = {"keys": Array.of("bytea", [change.key for change in changes]), **turnover.parameters()}
    found = connection.execute(statement("lock_letters"), parameters)
    return lambda: {key for (key,) in found}


def write(
    connection: Connection,
    settled: Iterable[Change],
    unapplied: Iterable[Write],
    locked: Collection[bytes],
    turnover: Turnover,
    backoff_seconds: float,
) -> None:
    """Clear the letters of settled changes, park the unapplied writes, and wake letters that wait for these rows.

    `locked` are the keys that `lock` returned: without any, there is nothing to clear or wake.
    """
    if locked:
        clear(connection, settled)
    park(connection, unapplied, backoff_seconds)
    if locked:
        wake(connection, turnover)


def park(connection: Connection, writes: Iterable[Write], backoff_seconds: float) -> None:
    """Park each write that has a problem, in key order."""
    bad = sorted((write for write in writes if write.problem is not None), key=lambda write: write.change.key)
    policy = {
        "backoff_seconds": backoff_seconds,
        "waiting": _WAITING,
        "undecided_seconds": _UNDECIDED_SECONDS,
        "undecided_at_most": _UNDECIDED_AT_MOST,
    }
    letters = [_letter(write) | policy for write in bad]
    if letters:
        connection.cursor().executemany(statement("park"), letters)


def park_again(connection: Connection, write: Write, mark: Mark, backoff_seconds: float) -> None:
    """Park a document again after another read; a letter that has changed since stays unchanged."""
    policy = {"backoff_seconds": backoff_seconds, "waiting": _WAITING, "tries": _TRIES}
    connection.execute(
        statement("park_again"), _letter(write) | policy | {"number": mark.number, "revision": mark.revision}
    )


def _letter(write: Write) -> dict[str, object]:
    problem = write.problem
    assert problem is not None  # noqa: S101 - both callers pass only writes with a problem
    return {
        **_document(write.change),
        "kind": problem.kind.value,
        "path": problem.path,
        "message": problem.message,
        **_wanted(problem.wanted),
    }


def _wanted(row: RowKey | None) -> dict[str, object]:
    # Table and key are for the release before migration 0024.
    short = row is not None and len(row.values.encode()) <= _LONGEST_KEY
    return {
        "wanted_table": row.table if row and short else None,
        "wanted_key": row.values if row and short else None,
        "wanted_row": row and row.hash,
    }


def _document(change: Change) -> dict[str, object]:
    identity, version = change.identity, change.version
    return {
        "key": change.key,
        "container": identity.container,
        "partition_key": identity.partition_key,
        "id": identity.id,
        "ts": version.ts,
        "lsn": version.lsn,
        "etag": version.etag,
    }


def doubt(connection: Connection, change: Change, message: str, settle_seconds: float) -> None:
    """Keep a letter so that the document is read again after the settle time."""
    letter = _document(change) | {"message": message, "settle_seconds": settle_seconds}
    connection.execute(statement("doubt"), letter)


def clear(connection: Connection, changes: Iterable[Change]) -> None:
    """Remove the letters that are answered by these applied changes."""
    applied = sorted(changes, key=lambda change: change.key)
    if applied:
        parameters = {
            "keys": [change.key for change in applied],
            "ts": [change.version.ts for change in applied],
            "lsns": [change.version.lsn for change in applied],
        }
        connection.execute(statement("clear_letters"), parameters)


def answer(connection: Connection, marks: Sequence[Mark]) -> None:
    """Remove letters whose documents were read again; a letter that has changed since stays."""
    if marks:
        numbers, revisions = [mark.number for mark in marks], [mark.revision for mark in marks]
        connection.execute(statement("answer_letters"), {"numbers": numbers, "revisions": revisions})


def wake(connection: Connection, turnover: Turnover) -> None:
    """Make due the letters that wait for these rows; `lock` must have locked them."""
    connection.execute(statement("wake_letters"), turnover.parameters())


def claim(connection: Connection, containers: Sequence[str], limit: int, claim_seconds: float) -> list[Identity]:
    """Claim due letters; no other retry takes them for `claim_seconds`."""
    parameters = {"containers": list(containers), "limit": limit, "claim_seconds": claim_seconds}
    return [Identity(*row) for row in connection.execute(statement("claim_letters"), parameters)]


def postpone(connection: Connection, key: bytes, backoff_seconds: float) -> None:
    """Return a claimed letter; it is due again after the back-off."""
    connection.execute(statement("postpone_letter"), {"key": key, "backoff_seconds": backoff_seconds})


def release(connection: Connection, key: bytes) -> None:
    """Return a claimed letter; it is due at once."""
    connection.execute(statement("release_letter"), {"key": key})


class PostgresLetters:
    """Dead letters for manual work: list, replay, discard."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, choice: Choice, after: int, limit: int) -> list[Letter]:
        with self._database.connection() as connection:
            found = connection.execute(
                statement("list_letters"), _parameters(choice) | {"after": after, "limit": limit}
            ).fetchall()
        return [_read_letter(*row) for row in found]

    def replay(self, choice: Choice) -> int:
        """Make letters due now and return how many matched."""
        with self._database.transaction() as connection:
            return connection.execute(statement("replay_letters"), _parameters(choice)).rowcount

    def discard(self, number: int) -> bool:
        """Stop automatic retries of a letter; return False if it does not exist or cannot be discarded."""
        with self._database.transaction() as connection:
            return connection.execute(statement("discard_letter"), {"number": number}).rowcount == 1


def _parameters(choice: Choice) -> dict[str, object]:
    return {"container": choice.container, "kind": choice.kind, "state": choice.state, "number": choice.number}


def _read_letter(
    number: int, container: str, partition_key: str, id_: str, kind: str, path: str, message: str, state: str,
    attempts: int, parked_at: datetime, next_attempt_at: datetime | None,
) -> Letter:  # fmt: skip
    identity = Identity(container, partition_key, id_)
    return Letter(
        number, identity, ProblemKind(kind), path, message, LetterState(state), attempts, parked_at, next_attempt_at
    )
