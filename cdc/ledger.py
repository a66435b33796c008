"""The ledger: which version of which document is in PostgreSQL, and under which row key."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from psycopg.sql import SQL

from cdc import stage
from cdc.model import Version, Write
from cdc.postgres import Connection
from cdc.queries import statement
from cdc.stage import Shape, Values

_SHAPE = Shape(
    "stage_cdc_document",
    (
        ("key", "bytea"),
        ("container", "text"),
        ("partition_key", "text"),
        ("id", "text"),
        ("ts", "bigint"),
        ("lsn", "bigint"),
        ("etag", "text"),
        ("row_key", "text"),
        ("state", "text"),
    ),
)
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def read_versions(connection: Connection, keys: Sequence[bytes]) -> dict[bytes, Version]:
    """Return the versions held of these documents."""
    rows = connection.execute(statement("read_versions"), {"keys": list(keys)}, binary=True)
    return {key: Version(ts, lsn, etag) for key, ts, lsn, etag in rows}


def upsert(connection: Connection, writes: Iterable[Write], row_keys: Mapping[bytes, str]) -> dict[bytes, str | None]:
    """Record the writes whose version is newer than the held one.

    Returns the winners, each with the row key that it abandons, if any.
    """
    documents = [_values(write, row_keys.get(write.change.key)) for write in writes]
    if not documents:
        return {}
    staged, parameters = stage.send(connection, _SHAPE, sorted(documents))
    return dict(connection.execute(_upsert_statement(staged), parameters, binary=True).fetchall())


def _values(write: Write, row_key: str | None) -> Values:
    change = write.change
    identity, version = change.identity, change.version
    return (
        change.key,
        identity.container,
        identity.partition_key,
        identity.id,
        version.ts,
        version.lsn,
        version.etag,
        row_key,
        write.state.value,
    )


@cache
def _upsert_statement(staged: bool) -> bytes:
    return SQL(statement("upsert_documents")).format(source=stage.source(_SHAPE, staged=staged)).as_bytes()


def write_row_key(values: Iterable[object]) -> str:
    """Write the values of a root row's primary key as the text that the ledger holds."""
    return f"[{','.join(map(_encode, values))}]"
