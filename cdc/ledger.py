"""The ledger: which version of which document is in PostgreSQL, and under which row key."""

import json
from collections.abc import Iterable, Mapping, Sequence

from cdc.model import Version, Write
from cdc.postgres import Connection
from cdc.queries import statement


def read_versions(connection: Connection, keys: Sequence[bytes]) -> dict[bytes, Version]:
    """Return the versions held of these documents."""
    rows = connection.execute(statement("read_versions"), {"keys": list(keys)})
    return {key: Version(ts, lsn, etag) for key, ts, lsn, etag in rows}


def upsert(
    connection: Connection, container: str, writes: Iterable[Write], row_keys: Mapping[bytes, str]
) -> dict[bytes, str | None]:
    """Record the writes whose version is newer than the held one.

    Returns the winners, each with the row key that it abandons, if any.
    """
    ordered = sorted(writes, key=lambda write: write.change.key)
    if not ordered:
        return {}
    changes = [write.change for write in ordered]
    rows = connection.execute(
        statement("upsert_documents"),
        {
            "container": container,
            "keys": [change.key for change in changes],
            "partition_keys": [change.identity.partition_key for change in changes],
            "ids": [change.identity.id for change in changes],
            "ts": [change.version.ts for change in changes],
            "lsns": [change.version.lsn for change in changes],
            "etags": [change.version.etag for change in changes],
            "row_keys": [row_keys.get(change.key) for change in changes],
            "states": [write.state.value for write in ordered],
        },
    )
    return dict(rows.fetchall())


def write_row_key(values: Iterable[object]) -> str:
    """Write the values of a root row's primary key as the text that the ledger holds."""
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":"), default=str)
