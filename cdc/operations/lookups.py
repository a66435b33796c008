"""Check that an index serves every look-up of the application."""

from collections.abc import Iterable
from typing import Any

from cdc.core.mapping import Mapper
from cdc.postgres.database import Database
from cdc.postgres.indexes import is_served


def find_unserved(database: Database, mappers: Iterable[Mapper[Any]]) -> list[str]:
    """Return one sentence, with the statement that helps, for each look-up that no index serves."""
    lookups = [lookup for mapper in mappers for lookup in mapper.lookups]
    with database.transaction() as connection:
        unserved = [lookup for lookup in lookups if not is_served(connection, lookup)]
    return [
        f"no index serves the look-up {each.condition} in {each.table}: run, as the owner of the table, "
        f"create index concurrently {each.index} on {each.table} {each.on}"
        for each in unserved
    ]
