"""The state of each source container: which one was seen first, and its feed's mode and gaps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cdc.core.documents import Change, Identity, JsonObject, Reading
from cdc.core.errors import FatalError, ReplacedError, UnreadableError
from cdc.core.feed_items import FeedMode, read_identity
from cdc.core.source_container import SourceContainer
from cdc.postgres import gate
from cdc.postgres.database import Connection, Database
from cdc.postgres.statements import statement

# At about ten thousand rows a second this stays far below the statement timeout.
_FORGOTTEN_AT_ONCE = 20_000
# Failures that lie further apart have nothing to do with each other.
_APART_SECONDS = 600


class SourceAccount(Protocol):
    """The source account of the current settings."""

    def check_account(self) -> None:
        """Raise FatalError if the account cannot be replicated."""
        ...

    def read_source_container(self, container: str) -> SourceContainer:
        """Read which container this is: account, resource id and partition key."""
        ...

    def read_document(self, identity: Identity) -> Reading:
        """Read the current version of a document."""
        ...


class ConfirmedSource:
    """The source, which accepts answers only from the containers that were seen first."""

    def __init__(
        self, account: SourceAccount, database: Database, at_first: Callable[[str], None] = lambda _: None
    ) -> None:
        """Call `at_first` with each container when this process first sees it, and when it has changed."""
        self._account = account
        self._database = database
        self._at_first = at_first
        self._known: dict[str, SourceContainer] = {}

    def confirm(self, container: str, documents: Sequence[JsonObject] = ()) -> SourceContainer:
        """Return the container of these documents; raise FatalError if it is not the one seen first."""
        origin = self._known.get(container)
        if origin is None or not origin.has(documents):
            origin = self.confirm_now(container)
            self._at_first(container)
            self._known[container] = origin
            if not origin.has(documents):
                raise FatalError(
                    f"The change feed of {container} delivers documents of a container that no longer exists."
                )
        return origin

    def confirm_now(self, container: str) -> SourceContainer:
        """Ask the source again which container this is, and compare it with the one seen first."""
        self._account.check_account()
        origin = self._account.read_source_container(container)
        confirm(self._database, origin)
        if container in self._known:
            self._known[container] = origin
        return origin

    def read_document(self, identity: Identity) -> Reading:
        """Read one document; raise FatalError if the answer comes from another container than the one seen first.

        Raises UnreadableError only if the account and the container still answer.
        """
        reading = self.look_up(identity)
        if reading.body is None:
            self.confirm_now(identity.container)
        return reading

    def look_up(self, identity: Identity) -> Reading:
        """Read one document; that it is gone is no proof, because another container may have answered."""
        try:
            reading = self._account.read_document(identity)
        except UnreadableError:
            self.confirm_now(identity.container)
            raise
        if reading.body is not None and not _is(
            identity, reading.body, self.confirm(identity.container, [reading.body])
        ):
            raise UnreadableError("Cosmos answered with another document than the one asked for.")
        return reading


def _is(identity: Identity, body: JsonObject, origin: SourceContainer) -> bool:
    try:
        return read_identity(origin.container, origin.partition_key_paths, body) == identity
    except (KeyError, TypeError):
        return False


def confirm(database: Database, found: SourceContainer) -> None:
    """Remember the first container of a name; raise FatalError if another one was seen before."""
    with database.connection() as connection:
        connection.execute(statement("see_container"), _parameters(found))
        row = connection.execute(statement("read_container"), {"container": found.container}).fetchone()
    if row is not None and row[:2] != (found.account, found.rid):
        raise ReplacedError(
            f"The container {found.container} is not the one seen first ({found.rid} in {found.account}, not {row[1]} "
            f"in {row[0]}): correct COSMOS_CONNECTION and COSMOS_DATABASE, or, if it replaces the other one, "
            f"run python -m cdc adopt {found.container}."
        )


def adopt(database: Database, found: SourceContainer) -> bool:
    """Let a container take the place of the one seen first; the ledger stays until a reconcile compares it.

    Its documents are refused until all lsns of the other container are deleted; unfinished backfills of the other one
    are cancelled. Returns False, and changes nothing, if it already is the one seen first.
    """
    if _read_seen(database, found.container) == (found.account, found.rid):
        return False
    after: bytes | None = b""
    while after is not None:
        after = _forget_lsns(database, found.container, after)
    with database.transaction() as connection:
        gate.enter(connection)
        connection.execute(statement("cancel_backfills_of"), {"container": found.container})
        connection.execute(statement("adopt_container"), _parameters(found))
    return True


def _read_seen(database: Database, container: str) -> tuple[str, str] | None:
    with database.connection() as connection:
        row = connection.execute(statement("read_container"), {"container": container}).fetchone()
    return None if row is None else (row[0], row[1])


def _forget_lsns(database: Database, container: str, after: bytes) -> bytes | None:
    """Delete some lsns in one transaction; return the last key, or None if no lsns are left."""
    parameters = {"container": container, "after": after, "limit": _FORGOTTEN_AT_ONCE}
    with database.transaction() as connection:
        gate.enter(connection)
        keys = [key for (key,) in connection.execute(statement("forget_lsns"), parameters)]
    return max(keys) if len(keys) == _FORGOTTEN_AT_ONCE else None


def _parameters(found: SourceContainer) -> dict[str, object]:
    return {
        "container": found.container,
        "account": found.account,
        "rid": found.rid,
        "paths": list(found.partition_key_paths),
    }


@dataclass(frozen=True, slots=True)
class FeedState:
    """The state of a container's feed.

    A backfill or complete reconcile counts only if it began after its moment. `mode` is the mode of the last read, None
    before the first; if the settings want another mode, the feed needs both again.
    """

    container: str
    mode: FeedMode | None
    gaps: int
    suspects: int
    backfill_since: datetime | None
    complete_reconcile_since: datetime | None


@dataclass(frozen=True, slots=True)
class FailedBatch:
    """Why the newest batch of a feed that failed did so, when, and since when batches fail."""

    problem: str
    since: datetime
    last_at: datetime


class PostgresFeedStates:
    """Keep feed states in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note_mode(self, container: str, mode: FeedMode) -> None:
        """Record the mode of a feed and since when it has this mode."""
        with self._database.connection() as connection:
            connection.execute(statement("note_feed_mode"), {"container": container, "mode": mode})

    def note_leases(self, container: str, written_at: datetime, start: datetime | None) -> None:
        """Record when the leases of a feed were written and where it began with them; None is its first document."""
        with self._database.connection() as connection:
            parameters = {"container": container, "written_at": written_at, "start": start}
            connection.execute(statement("note_leases"), parameters)

    def note_nameless_deletes(self, container: str, deletes: int) -> None:
        """Record deletes that do not identify their document: the next reconcile compares all keys."""
        if deletes:
            with self._database.transaction() as connection:
                gate.enter(connection, container)  # a refused batch comes again and again
                parameters = {"container": container, "deletes": deletes}
                connection.execute(statement("note_nameless_deletes"), parameters)

    def note_failure(self, container: str, problem: str) -> None:
        """Record that a batch has failed and will be delivered again."""
        with self._database.connection() as connection:
            parameters = {"container": container, "problem": problem, "apart_seconds": _APART_SECONDS}
            connection.execute(statement("note_failed_batch"), parameters)

    def read_failures(self) -> dict[str, FailedBatch]:
        """Return the newest failure of each feed that ever had one."""
        with self._database.connection() as connection:
            return {name: FailedBatch(*row) for name, *row in connection.execute(statement("read_failed_batches"))}

    def read(self) -> list[FeedState]:
        """Return the state of every feed."""
        with self._database.connection() as connection:
            found = connection.execute(statement("read_feeds")).fetchall()
        return [FeedState(name, None if mode is None else FeedMode(mode), *rest) for name, mode, *rest in found]


def add_suspects(connection: Connection, container: str, changes: Sequence[Change]) -> None:
    """Make documents suspects and count each as a gap of its container."""
    if changes:
        keys = sorted(change.key for change in changes)
        connection.execute(statement("add_suspects"), {"container": container, "keys": keys})
        connection.execute(statement("count_gaps"), {"container": container, "gaps": len(keys)})
