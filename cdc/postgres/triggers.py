"""See that triggers and rules of the tables let rows be written and deleted: PostgreSQL does not say if they do not."""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from typing import Any

from psycopg.sql import SQL, Composed, Identifier
from sqlalchemy import Table

from cdc.core import row_keys
from cdc.core.errors import DocumentError, Problem, ProblemKind
from cdc.core.mapping import Mapper, Values
from cdc.core.row_keys import RowKey
from cdc.core.writes import Write
from cdc.postgres import arrays, rows, shares
from cdc.postgres.database import Connection
from cdc.postgres.shares import Share
from cdc.postgres.statements import statement

_CORRECT = "correct it, then replay the letter"


def find_watched(connection: Connection, tables: Sequence[Table]) -> Callable[[], set[str]]:
    """Return those tables that have triggers or rules.

    Inside a pipeline the statement is only sent: the returned function waits for the answer.
    """
    found = connection.execute(statement("find_watched"), {"tables": [rows.quoted(table) for table in tables]})
    return cache(lambda: {name for (name,) in found})


def check_written(
    connection: Connection,
    mapper: Mapper[Any],
    writes: Sequence[Write],
    abandoned: Iterable[RowKey],
    watched: Collection[str],
) -> None:
    """Raise DocumentError if the rows of these writes are not there, or rows that they gave up still are."""
    if not watched:
        return
    for share in shares.share(mapper, writes, abandoned):
        _check_share(connection, share, watched)


def _check_share(connection: Connection, share: Share, watched: Collection[str]) -> None:
    root, roots = share.root, share.roots
    keys = [rows.key_taker(root)(row) for row in roots]
    name = row_keys.by_key(root)
    taken = set(map(name, keys))
    gone = [key for key in share.gone if name(key) not in taken]
    if rows.quoted(root) in watched:
        _check_there(connection, root, roots)
        _check_gone(connection, root, root, gone, [])
    for child in share.children:
        if rows.quoted(child) in watched:
            found = share.rows_of(child)
            _check_there(connection, child, found)
            _check_gone(connection, child, root, [*keys, *gone], [rows.key_taker(child)(row) for row in found])


def _check_there(connection: Connection, table: Table, found: Sequence[Values]) -> None:
    if found and connection.execute(_find_dropped(table), arrays.parameters(rows.shape(table), found)).fetchone():
        raise _refusal(f"a trigger of table {table} drops the row or changes its key")


def _check_gone(
    connection: Connection, table: Table, root: Table, parents: Sequence[Values], kept: Sequence[Values]
) -> None:
    """Check that of the rows under these root keys only the kept ones are there."""
    if not parents:
        return
    width = len(rows.key_names(root))
    parameters = arrays.parameters(rows.key_shape(table, width), parents)
    if kept:
        parameters += arrays.parameters(rows.key_shape(table), kept)
    if connection.execute(_find_kept(table, width, bool(kept)), parameters).fetchone():
        raise _refusal(f"a trigger or rule of table {table} keeps a row that must be deleted")


def _refusal(what: str) -> DocumentError:
    return DocumentError(Problem(ProblemKind.DATA, "$", f"{what}: {_CORRECT}"))


@cache
def _find_dropped(table: Table) -> bytes:
    """Build the query for a sent row that is neither equal to its row in the table nor was written just now."""
    key = rows.key_names(table)
    others = [column.name for column in table.columns if column.name not in key]
    query = SQL("select 1 from {} where not exists (select from {} t where {} and ({})) limit 1").format(
        arrays.source(rows.shape(table)),
        rows.qualified(table),
        rows.same("t", "s", zip(key, key, strict=True)),
        SQL("t.xmin = pg_current_xact_id()::xid or ({}) is not distinct from ({})").format(
            _columns("t", others), _columns("s", others)
        )
        if others
        else SQL("true"),
    )
    return query.as_bytes()


@cache
def _find_kept(table: Table, width: int, some_stay: bool) -> bytes:
    key = rows.key_names(table)
    others = SQL("({}) not in (select * from {})").format(_columns("c", key), arrays.source(rows.key_shape(table)))
    query = SQL(
        "select 1 from {parents}, lateral (select {names} from {table} t where {children} offset 0) c "
        "where {condition} limit 1"
    ).format(
        parents=arrays.source(rows.key_shape(table, width)),
        names=rows.identifiers(key),
        table=rows.qualified(table),
        children=rows.same("t", "s", zip(key[:width], key[:width], strict=True)),
        condition=others if some_stay else SQL("true"),
    )
    return query.as_bytes()


def _columns(alias: str, names: Iterable[str]) -> Composed:
    return SQL(", ").join(Identifier(alias, name) for name in names)
