"""The sink: one transaction that moves the ledger, then the rows, then the dead letters."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cdc import deadletters, ledger, observations, rows, suspects, wanted
from cdc.errors import DocumentError
from cdc.model import Also, DocumentCount, Held, LetterCount, Mapper, Outcome, State, Write
from cdc.postgres import Connection, Database
from cdc.queries import statement
from cdc.version import Verdict, judge


class PostgresSink:
    """Apply deliveries to PostgreSQL.

    The order ledger, rows, dead letters, each in key order, is the lock order of every writer.
    """

    def __init__(self, database: Database, backoff_seconds: float = 60, *, reapplies: bool = False) -> None:
        """Take the store; one that `reapplies` also writes the very versions that are held."""
        self.reapplies = reapplies
        self._database = database
        self._backoff_seconds = backoff_seconds

    def read_held(self, keys: Sequence[bytes]) -> dict[bytes, Held]:
        """Return what the ledger holds of these documents, without locking it."""
        with self._database.connection() as connection:
            return ledger.read_held(connection, keys)

    def apply(self, mapper: Mapper[Any], writes: Sequence[Write], also: Also | None = None) -> Outcome:
        """Write everything in one transaction; what the ledger has moved past meanwhile is left out."""
        try:
            with self._database.transaction() as connection:
                outcome = _apply(connection, mapper, writes, self._backoff_seconds, self.reapplies)
                if also is not None:
                    also(connection, outcome)
        except DocumentError as error:
            if len(writes) > 1:
                raise
            raise DocumentError(wanted.explain(self._database, mapper, writes[0], error.problem)) from None
        # Not in the transaction: all writers count the same few paths, and would wait for each other.
        observations.count(self._database, mapper.container, writes)
        return outcome

    def count_documents(self) -> list[DocumentCount]:
        """Count the ledger by container and state."""
        with self._database.connection() as connection:
            return [DocumentCount(*row) for row in connection.execute(statement("count_documents"))]

    def count_letters(self) -> list[LetterCount]:
        """Count the dead letters by container, kind and state."""
        with self._database.connection() as connection:
            return [LetterCount(*row) for row in connection.execute(statement("count_letters"))]


def _apply(
    connection: Connection,
    mapper: Mapper[Any],
    writes: Sequence[Write],
    backoff_seconds: float,
    reapplies: bool,
) -> Outcome:
    decided = {write.change.key: write for write in writes if not write.undecided}
    keys = row_keys(mapper, decided)
    abandoned = ledger.upsert(connection, mapper.container, decided.values(), keys, reapplies=reapplies)
    winners = [decided[key] for key in sorted(abandoned)]
    losers = [write for key, write in decided.items() if key not in abandoned]
    overtaken = _undecided_losers(connection, losers)
    written = [write for write in winners if write.problem is None]
    freed = [key for key in abandoned.values() if key is not None]
    rows.delete_keys(connection, mapper.tables, freed)
    write_rows(connection, mapper, written)
    unsettled = [write for write in writes if write.undecided] + overtaken
    turnover = turn_over(mapper, freed, written)
    letters = deadletters.lock(connection, [write.change for write in [*winners, *unsettled]], turnover)
    if letters:
        deadletters.clear(connection, [write.change for write in written])
    deadletters.park(connection, [*winners, *unsettled], backoff_seconds)
    if letters:
        deadletters.wake(connection, turnover)
    gaps = [write.change for write in winners if write.gap]
    suspects.add(connection, mapper.container, gaps)
    states = Counter(write.state for write in winners)
    return Outcome(
        applied=states[State.APPLIED],
        deleted=states[State.DELETED],
        stale=len(losers) - len(overtaken),
        undecided=len(unsettled),
        problems=tuple(write.problem for write in winners if write.problem is not None),
        gaps=len(gaps),
    )


def row_keys(mapper: Mapper[Any], writes: Mapping[bytes, Write]) -> dict[bytes, str]:
    """Return the keys of the root rows that these writes bring, as the ledger holds them."""
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
    held = ledger.read_held(connection, [write.change.key for write in losers])
    return [
        Write.read_again(write.change)
        for write in losers
        if judge(write.change, held[write.change.key]) is Verdict.UNDECIDED
    ]


def write_rows(connection: Connection, mapper: Mapper[Any], writes: Sequence[Write]) -> None:
    """Make the tables hold exactly the rows of these documents under their keys."""
    root, *children = mapper.tables
    roots = [write.rows.root for write in writes if write.rows.root is not None]
    rows.upsert(connection, root, roots)
    for table in children:
        child_rows = [row for write in writes for row in write.rows.children.get(table.name, ())]
        rows.write_children(connection, root, table, roots, child_rows)


def turn_over(mapper: Mapper[Any], freed: Sequence[str], written: Sequence[Write]) -> deadletters.Turnover:
    """Say which root rows are free and which are written now, for the letters that wait for them."""
    keys = row_keys(mapper, {write.change.key: write for write in written})
    return deadletters.Turnover(str(mapper.tables[0]), freed, list(keys.values()))
