"""The rights on schema cdc and on the mapped tables: the script that grants them, and the check of the app's role."""

import json
from collections.abc import Sequence
from typing import Any

from cdc.core.mapping import Mapper
from cdc.postgres.database import Database
from cdc.postgres.statements import SQL, statement

# The tables of schema cdc that only the owner needs to write.
_READ_ONLY = ["migration", "application_migration", "migration_step", "phase", "phase_change", "cutover"]
_SHOWN = 5


def write_script(mappers: Sequence[Mapper[Any]]) -> str:
    """Return sql/roles.sql with the names of the mapped tables."""
    tables = (table for mapper in mappers for table in mapper.tables)
    names = json.dumps([f"{_quote(table.schema or 'public')}.{_quote(table.name)}" for table in tables])
    script = (SQL / "roles.sql").read_text(encoding="utf-8")
    quoted = names.replace("'", "''")
    return f"set cdc.mapped_tables = '{quoted}';\n{script}"


def check_rights(database: Database, mappers: Sequence[Mapper[Any]]) -> list[str]:
    """Return a sentence about all missing rights, and one about row security; [] if the app may do its work."""
    tables = [table for mapper in mappers for table in mapper.tables]
    parameters = {
        "schemas": [table.schema or "public" for table in tables],
        "tables": [table.name for table in tables],
        "read_only": _READ_ONLY,
    }
    with database.connection() as connection:
        missing = [right for (right,) in connection.execute(statement("read_missing_rights"), parameters)]
        hidden = [table for (table,) in connection.execute(statement("read_hidden_tables"), parameters)]
    sentences = []
    if missing:
        sentences.append(
            f"the role of POSTGRES_CONNECTION lacks these rights: {_list(missing)}; {_find_remedy(database)}"
        )
    if hidden:
        sentences.append(
            f"row security applies to {_list(hidden)}: disable it there, or give BYPASSRLS to the login of "
            "POSTGRES_CONNECTION"
        )
    return sentences


def _find_remedy(database: Database) -> str:
    """Return what helps: a membership, if another role has the rights, or else the script that grants them."""
    with database.connection() as connection:
        writers = connection.execute(statement("find_writers")).fetchall()
    if not writers:
        return "run what `python -m cdc roles` prints, and grant the writer's role that it makes to this role"
    if any(is_member for *_, is_member in writers):
        return "run again what `python -m cdc roles` prints, as a role that may grant them"
    return f"run: {writers[0][0]}"


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _list(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
