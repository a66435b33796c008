"""Count what mappers noticed: properties that nobody knows, and values that a rule of ours had to choose."""

from collections import Counter
from collections.abc import Iterable

from cdc.model import Write
from cdc.postgres import Database
from cdc.queries import statement


def count(database: Database, container: str, writes: Iterable[Write]) -> None:
    """Add up the observations of documents that were applied."""
    found = Counter((each.kind.value, each.path) for write in writes for each in write.rows.observations)
    if not found:
        return
    parameters = {
        "container": container,
        "kinds": [kind for kind, _ in found],
        "paths": [path for _, path in found],
        "documents": list(found.values()),
    }
    with database.connection() as connection:
        connection.execute(statement("count_observations"), parameters)
