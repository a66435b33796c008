"""What is known of each container's change feed: its mode, its gaps, and what must run before it can be relied on."""

from cdc.feed import FeedMode, FeedState
from cdc.postgres import Database
from cdc.queries import statement


class FeedStates:
    """Remember it in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note_mode(self, container: str, mode: FeedMode) -> None:
        """Remember in which mode a feed is read, and since when."""
        with self._database.connection() as connection:
            connection.execute(statement("note_feed_mode"), {"container": container, "mode": mode})

    def note_nameless_deletes(self, container: str, deletes: int) -> None:
        """Remember that documents are gone of which nobody can say which: the next reconcile compares all keys."""
        if deletes:
            with self._database.connection() as connection:
                parameters = {"container": container, "deletes": deletes}
                connection.execute(statement("note_nameless_deletes"), parameters)

    def read(self) -> list[FeedState]:
        """Return what is known of every feed."""
        with self._database.connection() as connection:
            found = connection.execute(statement("read_feeds")).fetchall()
        return [FeedState(name, None if mode is None else FeedMode(mode), *rest) for name, mode, *rest in found]
