"""The sink: one transaction that moves the ledger, then the rows, then the dead letters."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cdc import deadletters, ledger, rows
from cdc.model import DocumentCount, LetterCount, Mapper, Outcome, State, Version, Write
from cdc.postgres import Connection, Database
from cdc.queries import statement
from cdc.version import Verdict, compare


class PostgresSink:
    """Apply writes to PostgreSQL.

    The order ledger, rows, dead letters, each in key order, is the lock order of every writer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_versions(self, keys: Sequence[bytes]) -> dict[bytes, Version]:
        """Return the versions that the ledger holds, without locking them."""
        with self._database.connection() as connection:
            return ledger.read_versions(connection, keys)

    def apply(self, mapper: Mapper[Any], writes: Sequence[Write]) -> Outcome:
        """Write everything in one transaction; what the ledger has moved past meanwhile is left out."""
        with self._database.transaction() as connection:
            return _apply(connection, mapper, writes)

    def count_documents(self) -> list[DocumentCount]:
        """Count the ledger by container and state."""
        with self._database.connection() as connection:
            return [DocumentCount(*row) for row in connection.execute(statement("count_documents"))]

    def count_letters(self) -> list[LetterCount]:
        """Count the dead letters by container, kind and state."""
        with self._database.connection() as connection:
            return [LetterCount(*row) for row in connection.execute(statement("count_letters"))]


def _apply(connection: Connection, mapper: Mapper[Any], writes: Sequence[Write]) -> Outcome:
    decided = {write.change.key: write for write in writes if not write.undecided}
    abandoned = ledger.upsert(connection, decided.values(), _row_keys(mapper, decided))
    winners = [decided[key] for key in sorted(abandoned)]
    losers = [write for key, write in decided.items() if key not in abandoned]
    overtaken = _undecided_losers(connection, losers)
    written = [write for write in winners if write.problem is None]
    _replace_rows(connection, mapper, written, [key for key in abandoned.values() if key is not None])
    unsettled = [write for write in writes if write.undecided] + overtaken
    if unsettled:  # they hold no lock on their ledger rows, which would keep other writers of their letters away
        deadletters.lock(connection, [write.change for write in [*winners, *unsettled]])
    deadletters.clear(connection, [write.change for write in written])
    deadletters.park(connection, [*winners, *unsettled])
    states = Counter(write.state for write in winners)
    return Outcome(
        applied=states[State.APPLIED],
        deleted=states[State.DELETED],
        stale=len(losers) - len(overtaken),
        undecided=len(unsettled),
        problems=tuple(write.problem for write in winners if write.problem is not None),
    )


def _row_keys(mapper: Mapper[Any], writes: Mapping[bytes, Write]) -> dict[bytes, str]:
    names = rows.primary_key(mapper.tables[0])
    return {
        key: ledger.write_row_key(write.rows.root[name] for name in names)
        for key, write in writes.items()
        if write.rows.root is not None
    }


def _undecided_losers(connection: Connection, losers: Sequence[Write]) -> list[Write]:
    """Judge again what lost against a version that another writer committed after our unlocked read."""
    if not losers:
        return []
    held = ledger.read_versions(connection, [write.change.key for write in losers])
    return [
        Write.read_again(write.change)
        for write in losers
        if compare(write.change.version, held[write.change.key]) is Verdict.UNDECIDED
    ]


def _replace_rows(
    connection: Connection, mapper: Mapper[Any], writes: Sequence[Write], abandoned: Sequence[str]
) -> None:
    root, *children = mapper.tables
    rows.delete_keys(connection, mapper.tables, abandoned)
    roots = [write.rows.root for write in writes if write.rows.root is not None]
    rows.upsert(connection, root, roots)
    for table in children:
        child_rows = [row for write in writes for row in write.rows.children.get(table.name, ())]
        rows.write_children(connection, root, table, roots, child_rows)
