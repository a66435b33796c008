"""Since when each problem is there: the timer notes it, for whoever looks later, with another process."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cdc.operations.problems import CurrentProblem
from cdc.postgres.database import Database
from cdc.postgres.statements import statement

# A code and a container, which is None for the whole app.
Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class ProblemNotes:
    """The problems that the timer has seen in its last run."""

    database: Database

    def keep(self, problems: Sequence[CurrentProblem]) -> None:
        """Note what is new, and forget what is gone."""
        parameters = {
            "codes": [each.code for each in problems],
            "containers": [each.container or "" for each in problems],
        }
        with self.database.transaction() as connection:
            connection.execute(statement("forget_problems"), parameters)
            connection.execute(statement("note_problems"), parameters)

    def read(self) -> dict[Key, datetime]:
        """Return since when each problem is there."""
        with self.database.connection() as connection:
            rows = connection.execute(statement("read_problems")).fetchall()
        return {(code, container or None): since for code, container, since in rows}
