"""Compare the mapped tables of one container with the ledger and with newly mapped rows."""

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from psycopg.sql import SQL, Composed, Identifier
from sqlalchemy import Table

from cdc.core import row_keys
from cdc.core.documents import Identity
from cdc.core.errors import DocumentError, Problem, ProblemKind
from cdc.core.json_text import write_json
from cdc.core.mapping import Mapper, Values
from cdc.core.row_keys import RowKey
from cdc.core.writes import Write
from cdc.postgres.column_types import type_name
from cdc.postgres.database import Connection, Database
from cdc.postgres.rows import key_names, name_rows
from cdc.postgres.shares import Share, share
from cdc.postgres.statements import statement


class PostgresTablesSide:
    """The `TablesSide` of one container in PostgreSQL."""

    def __init__(self, database: Database, mapper: Mapper[Any]) -> None:
        self._database = database
        self._mapper = mapper

    def find_lost(self, limit: int) -> list[Identity]:
        with self._database.connection(self._mapper.container) as connection:
            return find_lost(connection, self._mapper, limit)

    def find_unclaimed(self, limit: int) -> list[RowKey]:
        """Return rows whose root key no document of the ledger claims."""
        found: list[RowKey] = []
        with self._database.connection(self._mapper.container) as connection:
            for part in self._mapper.parts:
                for table in part.tables:
                    query = _unclaimed(table, part.tables[0])
                    rows = connection.execute(query, [self._mapper.container, limit - len(found)])
                    found += map(row_keys.by_key(table), rows)
        return found

    def find_different(self, writes: Sequence[Write]) -> tuple[int, list[Identity]]:
        """Compare mapped rows with the tables by value, for documents whose version is also the ledger's.

        A difference needs no confirmation: ledger and rows are read in one snapshot. Returns how many documents were
        compared, and which of them differ.
        """
        if not writes:
            return 0, []
        try:
            with self._database.transaction(self._mapper.container, snapshot=True) as connection:
                return self._find_different(connection, writes)
        except DocumentError:
            if len(writes) == 1:  # a value that PostgreSQL cannot store differs from the table
                return 1, [writes[0].change.identity]
        middle = len(writes) // 2
        (one, left), (two, right) = self.find_different(writes[:middle]), self.find_different(writes[middle:])
        return one + two, left + right

    def _find_different(self, connection: Connection, writes: Sequence[Write]) -> tuple[int, list[Identity]]:
        by_key = {write.change.key: write for write in writes}
        held = connection.execute(statement("read_mapped_states"), {"keys": list(by_key)}).fetchall()
        same = [(by_key[key], rest) for key, etag, *rest in held if by_key[key].change.version.etag == etag]
        keys = name_rows(self._mapper, {write.change.key: write for write, _ in same})
        differing = {write.change.key for write, rest in same if not _is_held(write, keys.get(write.change.key), *rest)}
        mapped = [write for write, _ in same if write.rows.root is not None]
        wrong = set[RowKey]().union(*(_find_wrong(connection, each) for each in share(self._mapper, mapped, ())))
        differing |= {write.change.key for write in mapped if keys[write.change.key] in wrong}
        return len(same), [by_key[key].change.identity for key in sorted(differing)]


def _find_wrong(connection: Connection, share: Share) -> set[RowKey]:
    """Return the row keys of documents of one type whose rows differ from the tables."""
    root, roots = share.root, share.roots
    if not roots:
        return set()
    parents = _write_json(root, roots)
    found = connection.execute(_differing(root, len(key_names(root))), {"rows": parents}).fetchall()
    for table in share.children:
        parameters = {"rows": _write_json(table, share.rows_of(table)), "parents": parents}
        found += connection.execute(_differing(table, len(key_names(root))), parameters).fetchall()
        found += connection.execute(_surplus(table, root), parameters).fetchall()
    return set(map(row_keys.by_key(root), found))


def find_lost(connection: Connection, mapper: Mapper[Any], limit: int) -> list[Identity]:
    """Return documents whose root row is missing although the ledger says that it was written."""
    found: list[Identity] = []
    for part in mapper.parts:
        root = part.tables[0]
        query = SQL(
            "select d.partition_key, d.id from cdc.document d left join {} t on {} "
            "where d.container = %s and d.state = 'applied' and {} and {} is null limit %s"
        ).format(_table(root), _claims(root, root), _holds(root), Identifier("t", key_names(root)[0]))
        rows = connection.execute(query, [mapper.container, limit - len(found)])
        found += [Identity(mapper.container, *row) for row in rows]
    return found


def _unclaimed(table: Table, root: Table) -> Composed:
    """Build the query for rows of a table whose root key no document claims."""
    return SQL(
        "select {} from {} t where not exists ("
        "select from cdc.document d where d.container = %s and {} and {}) limit %s"
    ).format(_columns("t", key_names(table)), _table(table), _holds(root), _claims(table, root))


def _differing(table: Table, width: int) -> Composed:
    """Build the query for rows that are missing from the table or have other values."""
    key = key_names(table)
    names = [column.name for column in table.columns]
    return SQL("select distinct {} from {} left join {} t on {} where {} is null or ({}) is distinct from ({})").format(
        _columns("s", key[:width]), _rows(table, "s", "rows", names), _table(table), _same("t", "s", key, key),
        Identifier("t", key[0]), _columns("t", names), _columns("s", names),
    )  # fmt: skip


def _surplus(table: Table, root: Table) -> Composed:
    """Build the query for root rows that have surplus child rows in the table."""
    key, parent_key = key_names(table), key_names(root)
    inner = key[: len(parent_key)]
    return SQL("select distinct {} from {} t join {} on {} where not exists (select from {} where {})").format(
        _columns("t", inner), _table(table), _rows(root, "p", "parents", parent_key),
        _same("t", "p", inner, parent_key), _rows(table, "s", "rows", key), _same("t", "s", key, key),
    )  # fmt: skip


def _rows(table: Table, alias: str, parameter: str, names: Sequence[str]) -> Composed:
    # A type name comes from a table declaration of this project, never from input.
    types = {column.name: SQL(type_name(column)) for column in table.columns}
    columns = SQL(", ").join(SQL("{} {}").format(Identifier(name), types[name]) for name in names)
    return SQL("jsonb_to_recordset(%({})s::jsonb) as {} ({})").format(SQL(parameter), Identifier(alias), columns)


def _is_held(write: Write, key: RowKey | None, state: str, table: str | None, values: str | None) -> bool:
    """Return whether the ledger holds what a document maps to; a row without a table is one of the root."""
    if key is None:
        return (write.state, None) == (state, values)
    return (write.state, key.values) == (state, values) and table in (None, key.table)


def _claims(table: Table, root: Table) -> Composed:
    """Build the condition that a document's row key, a JSON array, equals the root key of a row."""
    columns = row_keys.key_columns(table)[: len(key_names(root))]
    return SQL(" and ").join(
        SQL("{} = (d.row_key::jsonb ->> {})::{}").format(Identifier("t", column.name), place, SQL(type_name(column)))
        for place, column in enumerate(columns)
    )


def _holds(root: Table) -> Composed:
    """Build the condition that a document holds a row of this table; one whose table is not known is of the root."""
    return SQL("d.row_key is not null and coalesce(d.row_table = {}, true)").format(str(root))


def _table(table: Table) -> Identifier:
    return Identifier(*str(table).split("."))


def _columns(alias: str, names: Sequence[str]) -> Composed:
    return SQL(", ").join(Identifier(alias, name) for name in names)


def _same(left: str, right: str, ours: Sequence[str], theirs: Sequence[str]) -> Composed:
    pairs = zip(ours, theirs, strict=True)
    return SQL(" and ").join(SQL("{} = {}").format(Identifier(left, a), Identifier(right, b)) for a, b in pairs)


def _write_json(table: Table, rows: Sequence[Values]) -> str:
    """Write rows as an array of objects, and each JSON column as it was written to the table."""
    writers = [_write_json_column if type_name(column) == "jsonb" else _write_column for column in table.columns]
    names = [json.dumps(column.name) for column in table.columns]
    texts = [
        ",".join(f"{name}:{write(value)}" for name, write, value in zip(names, writers, row, strict=True))
        for row in rows
    ]
    return f"[{','.join(f'{{{text}}}' for text in texts)}]"


def _write_json_column(value: object) -> str:
    try:
        return write_json(value).decode()
    except ValueError:
        raise DocumentError(Problem(ProblemKind.DATA, "$", "a value that PostgreSQL cannot store")) from None


def _write_column(value: object) -> str:
    return json.dumps(value, default=_write_value)


def _write_value(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds"
    return str(value)
