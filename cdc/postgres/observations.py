"""Count what mappers noticed: properties that nobody knows, and values that a rule of ours had to choose."""

from collections import Counter
from collections.abc import Iterable, Mapping

from cdc.core.mapping import Observation
from cdc.core.writes import Write
from cdc.postgres.database import Database
from cdc.postgres.statements import statement

# A container's paths fit a page; documents with dictionaries for objects would have any number.
PATHS_AT_MOST = 500


def collect(writes: Iterable[Write]) -> Counter[Observation]:
    """Count the documents by what was observed in them."""
    return Counter(each for write in writes for each in write.rows.observations)


def count(database: Database, container: str, found: Mapping[Observation, int]) -> None:
    """Add up the observations of documents that were applied."""
    if not found:
        return
    parameters = {
        "at_most": PATHS_AT_MOST,
        "container": container,
        "kinds": [each.kind.value for each in found],
        "paths": [each.path for each in found],
        "documents": list(found.values()),
    }
    with database.connection() as connection:
        connection.execute(statement("count_observations"), parameters)
