"""Count observations of mappers: unknown properties, and values that a rule of ours chose."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping

from cdc.core.mapping import Observation, ObservationKind
from cdc.core.writes import Write
from cdc.postgres.database import Database
from cdc.postgres.statements import statement
from cdc.telemetry import rows
from cdc.telemetry.rows import Action

logger = logging.getLogger(__name__)

# Documents with dictionaries instead of objects would produce any number of paths.
PATHS_AT_MOST = 500


def collect(writes: Iterable[Write]) -> Counter[Observation]:
    """Count documents by observation."""
    return Counter(each for write in writes for each in write.rows.observations)


def count(database: Database, container: str, found: Mapping[Observation, int]) -> None:
    """Add the observations of applied documents to the stored counts."""
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
    # These are names that mappers know: they tell nothing of a document.
    misspelled = sorted(each.path for each in found if each.kind is ObservationKind.SPELLING)
    if misspelled:
        sentence = f"documents of {container} have properties in another spelling: {', '.join(misspelled)}"
        rows.tell(logger, logging.WARNING, Action.MISSPELLED, sentence, container=container)
