"""Dead letters: the documents that must be read again, and why."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cdc.core.documents import Change, Identity
from cdc.core.errors import ProblemKind
from cdc.core.writes import Write
from cdc.postgres.arrays import Array
from cdc.postgres.database import Connection, Database
from cdc.postgres.statements import statement
from cdc.repair.letters import Choice, Letter, LetterState, Mark

# What waits for another document is read again after the back-off, twice that, four times that, and so on.
_WAITING = [ProblemKind.CONFLICT.value, ProblemKind.MISSING_PARENT.value]
_TRIES = 5
_DOUBLINGS = 5
# `_ts` has whole seconds: after so many nothing else can be written within that second; and a source whose clock is
# ahead is not waited for longer.
_UNDECIDED_SECONDS = 2
_UNDECIDED_AT_MOST = 10


@dataclass(frozen=True, slots=True)
class Turnover:
    """The rows of a table that a transaction frees and writes, for which letters of other documents may wait."""

    table: str
    freed: Sequence[str]
    written: Sequence[str]

    def parameters(self) -> dict[str, object]:
        """Return what the statements need."""
        return {"table": self.table, "freed": Array.of("text", self.freed), "written": Array.of("text", self.written)}


def lock(connection: Connection, changes: Sequence[Change], turnover: Turnover) -> Callable[[], set[bytes]]:
    """Lock all letters that a transaction clears, parks or wakes, in key order, and return their keys.

    Inside a pipeline the statement is only sent: what is returned waits for the answer.
    """
    if not changes:
        return set
    parameters = {"keys": Array.of("bytea", [change.key for change in changes]), **turnover.parameters()}
    found = connection.execute(statement("lock_letters"), parameters)
    return lambda: {key for (key,) in found}


def park(connection: Connection, writes: Iterable[Write], backoff_seconds: float) -> None:
    """Keep a letter for each write that has a problem, in key order."""
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
    """Note that a document was read again and has a problem still; a letter that changed meanwhile stays as it is."""
    policy = {"backoff_seconds": backoff_seconds, "waiting": _WAITING, "tries": _TRIES, "doublings": _DOUBLINGS}
    connection.execute(
        statement("park_again"), _letter(write) | policy | {"number": mark.number, "revision": mark.revision}
    )


def _letter(write: Write) -> dict[str, object]:
    problem = write.problem
    assert problem is not None  # noqa: S101 - both callers let only these through
    return {
        **_document(write.change),
        "kind": problem.kind.value,
        "path": problem.path,
        "message": problem.message,
        "wanted_table": None if problem.wanted is None else problem.wanted.table,
        "wanted_key": None if problem.wanted is None else problem.wanted.key,
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
    """Keep a letter that has the document read again after the settle time."""
    letter = _document(change) | {"message": message, "settle_seconds": settle_seconds}
    connection.execute(statement("doubt"), letter)


def clear(connection: Connection, changes: Iterable[Change]) -> None:
    """Remove the letters that these applied changes answer."""
    applied = sorted(changes, key=lambda change: change.key)
    if applied:
        parameters = {
            "keys": [change.key for change in applied],
            "ts": [change.version.ts for change in applied],
            "lsns": [change.version.lsn for change in applied],
        }
        connection.execute(statement("clear_letters"), parameters)


def answer(connection: Connection, marks: Sequence[Mark]) -> None:
    """Remove letters whose documents were read again; one that changed meanwhile stays."""
    if marks:
        numbers, revisions = [mark.number for mark in marks], [mark.revision for mark in marks]
        connection.execute(statement("answer_letters"), {"numbers": numbers, "revisions": revisions})


def wake(connection: Connection, turnover: Turnover) -> None:
    """Make the letters due that wait for one of these rows to be freed or written; they are locked."""
    connection.execute(statement("wake_letters"), turnover.parameters())


def claim(connection: Connection, containers: Sequence[str], limit: int, claim_seconds: float) -> list[Identity]:
    """Take letters that are due, so that no other retry takes them for a while."""
    parameters = {"containers": list(containers), "limit": limit, "claim_seconds": claim_seconds}
    return [Identity(*row) for row in connection.execute(statement("claim_letters"), parameters)]


def postpone(connection: Connection, key: bytes, backoff_seconds: float) -> None:
    """Give a claimed letter back, to be taken again later."""
    connection.execute(statement("postpone_letter"), {"key": key, "backoff_seconds": backoff_seconds})


def release(connection: Connection, key: bytes) -> None:
    """Give a claimed letter back at once."""
    connection.execute(statement("release_letter"), {"key": key})


class PostgresLetters:
    """Dead letters worked by hand, in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, choice: Choice, after: int, limit: int) -> list[Letter]:
        with self._database.connection() as connection:
            found = connection.execute(
                statement("list_letters"), _parameters(choice) | {"after": after, "limit": limit}
            ).fetchall()
        return [_read_letter(*row) for row in found]

    def replay(self, choice: Choice) -> int:
        """Make letters due, whatever they wait for, and return how many there were."""
        with self._database.transaction() as connection:
            return connection.execute(statement("replay_letters"), _parameters(choice)).rowcount

    def discard(self, number: int) -> bool:
        """Have a letter never read again by itself; tell whether it was there and could be discarded."""
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
