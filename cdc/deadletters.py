"""Dead letters: the documents that must be read again, and why."""

from collections.abc import Iterable

from cdc.model import Change, Write
from cdc.postgres import Connection
from cdc.queries import statement


def lock(connection: Connection, changes: Iterable[Change]) -> None:
    """Lock the letters of these documents in key order, before some are cleared and others parked."""
    connection.execute(statement("lock_letters"), {"keys": [change.key for change in changes]})


def park(connection: Connection, writes: Iterable[Write]) -> None:
    """Keep a letter for each write that has a problem, in key order."""
    ordered = sorted(writes, key=lambda write: write.change.key)
    letters = [_letter(write) for write in ordered if write.problem is not None]
    if letters:
        connection.cursor().executemany(statement("park"), letters)


def _letter(write: Write) -> dict[str, object]:
    identity, version, problem = write.change.identity, write.change.version, write.problem
    assert problem is not None  # noqa: S101 - park() lets only these through
    return {
        "key": write.change.key,
        "container": identity.container,
        "partition_key": identity.partition_key,
        "id": identity.id,
        "ts": version.ts,
        "lsn": version.lsn,
        "etag": version.etag,
        "kind": problem.kind.value,
        "path": problem.path,
        "message": problem.message,
    }


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
