"""Find what a refused document runs into: a conflicting row, a missing parent, or an index that is too small."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, LiteralString

from psycopg.sql import SQL, Identifier
from sqlalchemy import Table

from cdc.core.errors import Problem, ProblemKind, Wanted
from cdc.core.mapping import Mapper, Row
from cdc.core.writes import Write
from cdc.postgres import rows
from cdc.postgres.database import Connection, Database
from cdc.postgres.ledger import ROW_KEY_CONSTRAINT, write_row_key
from cdc.postgres.sqlstates import TOO_LONG
from cdc.postgres.statements import statement

# The index on `wanted_key` cannot hold longer keys.
_LONGEST_KEY = 2_000
# A third of a page, PostgreSQL's limit for an entry of a btree.
_LONGEST_ENTRY = 2_704


def explain(database: Database, mapper: Mapper[Any], write: Write, problem: Problem) -> Problem:
    """Add what PostgreSQL does not say: the row that a document waits for, or the index that cannot hold its value."""
    if problem.message == TOO_LONG and problem.path == "$":
        return replace(problem, path=_find_index(database, mapper, write) or "$")
    root = mapper.tables[0]
    if write.rows.root is None or problem.kind not in (ProblemKind.CONFLICT, ProblemKind.MISSING_PARENT):
        return problem
    if problem.path == ROW_KEY_CONSTRAINT:
        wanted: Wanted | None = Wanted(str(root), write_row_key(rows.key_taker(root)(write.rows.root)))
    else:
        row = rows.name_values(root, write.rows.root)
        with database.connection(mapper.container) as connection:
            find = _find_rival if problem.kind is ProblemKind.CONFLICT else _find_parent
            wanted = find(connection, root, row, problem.path)
    fits = wanted is not None and len(wanted.key.encode()) <= _LONGEST_KEY
    return replace(problem, wanted=wanted) if fits else problem


def _find_index(database: Database, mapper: Mapper[Any], write: Write) -> str | None:
    """Return the index with the longest texts of this document, or None if it can hold them."""
    found = {mapper.tables[0].name: [write.rows.root], **write.rows.children}
    lengths = {}
    with database.connection(mapper.container) as connection:
        for table in mapper.tables:
            texts = [rows.name_values(table, row) for row in found.get(table.name, ()) if row is not None]
            for index, columns in connection.execute(statement("read_index_columns"), {"table": str(table)}):
                lengths[index] = max((_measure(row, columns) for row in texts), default=0)
    longest = max(lengths, key=lengths.__getitem__, default=None)
    return longest if longest is not None and lengths[longest] > _LONGEST_ENTRY else None


def _measure(row: Row, columns: Sequence[str]) -> int:
    return sum(len(value.encode()) for name in columns if isinstance(value := row.get(name), str))


def _find_rival(connection: Connection, root: Table, row: Row, constraint: str) -> Wanted | None:
    columns = _read_columns(connection, statement("read_unique_columns"), root, row, constraint)
    if columns is None:
        return None
    key = rows.primary_key(root)
    query = SQL("select {} from {} where {} limit 1").format(
        SQL(", ").join(map(Identifier, key)),
        Identifier(*str(root).split(".")),
        SQL(" and ").join(SQL("{} = %s").format(Identifier(name)) for name in columns[1]),
    )
    found = connection.execute(query, [row[name] for name in columns[1]]).fetchone()
    return None if found is None else Wanted(columns[0], write_row_key(found))


def _find_parent(connection: Connection, root: Table, row: Row, constraint: str) -> Wanted | None:
    columns = _read_columns(connection, statement("read_referenced_key"), root, row, constraint)
    return None if columns is None else Wanted(columns[0], write_row_key(row[name] for name in columns[1]))


def _read_columns(
    connection: Connection, query: LiteralString, root: Table, row: Row, constraint: str
) -> tuple[str, Sequence[str]] | None:
    """Return a constraint's table and our columns, or None for a child table's constraint or one on expressions."""
    parameters = {"constraint": constraint, "tables": [str(root)]}
    found = connection.execute(query, parameters).fetchone()
    if found is None or not set(found[1]) <= row.keys():
        return None
    return found[0], found[1]
