"""The ledger: which version of which document is in PostgreSQL, and under which row key."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import LiteralString

from cdc.model import Held, Identity, State, Version, Write
from cdc.postgres import Connection
from cdc.queries import statement

# The constraint that finds two documents of one container that claim one row.
ROW_KEY_CONSTRAINT = "document_row_key_unique"


def read_held(connection: Connection, keys: Sequence[bytes]) -> dict[bytes, Held]:
    """Return what is held of these documents, without locking it."""
    return _read(connection, statement("read_held"), keys)


def lock(connection: Connection, keys: Sequence[bytes]) -> dict[bytes, Held]:
    """Return what is held of these documents, and keep others from changing it until the transaction ends."""
    return _read(connection, statement("lock_documents"), keys)


def _read(connection: Connection, query: LiteralString, keys: Sequence[bytes]) -> dict[bytes, Held]:
    rows = connection.execute(query, {"keys": list(keys)})
    return {
        key: Held(Version(ts, lsn, etag), State(state), absence) for key, ts, lsn, etag, state, absence in rows
    }  # fmt: skip


def upsert(
    connection: Connection,
    container: str,
    writes: Iterable[Write],
    row_keys: Mapping[bytes, str],
    *,
    reapplies: bool = False,
) -> dict[bytes, str | None]:
    """Record the writes whose version is newer than the held one, or that very version when it is written again.

    Returns the winners, each with the row key that it abandons, if any.
    """
    arrays = _arrays(container, writes, row_keys) | {"reapplies": reapplies}
    return _write(connection, statement("upsert_documents"), arrays)


def replace(
    connection: Connection, container: str, writes: Iterable[Write], row_keys: Mapping[bytes, str]
) -> dict[bytes, str | None]:
    """Record writes of documents that are locked, whatever version they have; returns what `upsert` returns."""
    return _write(connection, statement("replace_documents"), _arrays(container, writes, row_keys))


def _arrays(container: str, writes: Iterable[Write], row_keys: Mapping[bytes, str]) -> dict[str, object]:
    ordered = sorted(writes, key=lambda write: write.change.key)
    changes = [write.change for write in ordered]
    return {
        "container": container,
        "keys": [change.key for change in changes],
        "partition_keys": [change.identity.partition_key for change in changes],
        "ids": [change.identity.id for change in changes],
        "ts": [change.version.ts for change in changes],
        "lsns": [change.version.lsn for change in changes],
        "etags": [change.version.etag for change in changes],
        "row_keys": [row_keys.get(change.key) for change in changes],
        "states": [write.state.value for write in ordered],
        "absences": [change.absence for change in changes],
    }


def _write(connection: Connection, query: LiteralString, arrays: Mapping[str, object]) -> dict[bytes, str | None]:
    return dict(connection.execute(query, arrays).fetchall()) if arrays["keys"] else {}


def read_holder(connection: Connection, container: str, row_key: str) -> Identity | None:
    """Return the document of a container that holds a row."""
    found = connection.execute(statement("read_holder"), {"container": container, "row_key": row_key}).fetchone()
    return None if found is None else Identity(container, *found)


def write_row_key(values: Iterable[object]) -> str:
    """Write the values of a root row's primary key as the text that the ledger holds."""
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":"), default=str)
