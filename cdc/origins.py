"""Remember which source container was seen first, and refuse another: it would be taken for changes of the first."""

from collections.abc import Callable, Sequence
from typing import Protocol

from cdc.errors import FatalError
from cdc.model import Identity, JsonObject
from cdc.notes import Reading
from cdc.origin import Origin
from cdc.postgres import Database
from cdc.queries import statement

# At some ten thousand a second this is far from what a statement may take.
_FORGOTTEN_AT_ONCE = 20_000


class Account(Protocol):
    """The source account, which says what stands behind the settings now."""

    def check_account(self) -> None:
        """Raise FatalError when the account cannot be replicated from."""
        ...

    def read_origin(self, container: str) -> Origin:
        """Ask which container this is."""
        ...

    def read_document(self, identity: Identity) -> Reading:
        """Read one document as it is now."""
        ...


class ConfirmedSource:
    """The source, whose answers count only while its containers are the ones that were seen first."""

    def __init__(self, account: Account, database: Database, at_first: Callable[[str], None] = lambda _: None) -> None:
        """Call `at_first` with each container when it is seen for the first time, or again as another one."""
        self._account = account
        self._database = database
        self._at_first = at_first
        self._known: dict[str, Origin] = {}

    def confirm(self, container: str, documents: Sequence[JsonObject] = ()) -> Origin:
        """Return the container that these documents are of; raise FatalError when it is another one than before."""
        origin = self._known.get(container)
        if origin is None or not origin.has(documents):
            origin = self.confirm_now(container)
            self._at_first(container)
            self._known[container] = origin
        if not origin.has(documents):
            raise FatalError(f"The change feed of {container} delivers documents of a container that is gone.")
        return origin

    def confirm_now(self, container: str) -> Origin:
        """Ask the source again which container this is."""
        self._account.check_account()
        origin = self._account.read_origin(container)
        confirm(self._database, origin)
        if container in self._known:
            self._known[container] = origin
        return origin

    def read_document(self, identity: Identity) -> Reading:
        """Read one document; a container that took another's place has neither its documents nor its absences."""
        reading = self._account.read_document(identity)
        if reading.body is None:
            self.confirm_now(identity.container)
        else:
            self.confirm(identity.container, [reading.body])
        return reading


def confirm(database: Database, found: Origin) -> None:
    """Remember a container when it is the first of its name; raise FatalError when another one was seen before."""
    with database.connection() as connection:
        connection.execute(statement("see_container"), _parameters(found))
        row = connection.execute(statement("read_container"), {"container": found.container}).fetchone()
    if row is not None and row[:2] != (found.account, found.rid):
        raise FatalError(
            f"The container {found.container} is another one than before ({found.rid} in {found.account}, not {row[1]} "
            f"in {row[0]}): correct COSMOS_CONNECTION and COSMOS_DATABASE, or, when it takes the place of the other, "
            f"run python -m cdc adopt {found.container}."
        )


def adopt(database: Database, found: Origin) -> bool:
    """Let a container take the place of the one seen first; what the ledger holds stays until it is compared anew.

    Its documents are refused until the last number of the other one is forgotten; a backfill of the other one that is
    not over ends. Changes nothing, and returns false, where it is the one seen first.
    """
    if _read_seen(database, found.container) == (found.account, found.rid):
        return False
    after: bytes | None = b""
    while after is not None:
        after = _forget_lsns(database, found.container, after)
    with database.transaction() as connection:
        connection.execute(statement("cancel_backfills_of"), {"container": found.container})
        connection.execute(statement("adopt_container"), _parameters(found))
    return True


def _read_seen(database: Database, container: str) -> tuple[str, str] | None:
    with database.connection() as connection:
        row = connection.execute(statement("read_container"), {"container": container}).fetchone()
    return None if row is None else (row[0], row[1])


def _forget_lsns(database: Database, container: str, after: bytes) -> bytes | None:
    """Forget some numbers in a transaction of their own; return the last key, or nothing when these were the last."""
    parameters = {"container": container, "after": after, "limit": _FORGOTTEN_AT_ONCE}
    with database.transaction() as connection:
        keys = [key for (key,) in connection.execute(statement("forget_lsns"), parameters)]
    return max(keys) if len(keys) == _FORGOTTEN_AT_ONCE else None


def _parameters(found: Origin) -> dict[str, object]:
    return {
        "container": found.container,
        "account": found.account,
        "rid": found.rid,
        "paths": list(found.partition_key_paths),
    }
