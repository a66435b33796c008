"""The names under which unmapped types are shown: the first of each container; all others are `other`."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from cdc.core.mapping import OTHER_TYPE
from cdc.core.writes import Write
from cdc.postgres import gate
from cdc.postgres.database import Database
from cdc.postgres.statements import statement

NAMES_AT_MOST = 20


class NewTypesError(Exception):
    """Names that must be kept before documents of these types can be written."""

    def __init__(self, names: Collection[str]) -> None:
        super().__init__(f"{len(names)} new types")
        self.names = names


class TypeNames:
    """Remembers the kept names: a name is kept for ever, so only a new one needs a look into the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[str, frozenset[str]] = {}

    def show(self, container: str, writes: Sequence[Write]) -> Sequence[Write]:
        """Return the writes with their types as they are shown; raise NewTypesError if names must be kept first."""
        found = {write.rows.unmapped_type for write in writes}
        names = {name for name in found if name is not None and name != OTHER_TYPE}
        if not names:
            return writes
        kept = self._kept.get(container, frozenset())
        if len(kept) < NAMES_AT_MOST and not names <= kept:
            raise NewTypesError(names)
        return writes if names <= kept else [_hide(write, kept) for write in writes]

    def keep(self, container: str, names: Collection[str]) -> None:
        """Keep names while the container has free places; call it outside of a transaction."""
        kept = self._read(container)
        if len(kept) < NAMES_AT_MOST and not kept.issuperset(names):
            # Not `Database.transaction`: names are not the change that a request tells of.
            with self._database.connection() as connection, connection.transaction():
                gate.enter(connection, container)
                connection.execute(statement("lock_types"))
                parameters = {"container": container, "types": list(names), "at_most": NAMES_AT_MOST}
                connection.execute(statement("keep_types"), parameters)
            kept = self._read(container)
        self._kept[container] = kept

    def keep_and_show(self, container: str, writes: Sequence[Write]) -> Sequence[Write]:
        """Keep new names, then return what `show` returns; call it outside of a transaction."""
        try:
            return self.show(container, writes)
        except NewTypesError as error:
            names = error.names
        self.keep(container, names)
        return self.show(container, writes)

    def _read(self, container: str) -> frozenset[str]:
        with self._database.connection() as connection:
            return frozenset(name for (name,) in connection.execute(statement("read_types"), {"container": container}))


def _hide(write: Write, kept: Collection[str]) -> Write:
    name = write.rows.unmapped_type
    if name is None or name in kept:
        return write
    return replace(write, rows=replace(write.rows, unmapped_type=OTHER_TYPE))
