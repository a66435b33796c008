"""Paused containers: pause and resume them, and check that their feeds keep their place."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from cdc.core import deadline, feed_items
from cdc.core.deadline import Deadline
from cdc.core.errors import CdcError, ConflictError, PausedError, RetentionError, UnknownError
from cdc.core.feed_items import FeedMode
from cdc.core.source_container import SourceContainer
from cdc.cosmos.leases import Leases
from cdc.cosmos.places import Place, PlaceReader, follow, pair
from cdc.postgres import pauses
from cdc.postgres.containers import ConfirmedSource
from cdc.postgres.database import Database
from cdc.postgres.pauses import Pause
from cdc.telemetry import rows
from cdc.telemetry.rows import Action

logger = logging.getLogger(__name__)

# A pause comes in time, even if Cosmos does not answer.
_PATIENCE_SECONDS = 5.0
_REMEDY = "Then resume it, run a backfill of {0} and a reconcile of all its keys: changes were lost."
_SKIPPED = (
    "The feed of {0} went on while the container was paused: its host gave batches up, so its function has no retry "
    "policy. Deploy the app with its retry policy, on a plan that keeps it. " + _REMEDY
)
_EXPIRED = (
    "The feed of {0} does not go back any more to where the container was paused: the pause was longer than the "
    "account keeps changes. " + _REMEDY
)


class PauseStatus(BaseModel):
    """A paused container: why, since when, by whom; `warning` says that its feed will soon lose changes."""

    container: str
    reason: str
    since: datetime
    by: str
    source: str
    warning: str | None

    def describe(self) -> str:
        """Return it as one sentence."""
        sentence = f"paused since {self.since:%Y-%m-%d %H:%M:%S %Z} by the {self.source}: {self.reason}"
        return sentence if self.warning is None else f"{sentence} {self.warning}"


@dataclass(frozen=True, slots=True)
class Pauses:
    """Pauses and resumes containers.

    Changes of a paused container wait in its feed, which keeps them for `retention_days` if it is one of all versions.
    """

    database: Database
    containers: Collection[str]
    source: ConfirmedSource
    leases: Leases
    reader: PlaceReader
    retention_days: float

    def pause(self, container: str, reason: str) -> PauseStatus:
        """Pause a container for an operator; raise ConflictError if it is paused already."""
        if container not in self.containers:
            raise UnknownError.of_container(self.containers)
        if not self._pause(container, reason, "operator"):
            raise ConflictError(f"{container} is paused already: look at GET /api/status.")
        found = self.read().get(container)
        if found is None:
            raise ConflictError(f"Somebody has just resumed {container}.")
        return found

    def trip(self, container: str, reason: str) -> None:
        """Pause a container for the breaker, unless it is paused already."""
        self._pause(container, reason, "breaker")

    def resume(self, container: str, *, accept: bool) -> int:
        """Resume a container; return how many dead letters are due, which is none with `accept`.

        What its mapper has parked since two minutes before the pause is read again. The place of its feed is checked
        once more: afterwards nobody could tell what was skipped.
        """
        if container not in self.containers:
            raise UnknownError.of_container(self.containers)
        pause = pauses.read_all(self.database).get(container)
        if pause is not None:
            self._look(pause)
        return pauses.remove(self.database, container, replay=not accept)

    def read(self) -> dict[str, PauseStatus]:
        """Return the paused containers."""
        return {pause.container: self._describe(pause) for pause in pauses.read_all(self.database).values()}

    def refuse(self, container: str) -> None:
        """Raise PausedError if a container is paused."""
        pause = self.read().get(container)
        if pause is not None:
            raise PausedError(f"{container} is {pause.describe()}")

    def find_problems(self) -> list[str]:
        """Return what to do about the feeds that went on during a pause."""
        return [skip.sentence for name, skip in pauses.read_skips(self.database).items() if name in self.containers]

    def look(self) -> None:
        """Check the place of each paused feed; one that fails does not keep the others waiting."""
        failed = []
        for pause in pauses.read_all(self.database).values():
            try:
                if pause.container in self.containers:
                    self._look(pause)
            except CdcError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def _pause(self, container: str, reason: str, source: str) -> bool:
        # Before the pause: what is delivered in between is in the ledger, and is not taken for skipped.
        positions = [place.write() for place in self._read_places(container)]
        return pauses.add(self.database, container, reason, source, positions)

    def _read_places(self, container: str) -> list[Place]:
        """Return the places of the leases; none if they cannot be read now, as a pause must not fail for that."""
        try:
            with Deadline(deadline.shorten(_PATIENCE_SECONDS, 0.5)).applies():
                return self._read_places_now(container)
        except CdcError as error:
            sentence = f"the positions of {container} are not recorded yet: {error}"
            rows.tell(logger, logging.WARNING, Action.PAUSED_FEED, sentence, container=container)
            return []

    def _read_places_now(self, container: str) -> list[Place]:
        origin = self.source.confirm(container)
        if self.leases.mode is FeedMode.ALL_VERSIONS:
            self.leases.begin(origin)
        return self.leases.read_places(origin)

    def _look(self, pause: Pause) -> None:
        origin = self.source.confirm(pause.container)
        before, after = [Place.read(each) for each in pause.positions], self.leases.read_places(origin)
        reached = follow(before, after)
        try:
            skipped = any(not self._is_kept(origin, *places) for places in pair(before, after))
            problem = _SKIPPED if skipped else None
        except RetentionError:
            problem = _EXPIRED
        # A place that cannot be read any more stays the place of this pause: it is one problem.
        if problem is not None and (before != reached or not self._is_told(pause)):
            sentence = problem.format(pause.container)
            rows.tell(logger, logging.ERROR, Action.PAUSED_FEED, sentence, container=pause.container)
            pauses.note_skip(self.database, pause.container, sentence)
        if before != reached:
            pauses.move(self.database, pause, [place.write() for place in reached])

    def _is_told(self, pause: Pause) -> bool:
        told = pauses.read_skips(self.database).get(pause.container)
        return told is not None and told.at >= pause.since

    def _is_kept(self, origin: SourceContainer, before: Place, after: Place) -> bool:
        """Return whether the feed holds nothing between two places that PostgreSQL does not know.

        What was delivered before the pause may be checkpointed after it.
        """
        mode = self.leases.mode
        if after.continuation is None or (mode is FeedMode.ALL_VERSIONS and before.continuation is None):
            return True  # the feed begins at its start, or now
        if before == after and mode is FeedMode.LATEST_VERSION:
            return True
        for items in self.reader.read_between(origin, before, after):
            paths = origin.partition_key_paths
            delivered = feed_items.read_delivered(mode, origin.container, paths, items)
            if delivered.nameless or not pauses.are_known(self.database, delivered.changes):
                return False
        return True

    def _describe(self, pause: Pause) -> PauseStatus:
        ends = pause.since + timedelta(days=self.retention_days)
        late = datetime.now(UTC) > pause.since + timedelta(days=self.retention_days / 2)
        warning = f"Its feed loses changes after {ends:%Y-%m-%d %H:%M %Z}: resume it before."
        return PauseStatus(
            container=pause.container,
            reason=pause.reason,
            since=pause.since,
            by=pause.by,
            source=pause.source,
            warning=warning if late and self.leases.mode is FeedMode.ALL_VERSIONS else None,
        )
