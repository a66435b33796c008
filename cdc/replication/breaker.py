"""The breaker: a mapper that parks most of what the live feed brings pauses its container."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cdc.core.documents import Change
from cdc.core.errors import ProblemKind
from cdc.core.writes import Outcome
from cdc.postgres.arrays import Array
from cdc.postgres.database import Connection, Database
from cdc.postgres.pauses import WINDOW_SECONDS
from cdc.postgres.statements import statement
from cdc.telemetry import rows
from cdc.telemetry.rows import Action

logger = logging.getLogger(__name__)

_REASON = (
    "its mapper parked {parked} of the {documents} documents that the live feed brought within a minute: mend the "
    "mapper, deploy it, and resume the container."
)


@dataclass(frozen=True, slots=True)
class Breaker:
    """Counts the documents of live feeds over all instances; `least` are needed to judge a mapper."""

    database: Database
    least: int
    pause: Callable[[str, str], object]

    def count(self, container: str, changes: Sequence[Change]) -> "Count":
        """Return what counts a batch in its own transaction."""
        return Count(container, changes)

    def judge(self, count: "Count") -> None:
        """Pause the container if most of what was read within a minute was parked by its mapper."""
        if not count.suspicious:
            return
        window = {"container": count.container, "window": WINDOW_SECONDS}
        with self.database.connection() as connection:
            documents, parked = connection.execute(statement("count_recent"), window).fetchone() or (0, 0)
        if documents >= self.least and 2 * parked > documents:
            reason = _REASON.format(parked=parked, documents=documents)
            self.pause(count.container, reason)
            sentence = f"the breaker pauses {count.container}: {reason}"
            rows.tell(logger, logging.ERROR, Action.BREAKER_PAUSED, sentence, container=count.container)


@dataclass(slots=True)
class Count:
    """Counts one batch as an `Also`; `suspicious` if its mapper, here or elsewhere, has parked documents lately."""

    container: str
    changes: Sequence[Change]
    suspicious: bool = field(default=False, init=False)

    def __call__(self, connection: Connection, outcome: Outcome) -> None:
        """Add the batch to the counts."""
        parks = any(problem.kind is ProblemKind.MAPPING for problem in outcome.problems)
        keys = {change.key for change in self.changes}
        parameters: dict[str, Any] = {
            "container": self.container,
            "documents": [_shorten(key) for key in keys],
            "parked": Array.of("bytea", list(keys) if parks else []),
            "parked_documents": [_shorten(key) for key in keys] if parks else [],
            "kind": ProblemKind.MAPPING.value,
            "window": WINDOW_SECONDS,
        }
        row = connection.execute(statement("note_batch"), parameters).fetchone()
        self.suspicious = parks or bool(row and row[0])


def _shorten(key: bytes) -> int:
    """Return eight bytes of a key, which are enough to tell the documents of a minute apart."""
    return int.from_bytes(key[:8], signed=True)
