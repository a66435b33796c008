"""The watch on Cosmos after the cut-over: it finds writers that were forgotten, and never applies what they wrote."""

import logging
from dataclasses import dataclass

from cdc.core import feed_items
from cdc.core.errors import CdcError
from cdc.cosmos.places import Place
from cdc.cosmos.tail import Tail
from cdc.postgres import forgotten
from cdc.postgres.containers import ConfirmedSource
from cdc.postgres.database import Database
from cdc.postgres.forgotten import ForgottenWrites, Overdue
from cdc.telemetry import rows
from cdc.telemetry.rows import Action

# The timer looks in every run.
OVERDUE_SECONDS = 600.0

logger = logging.getLogger(__name__)

_FOUND = (
    "Documents of {} that were written to Cosmos since the cut-over: {}, the last one at {:%Y-%m-%d %H:%M:%S %Z}. "
    "PostgreSQL does not have these writes. Find the writer and stop it. python -m cdc cutover status --identities "
    "names the documents: write into PostgreSQL what is missing there, then run python -m cdc cutover accept."
)


@dataclass(frozen=True, slots=True)
class SourceWatch:
    """Reads the latest-version feeds from its own places; deletes and expiries do not show there."""

    database: Database
    source: ConfirmedSource
    tail: Tail

    def look(self) -> None:
        """Read what was written since the last look; a container that fails does not keep the others waiting."""
        failed = []
        for container, positions in forgotten.read_positions(self.database).items():
            try:
                self._look(container, positions)
            except CdcError as error:
                failed.append(error)
        for each in forgotten.count_open(self.database):
            rows.tell(logger, logging.ERROR, Action.FORGOTTEN_WRITERS, f"forgotten writers: {tell_forgotten(each)}")
        if failed:
            raise failed[0]

    def _look(self, container: str, before: list[dict[str, object]]) -> None:
        paths = self.source.confirm(container).partition_key_paths
        places = [Place.read(each) for each in before]
        for documents, rest in self.tail.read_after(container, places):
            changes = [feed_items.read_change(container, paths, document) for document in documents]
            after = [place.write() for place in rest]
            if not forgotten.move(self.database, container, before, after, changes):
                return
            before = after

    def find_problems(self) -> list[str]:
        """Return a sentence for each container with writes that nobody has accepted, or that nobody has looked at."""
        return [
            *map(tell_forgotten, forgotten.count_open(self.database)),
            *map(tell_overdue, forgotten.find_overdue(self.database, OVERDUE_SECONDS)),
        ]


def tell_forgotten(found: ForgottenWrites) -> str:
    """Say what was written to a container since the cut-over."""
    return _FOUND.format(found.container, found.open, found.last_seen_at)


def tell_overdue(found: Overdue) -> str:
    """Say since when nobody has looked."""
    return f"Nobody has looked since {found.since:%Y-%m-%d %H:%M:%S %Z} who writes to {found.container} in Cosmos."
