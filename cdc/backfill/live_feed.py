"""Check that a container's live feed has begun; without it, changes during the copy would be lost."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cdc.core.errors import ConflictError
from cdc.core.feed_items import FeedMode
from cdc.cosmos.account import CosmosAccount
from cdc.cosmos.leases import Leases
from cdc.postgres.containers import ConfirmedSource, PostgresFeedStates


@dataclass(frozen=True, slots=True)
class LiveFeed:
    """The live feeds of all containers; they begin at `start`."""

    source: ConfirmedSource
    states: PostgresFeedStates
    leases: Leases
    account: CosmosAccount
    mode: FeedMode
    start: datetime | Literal["beginning"]

    def check(self, container: str) -> None:
        """Raise ConflictError until the feed of a container has begun."""
        origin = self.source.confirm_now(container)
        if self.mode is FeedMode.ALL_VERSIONS:
            if not self.leases.begin(origin):
                reason = self.leases.find_problem(origin) or "Try again in a moment."
                raise ConflictError(f"The live feed of {container} has not begun everywhere. {reason}")
            # A first batch that comes during the copy must not count as the beginning of the feed.
            if (beginning := self.leases.read_beginning(origin)) is not None:
                self.states.note_leases(container, beginning.written_at, beginning.start)
        elif isinstance(self.start, datetime) and int(self.start.timestamp()) > self.account.read_time(container):
            raise ConflictError(f"The live feed begins at CHANGE_FEED_START, {self.start.isoformat()}: try again then.")
