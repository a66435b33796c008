"""Find what a refused document runs into: a conflicting row, a missing parent, or an index that is too small."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, LiteralString

from psycopg.sql import SQL, Identifier
from sqlalchemy import Table

from cdc.core import row_keys
from cdc.core.documents import Identity
from cdc.core.errors import Problem, ProblemKind, TransientError
from cdc.core.mapping import Mapper, Row
from cdc.core.row_keys import RowKey
from cdc.core.writes import Write
from cdc.postgres import arrays, ledger, rows
from cdc.postgres.database import Connection, Database
from cdc.postgres.ledger import ROW_KEY_CONSTRAINT, ROW_KEY_CONSTRAINTS
from cdc.postgres.sqlstates import TOO_LONG
from cdc.postgres.statements import statement

# A third of a page, PostgreSQL's limit for an entry of a btree.
_LONGEST_ENTRY = 2_704


def explain(database: Database, mapper: Mapper[Any], write: Write, problem: Problem) -> Problem:
    """Add what PostgreSQL does not say: the row that a document waits for, or the index that cannot hold its value."""
    if problem.message == TOO_LONG and problem.path == "$":
        return replace(problem, path=_find_index(database, mapper, write) or "$")
    if write.rows.root is None or problem.kind not in (ProblemKind.CONFLICT, ProblemKind.MISSING_PARENT):
        return problem
    part = mapper.part(write.rows.root_name)
    root = part.tables[0]
    if problem.path in ROW_KEY_CONSTRAINTS:
        return _explain_claim(database, write.change.identity, row_keys.by_row(root)(write.rows.root))
    with database.connection(mapper.container) as connection:
        if problem.kind is ProblemKind.CONFLICT:
            return _find_rival(connection, part, write, problem)
        return replace(problem, wanted=_find_parent(connection, part, write, problem.path))


def _explain_claim(database: Database, identity: Identity, row: RowKey) -> Problem:
    """Say what keeps a document from its row: the document that holds it."""
    with database.connection(identity.container) as connection:
        holders = ledger.find_holders(connection, identity.container, [row])
    tables = {table for _, table in holders}
    if tables and not tables & {None, row.table}:
        # Until migration 0024 has ended, the rule does not know tables.
        raise TransientError("The row keys of the ledger are being rewritten: let python -m cdc migrate end.")
    message = f"another document holds this row of {row.table}"
    former = next((holder.container for holder, _ in holders if holder.container != identity.container), None)
    if former is not None:
        message = (
            f"a document of container {former} holds this row of {row.table}: if that container is not replicated any "
            "more, delete its documents from cdc.document, then replay the letter"
        )
    elif any(holder.id == identity.id and holder != identity for holder, _ in holders):
        message = (
            f"a document with the same id in another partition holds this row of {row.table}: make the partition key a "
            "part of the table's primary key, or give one of the two another id"
        )
    return Problem(ProblemKind.CONFLICT, ROW_KEY_CONSTRAINT, message, wanted=row)


def _find_index(database: Database, mapper: Mapper[Any], write: Write) -> str | None:
    """Return the index with the longest texts of this document, or None if it can hold them."""
    if write.rows.root is None:
        return None
    part = mapper.part(write.rows.root_name)
    found = {part.tables[0].name: [write.rows.root], **write.rows.children}
    lengths = {}
    with database.connection(mapper.container) as connection:
        for table in part.tables:
            texts = [rows.name_values(table, row) for row in found.get(table.name, ())]
            for index, columns in connection.execute(statement("read_index_columns"), {"table": rows.quoted(table)}):
                lengths[index] = max((_measure(row, columns) for row in texts), default=0)
    longest = max(lengths, key=lengths.__getitem__, default=None)
    return longest if longest is not None and lengths[longest] > _LONGEST_ENTRY else None


def _measure(row: Row, columns: Sequence[str]) -> int:
    return sum(len(value.encode()) for name in columns if isinstance(value := row.get(name), str))


def _find_rival(connection: Connection, part: Mapper[Any], write: Write, problem: Problem) -> Problem:
    """Add the root row of the document whose row, or child row, has a unique value of this document."""
    root = part.tables[0]
    found = _read_constraint(connection, statement("read_unique_columns"), part, problem.path)
    if found is None:
        return problem
    name, unique = found
    table, named = _take_rows(part, write, name)
    key = rows.key_names(table)[: len(rows.key_names(root))]
    columns = list(dict.fromkeys([*key, *unique]))
    if not named or not set(columns) <= named[0].keys():
        return problem
    query = SQL("select {} from {} join {} t on {} where not ({}) limit 1").format(
        SQL(", ").join(Identifier("t", name) for name in key),
        arrays.source(shape := [column for column in rows.shape(table) if column[0] in columns]),
        rows.qualified(table),
        rows.same("t", "s", zip(unique, unique, strict=True)),
        rows.same("t", "s", zip(key, key, strict=True)),
    )
    values = [tuple(row[name] for name, _ in shape) for row in named]
    rival = connection.execute(query.as_bytes(), arrays.parameters(shape, values)).fetchone()
    wanted = None if rival is None else row_keys.by_key(root)(rival)
    is_key = {*unique} == {*table.primary_key.columns.keys()}
    message = (
        f"another document has an item of this key in {table}: give one of the two another, or let the table's "
        f"primary key begin with {', '.join(key)}"
    )
    return replace(problem, message=message if is_key else problem.message, wanted=wanted)


def _find_parent(connection: Connection, part: Mapper[Any], write: Write, constraint: str) -> RowKey | None:
    """Return the first row that this document refers to by this foreign key, before others one that nobody holds."""
    found = _read_constraint(connection, statement("read_referenced_key"), part, constraint)
    if found is None:
        return None
    name, parent, columns = found
    table, named = _take_rows(part, write, name)
    if not named or not set(columns) <= named[0].keys():
        return None
    write_key = row_keys.by_columns(parent, [table.columns[name] for name in columns])
    values = ([row[name] for name in columns] for row in named)
    keys = list(dict.fromkeys(write_key(key) for key in values if None not in key))
    held = ledger.find_held(connection, keys)
    return min(keys, key=lambda key: key.hash in held, default=None)


def _take_rows(part: Mapper[Any], write: Write, name: str) -> tuple[Table, Sequence[Row]]:
    """Return a table of the mapper by its name with its schema, and a document's rows of it."""
    table = next(table for table in part.tables if str(table) == name)
    found = [write.rows.root] if table is part.tables[0] else write.rows.children.get(table.name, ())
    return table, [rows.name_values(table, row) for row in found if row is not None]


def _read_constraint(
    connection: Connection, query: LiteralString, part: Mapper[Any], constraint: str
) -> tuple[Any, ...] | None:
    """Return a constraint's table first and our columns last, or None for one of another table.

    A constraint on expressions has columns without a name.
    """
    parameters = {"constraint": constraint, "tables": [rows.quoted(table) for table in part.tables]}
    return connection.execute(query, parameters).fetchone()
