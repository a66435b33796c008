"""What makes a table refuse every row that the engine writes: without this, PostgreSQL says so at the first one."""

from cdc.postgres.database import Connection
from cdc.postgres.statements import statement

_WHY = {
    "deferrable": "its primary key {name} is deferrable: make it again without the word, with alter table {table} "
    "drop constraint {name}, add primary key ({key})",
    "period": "its primary key {name} is one of periods (without overlaps): make it again as a plain one",
    "rule": "the rewrite rule {name} is on insert or update: drop it, or use a trigger",
    "generated": "its column {name} is generated always: take it out of the mapper, or make it a plain column",
}


def find_refusals(connection: Connection, table: str, columns: list[str]) -> list[str]:
    """Return why upserts of these columns into a table fail whatever the row is, and what to do."""
    found = connection.execute(statement("find_refusals"), {"table": table, "columns": columns})
    return [
        f"table {name} takes no upsert, because {_WHY[kind].format(table=name, name=what, key=key)}"
        for name, kind, what, key in found
    ]
