"""The release before migration 0024, as far as it writes accounts: its statement as it was, and what it did next."""

import psycopg
from psycopg import errors
from psycopg.sql import SQL

from cdc.core.writes import Write, map_change
from cdc.postgres import arrays, rows
from mappers.accounts import ACCOUNTS

_SHAPE = (
    ("key", "bytea"),
    ("partition_key", "text"),
    ("id", "text"),
    ("ts", "bigint"),
    ("lsn", "bigint"),
    ("etag", "text"),
    ("row_key", "text"),
    ("state", "text"),
    ("absence", "boolean"),
    ("unmapped_type", "text"),
)
_UPSERT = """
insert into cdc.document as held
    (key, container, partition_key, id, ts, lsn, etag, row_key, state, absence, unmapped_type)
select s.key, %s, s.partition_key, s.id, s.ts, s.lsn, s.etag, s.row_key, s.state, s.absence, s.unmapped_type
from {source}
on conflict (key) do update set
    ts = excluded.ts,
    lsn = coalesce(excluded.lsn, case when excluded.ts = held.ts and excluded.etag = held.etag then held.lsn end),
    etag = coalesce(nullif(excluded.etag, ''), held.etag),
    row_key = case when excluded.state = 'parked' then held.row_key else excluded.row_key end,
    abandoned_row_key = case
        when excluded.state <> 'parked' and held.row_key is distinct from excluded.row_key then held.row_key
    end,
    state = excluded.state,
    absence = excluded.absence,
    unmapped_type = excluded.unmapped_type,
    applied_at = now()
where (
        cdc.surely_newer(excluded.ts, excluded.lsn, held.ts, held.lsn)
        or (
            excluded.ts = held.ts and excluded.lsn > held.lsn
            and (excluded.etag <> held.etag or excluded.etag = '')
        )
        or (%s::boolean and excluded.ts = held.ts and excluded.etag = held.etag and held.state <> 'deleted')
    )
    and not (
        held.state = 'deleted'
        and (
            (excluded.etag <> '' and excluded.etag = held.etag)
            or (held.absence and excluded.state <> 'deleted' and abs(excluded.ts - held.ts) <= %s)
        )
    )
returning key, abandoned_row_key
"""
_PARK = """
insert into cdc.dead_letter
    (key, container, partition_key, id, ts, lsn, etag, kind, path, message, wanted_table, wanted_key)
values (%s, 'Accounts', %s, %s, %s, %s, %s, 'conflict', 'document_row_key_unique', '', 'public.accounts', %s)
on conflict (key) do update set wanted_table = excluded.wanted_table, wanted_key = excluded.wanted_key
"""


def apply_before(connection, changes):
    """Apply a batch as the release before did: whole, or in halves where it is refused; park what is refused alone."""
    changes = sorted(changes, key=lambda change: change.key)
    try:
        with connection.transaction():
            _write(connection, [map_change(ACCOUNTS, change) for change in changes])
    except (errors.UniqueViolation, errors.CardinalityViolation) as error:
        if len(changes) == 1:
            if error.diag.constraint_name != "document_row_key_unique":
                raise
            with connection.transaction():
                _park(connection, map_change(ACCOUNTS, changes[0]))
            return
        middle = len(changes) // 2
        apply_before(connection, changes[:middle])
        apply_before(connection, changes[middle:])


def _row_key(write: Write):
    return None if write.rows.root is None else f'["{rows.name_values(ACCOUNTS.tables[0], write.rows.root)["id"]}"]'


def _values(write, state, row_key):
    change = write.change
    identity, version = change.identity, change.version
    return (
        change.key, identity.partition_key, identity.id, version.ts, version.lsn, version.etag,
        row_key, state, change.absence, write.rows.unmapped_type,
    )  # fmt: skip


def _upsert(connection, values):
    query = SQL(_UPSERT).format(source=arrays.source(_SHAPE)).as_string(connection)
    parameters = ["Accounts", *arrays.parameters(_SHAPE, sorted(values)), False, 10]
    return dict(connection.execute(query, parameters).fetchall())


def _write(connection, writes):
    won = _upsert(connection, [_values(write, write.state, _row_key(write)) for write in writes])
    gone = [text.strip('[]"') for text in won.values() if text is not None]
    for table, column in (("completed_scenarios", "account_id"), ("accounts", "id")):
        connection.execute(f"delete from {table} where {column} = any(%s)", [gone])
    connection.execute("delete from cdc.dead_letter where key = any(%s)", [list(won)])
    written = [write for write in writes if write.change.key in won]
    rows.write_rows(connection, ACCOUNTS, written)


def _park(connection, write):
    wanted = _row_key(write)
    if _upsert(connection, [_values(Write(write.change), "parked", None)]):
        change = write.change
        letter = (change.key, change.identity.partition_key, change.identity.id)
        connection.execute(_PARK, [*letter, change.version.ts, change.version.lsn, change.version.etag, wanted])


def open_before(dsn):
    """Connect as the release before."""
    return psycopg.connect(dsn, autocommit=True)
