"""Write and delete rows of the mapped tables, many documents in one statement."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, LiteralString

from psycopg.sql import SQL, Composed, Identifier
from sqlalchemy import Table

from cdc.core import row_keys
from cdc.core.errors import DocumentError, Problem, ProblemKind
from cdc.core.mapping import Mapper, Values, take
from cdc.core.row_keys import RowKey
from cdc.core.writes import Write
from cdc.postgres import arrays
from cdc.postgres.arrays import Shape
from cdc.postgres.column_types import sent_type, type_name
from cdc.postgres.database import Connection
from cdc.postgres.shares import Share, share
from cdc.postgres.statements import statement


@cache
def key_names(table: Table) -> list[str]:
    """Return the names of the columns by which a table's rows are found: those that name the root row first."""
    return [column.name for column in row_keys.key_columns(table)]


@cache
def key_taker(table: Table) -> Callable[[Values], Values]:
    """Return a function that takes the key's values from a row."""
    names = table.columns.keys()
    return take([names.index(name) for name in key_names(table)])


def name_values(table: Table, row: Values) -> dict[str, Any]:
    """Return a row's values by column name."""
    return dict(zip(table.columns.keys(), row, strict=True))


def name_rows(mapper: Mapper[Any], writes: Mapping[bytes, Write]) -> dict[bytes, RowKey]:
    """Return the row keys of these writes by document key; raise DocumentError for one that has no text."""
    names = {part.root_name: row_keys.by_row(part.tables[0]) for part in mapper.parts}
    try:
        return {
            key: names[write.rows.root_name](write.rows.root)
            for key, write in writes.items()
            if write.rows.root is not None
        }
    except (ValueError, ArithmeticError):
        raise DocumentError(Problem(ProblemKind.DATA, "$", "a key that PostgreSQL cannot store")) from None


def write_rows(
    connection: Connection,
    mapper: Mapper[Any],
    writes: Sequence[Write],
    abandoned: Iterable[RowKey] = (),
    *,
    notes_keys: bool = False,
    writes_first: bool = False,
) -> None:
    """Delete all rows under abandoned row keys, then make the tables hold exactly the rows of these documents.

    With `notes_keys`, the cache keys of the rows before and after go into the outbox. With `writes_first`, other items
    of the document may refer to an item that goes until they are written.
    """
    shares = share(mapper, writes, abandoned)
    changed = [(each, [*each.gone, *map(key_taker(each.root), each.roots)]) for each in shares if notes_keys]
    _note_keys(connection, changed)
    for each in reversed(shares):
        _delete_keys(connection, each.mapper.tables, each.gone)
    for each in shares:
        roots = each.roots
        upsert(connection, each.root, roots)
        children = [(table, each.rows_of(table)) for table in each.children]
        if writes_first:
            upsert_children(connection, children)
        write_children(connection, each.root, roots, children)
    _note_keys(connection, changed)


def _note_keys(connection: Connection, changed: Iterable[tuple[Share, Sequence[Values]]]) -> None:
    """Note the cache keys of the root rows under these keys, as the rows are now."""
    for each, keys in changed:
        if keys and each.mapper.cache_keys:
            note = _note_statement(each.root, each.mapper.cache_keys)
            connection.execute(note, arrays.parameters(key_shape(each.root), keys))


@cache
def _note_statement(table: Table, cache_keys: tuple[LiteralString, ...]) -> bytes:
    names = key_names(table)
    note = SQL(statement("note_keys")).format(
        source=arrays.source(key_shape(table)),
        keys=SQL(", ").join(map(SQL, cache_keys)),
        table=qualified(table),
        same=same("t", "s", zip(names, names, strict=True)),
    )
    return note.as_bytes()


def _delete_keys(connection: Connection, tables: Sequence[Table], keys: Sequence[Values]) -> None:
    """Delete the root rows under these keys and all their child rows; `tables` begins with the root."""
    if not keys:
        return
    root, *children = tables
    for table in reversed(children):
        _delete_children(connection, table, root, keys, [])
    connection.execute(_delete_statement(root), arrays.parameters(key_shape(root), keys))


def upsert(connection: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Insert rows, or update rows whose values differ, in key order."""
    if rows:
        parameters = arrays.parameters(shape(table), rows)
        connection.execute(_upsert_statement(table), parameters)
        if "parent" in table.info:
            connection.execute(_insert_statement(table), parameters)


def write_children(
    connection: Connection, root: Table, parents: Sequence[Values], children: Sequence[tuple[Table, Sequence[Values]]]
) -> None:
    """Make child tables hold exactly these rows for these root rows: delete the others, write what differs.

    A table below another one comes after it: its rows may refer to those.
    """
    delete_others(connection, root, parents, children)
    upsert_children(connection, children)


def upsert_children(connection: Connection, children: Iterable[tuple[Table, Sequence[Values]]]) -> None:
    """Write child rows whose values differ."""
    for table, rows in children:
        upsert(connection, table, rows)


def delete_others(
    connection: Connection, root: Table, parents: Sequence[Values], children: Sequence[tuple[Table, Sequence[Values]]]
) -> None:
    """Delete the child rows of these root rows, except these."""
    for table, rows in reversed(children if parents else ()):
        _delete_children(connection, table, root, map(key_taker(root), parents), map(key_taker(table), rows))


def _delete_children(
    connection: Connection, table: Table, root: Table, parents: Iterable[Values], kept: Iterable[Values]
) -> None:
    """Delete the child rows of these parents, except the rows with the kept keys."""
    width = len(key_names(root))
    parameters = arrays.parameters(key_shape(table, width), parents)
    keys = list(kept)
    if keys:
        parameters += arrays.parameters(key_shape(table), keys)
    connection.execute(_delete_children_statement(table, width, bool(keys)), parameters)


@cache
def shape(table: Table) -> Shape:
    """Return the columns in which rows of a table are sent."""
    return tuple((column.name, sent_type(column)) for column in table.columns)


@cache
def key_shape(table: Table, width: int | None = None) -> Shape:
    """Return the columns in which keys, or their first `width` columns, are sent."""
    columns = row_keys.key_columns(table)[:width]
    return tuple((column.name, sent_type(column)) for column in columns)


def qualified(table: Table) -> Identifier:
    """Return a table's name with its schema."""
    return Identifier(table.schema, table.name) if table.schema else Identifier(table.name)


@cache
def quoted(table: Table) -> str:
    """Return a table's name with its schema as text, as PostgreSQL reads it: capitals stay."""
    return qualified(table).as_string()


def identifiers(names: Iterable[str]) -> Composed:
    """Return quoted names, separated by commas."""
    return SQL(", ").join(map(Identifier, names))


def same(left: str, right: str, pairs: Iterable[tuple[str, str]]) -> Composed:
    """Return the condition that these columns of two aliases are equal."""
    return SQL(" and ").join(
        SQL("{} = {}").format(Identifier(left, ours), Identifier(right, theirs)) for ours, theirs in pairs
    )


@cache
def _upsert_statement(table: Table) -> bytes:
    """Build an upsert that does not touch a row if no value differs.

    In a child table with a primary key of its own it would take a row away from another document. There it has only the
    rows that are there under their parents, and PostgreSQL refuses to insert the others if their keys are there.
    """
    names = [column.name for column in table.columns]
    key = [column.name for column in table.primary_key.columns]
    # The comparison stops at the first difference: JSON is slowest and comes last.
    columns = sorted(table.columns, key=lambda column: type_name(column) == "jsonb")
    others = [column.name for column in columns if column.name not in key]
    insert = SQL("insert into {} as t ({}) select s.* from {} {} order by {} on conflict ({}) do ").format(
        qualified(table),
        identifiers(names),
        arrays.source(shape(table)),
        SQL("cross join {}").format(_probe(table)) if "parent" in table.info else SQL(""),
        identifiers(key),
        identifiers(key),
    )
    if not others:
        return (insert + SQL("nothing")).as_bytes()
    update = SQL("update set {} where ({}) is distinct from ({})").format(
        SQL(", ").join(SQL("{} = excluded.{}").format(Identifier(name), Identifier(name)) for name in others),
        SQL(", ").join(Identifier("t", name) for name in others),
        SQL(", ").join(Identifier("excluded", name) for name in others),
    )
    return (insert + update).as_bytes()


@cache
def _insert_statement(table: Table) -> bytes:
    """Build the insert of rows that are not there under their parents."""
    insert = SQL(
        "insert into {table} ({columns}) select {distinct} s.* from {source} left join {there} on true "
        "where c.there is null order by {key}"
    ).format(
        table=qualified(table),
        columns=identifiers(column.name for column in table.columns),
        distinct=SQL("distinct" if len(key_names(table)) == len(table.columns) else "all"),
        source=arrays.source(shape(table)),
        there=_probe(table),
        key=identifiers(table.primary_key.columns.keys()),
    )
    return insert.as_bytes()


def _probe(table: Table) -> Composed:
    """Build the FROM item, alias c, that looks for a sent row by its key: for each row, as OFFSET keeps a join away."""
    names = key_names(table)
    return SQL("lateral (select true as there from {} t where {} offset 0) c").format(
        qualified(table), same("t", "s", zip(names, names, strict=True))
    )


@cache
def _delete_statement(table: Table) -> bytes:
    names = key_names(table)
    delete = SQL("delete from {} t using {} where {}").format(
        qualified(table), arrays.source(key_shape(table)), same("t", "s", zip(names, names, strict=True))
    )
    return delete.as_bytes()


@cache
def _delete_children_statement(table: Table, width: int, some_stay: bool) -> bytes:
    """Build the delete of all child rows of some parents, except rows with the kept keys if `some_stay`.

    It probes the primary key for each parent and then for each found key. PostgreSQL cannot know their number: with a
    plain join, or without OFFSET, it would read the whole table if that has no statistics.
    """
    names = key_names(table)
    others = SQL("({}) not in (select * from {})").format(
        SQL(", ").join(Identifier("c", name) for name in names), arrays.source(key_shape(table))
    )
    delete = SQL(
        "delete from {table} t using (select {unnested} from ("
        "select {collected} from {parents}, lateral (select {names} from {table} t where {children} offset 0) c "
        "where {condition}) g) v where {same}"
    ).format(
        table=qualified(table),
        unnested=SQL(", ").join(SQL("unnest({0}) as {0}").format(Identifier(name)) for name in names),
        collected=SQL(", ").join(SQL("array_agg(c.{0}) as {0}").format(Identifier(name)) for name in names),
        parents=arrays.source(key_shape(table, width)),
        names=identifiers(names),
        children=same("t", "s", zip(names[:width], names[:width], strict=True)),
        condition=others if some_stay else SQL("true"),
        same=same("t", "v", zip(names, names, strict=True)),
    )
    return delete.as_bytes()
