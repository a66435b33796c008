"""The ledger: which version of which document is in PostgreSQL, and under which row key."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import LiteralString

from psycopg.sql import SQL

from cdc.core.documents import Held, Identity, State, Version
from cdc.core.mapping import Values
from cdc.core.ordering import ABSENCE_SECONDS
from cdc.core.row_keys import RowKey
from cdc.core.writes import Write
from cdc.postgres import arrays
from cdc.postgres.arrays import Array, Shape
from cdc.postgres.database import Connection
from cdc.postgres.statements import statement

# Waits for and returns the recorded documents, each with the row key that it abandons (row_keys.read), or None.
Winners = Callable[[], Sequence[tuple[bytes, str | None]]]

# The constraint against two documents that claim one row.
ROW_KEY_CONSTRAINT = "document_row_key_unique"
# The name of its successor until migration 0024 ends.
_NEW_CONSTRAINT = "document_row_hash"
ROW_KEY_CONSTRAINTS = (ROW_KEY_CONSTRAINT, _NEW_CONSTRAINT)

_SHAPE: Shape = (
    ("key", "bytea"),
    ("partition_key", "text"),
    ("id", "text"),
    ("ts", "bigint"),
    ("lsn", "bigint"),
    ("etag", "text"),
    ("row_table", "text"),
    ("row_key", "text"),
    ("row_hash", "bytea"),
    ("state", "text"),
    ("absence", "boolean"),
    ("unmapped_type", "text"),
)
_STATES = {state.value: state for state in State}
_NO_ROW = (None, None, None)


def read_held(connection: Connection, keys: Sequence[bytes]) -> Callable[[], dict[bytes, Held]]:
    """Read the ledger's entries of these documents without a lock.

    Inside a pipeline the statement is only sent: the returned function waits for the answer.
    """
    return _read(connection, statement("read_held"), keys)


def read_pruned(connection: Connection, container: str) -> Callable[[], int | None]:
    """Read the `ts` of the newest tombstone of a container that was pruned; None if none was.

    Inside a pipeline the statement is only sent: the returned function waits for the answer.
    """
    found = connection.execute(statement("read_pruned"), {"container": container}, binary=True)

    def answer() -> int | None:
        row = found.fetchone()
        return None if row is None else int(row[0])

    return answer


def lock(connection: Connection, keys: Sequence[bytes]) -> dict[bytes, Held]:
    """Return the ledger's entries of these documents and lock them until the transaction ends."""
    return _read(connection, statement("lock_documents"), keys)()


def _read(connection: Connection, query: LiteralString, keys: Sequence[bytes]) -> Callable[[], dict[bytes, Held]]:
    found = connection.execute(query, {"keys": Array.of("bytea", keys)}, binary=True)
    return lambda: {
        key: Held(Version(ts, lsn, etag), _STATES[state], absence)
        for key, ts, lsn, etag, state, absence in found.fetchall()
    }


def upsert(
    connection: Connection,
    container: str,
    writes: Iterable[Write],
    row_keys: Mapping[bytes, RowKey],
    *,
    reapplies: bool = False,
) -> Winners:
    """Record the writes whose version is newer than the held one; with `reapplies` also the held version itself.

    Inside a pipeline the statement is only sent: the returned function waits for the answer.
    """
    guard = [reapplies, ABSENCE_SECONDS]
    return _write(connection, statement("upsert_documents"), container, writes, row_keys, guard)


def replace(
    connection: Connection, container: str, writes: Iterable[Write], row_keys: Mapping[bytes, RowKey]
) -> Winners:
    """Record writes of locked documents, whatever their version; returns the same as `upsert`."""
    return _write(connection, statement("replace_documents"), container, writes, row_keys)


def _write(
    connection: Connection,
    query: LiteralString,
    container: str,
    writes: Iterable[Write],
    row_keys: Mapping[bytes, RowKey],
    guard: Sequence[object] = (),
) -> Winners:
    # In key order, the lock order of all writers: an upsert locks documents in the order in which they are sent.
    documents = sorted(_values(write, row_keys.get(write.change.key)) for write in writes)
    if not documents:
        return list
    parameters = [container, *arrays.parameters(_SHAPE, documents), *guard]
    return connection.execute(_from_source(query), parameters, binary=True).fetchall


def _values(write: Write, row_key: RowKey | None) -> Values:
    change = write.change
    identity, version = change.identity, change.version
    return (
        change.key,
        identity.partition_key,
        identity.id,
        version.ts,
        version.lsn,
        version.etag,
        *(row_key or _NO_ROW),
        write.state,
        change.absence,
        write.rows.unmapped_type,
    )


@cache
def _from_source(query: LiteralString) -> bytes:
    return SQL(query).format(source=arrays.source(_SHAPE)).as_bytes()


def find_held(connection: Connection, row_keys: Iterable[RowKey]) -> set[bytes]:
    """Return the hashes of those of these row keys that a document holds."""
    hashes = Array.of("bytea", [key.hash for key in row_keys])
    return {held for (held,) in connection.execute(statement("find_held_rows"), {"hashes": hashes})}


def find_holders(
    connection: Connection, container: str, row_keys: Iterable[RowKey]
) -> Sequence[tuple[Identity, str | None]]:
    """Return the documents that hold these rows of a container, each with the table of its row.

    One of another container had the table before.
    """
    keys = list(row_keys)
    parameters = {
        "container": container,
        "hashes": Array.of("bytea", [key.hash for key in keys]),
        "row_keys": [key.values for key in keys],
    }
    found = connection.execute(statement("find_holders"), parameters)
    return [(Identity(*names), table) for *names, table in found]
