"""Watch the leases: let idle feeds begin, and notice what their host does not correct."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cdc.core.errors import CdcError
from cdc.core.feed_items import FeedMode
from cdc.cosmos.leases import Leases
from cdc.postgres.containers import ConfirmedSource, PostgresFeedStates
from cdc.postgres.database import Database
from cdc.postgres.statements import statement


@dataclass(frozen=True, slots=True)
class LeaseProblem:
    """What is wrong with the leases of a container, what to do, and since when it is so."""

    sentence: str
    since: datetime


@dataclass(frozen=True, slots=True)
class LeaseWatch:
    """Looks at the leases for the timer, and keeps in PostgreSQL what it finds.

    A problem counts once it was seen for `settle_seconds`, the longest time that a split should take. In a phase
    without feeds it is not `active`: nobody looks, and what was seen before says nothing.
    """

    database: Database
    source: ConfirmedSource
    leases: Leases
    settle_seconds: float
    active: bool

    def look(self, containers: Iterable[str]) -> None:
        """Look at the leases of each container; one that fails does not keep the others waiting."""
        leases, failed = self.leases.read_once(), []
        for container in containers:
            try:
                self._look(container, leases)
            except CdcError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def find_problems(self) -> dict[str, LeaseProblem]:
        """Return by container what is wrong with its leases."""
        if not self.active:
            return {}
        with self.database.connection() as connection:
            rows = connection.execute(statement("read_lease_problems"), {"settle": self.settle_seconds}).fetchall()
        return {container: LeaseProblem(sentence, since) for container, sentence, since in rows}

    def _look(self, container: str, leases: Leases) -> None:
        origin = self.source.confirm(container)
        if leases.mode is FeedMode.ALL_VERSIONS:
            leases.begin(origin)
        parameters = {"container": container, "problem": leases.find_problem(origin)}
        beginning = leases.read_beginning(origin)
        with self.database.connection() as connection:
            connection.execute(statement("note_lease_problem"), parameters)
        if beginning is not None:
            PostgresFeedStates(self.database).note_leases(container, beginning.written_at, beginning.start)
