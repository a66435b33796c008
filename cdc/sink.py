"""The sink: one transaction that moves the ledger, then the rows, then the dead letters."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from cdc import deadletters, ledger, observations, rows, suspects, wanted
from cdc.errors import DocumentError
from cdc.model import Also, DocumentCount, Held, LetterCount, Mapper, Outcome, State, Write
from cdc.postgres import Connection, Database, pipelined, request_answers
from cdc.queries import statement
from cdc.version import Verdict, judge

_ENDED = object()


class PostgresSink:
    """Apply deliveries to PostgreSQL.

    The order ledger, rows, dead letters, each in key order, is the lock order of every writer; a batch that comes in
    pieces repeats the first two for each.
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

    def apply(self, mapper: Mapper[Any], pieces: Iterable[Sequence[Write]], also: Also | None = None) -> Outcome:
        """Write everything in one transaction; what the ledger has moved past meanwhile is left out."""
        batch = _Batch(mapper, self.reapplies)
        try:
            with self._database.transaction() as connection:
                with pipelined(connection):
                    interleave(
                        (batch.write(connection, piece) for piece in pieces), partial(request_answers, connection)
                    )
                outcome = _settle(connection, batch, self._backoff_seconds)
                if also is not None:
                    also(connection, outcome)
        except DocumentError as error:
            if len(batch.writes) != 1:
                raise
            raise DocumentError(wanted.explain(self._database, mapper, batch.writes[0], error.problem)) from None
        # Not in the transaction: all writers count the same few paths, and would wait for each other.
        observations.count(self._database, mapper.container, batch.writes)
        return outcome

    def count_documents(self) -> list[DocumentCount]:
        """Count the ledger by container and state."""
        with self._database.connection() as connection:
            return [DocumentCount(*row) for row in connection.execute(statement("count_documents"))]

    def count_letters(self) -> list[LetterCount]:
        """Count the dead letters by container, kind and state."""
        with self._database.connection() as connection:
            return [LetterCount(*row) for row in connection.execute(statement("count_letters"))]


class _Batch:
    """What became of the pieces of one transaction."""

    def __init__(self, mapper: Mapper[Any], reapplies: bool) -> None:
        self.mapper = mapper
        self.writes: list[Write] = []
        self.winners: list[Write] = []
        self.losers: list[Write] = []
        self.freed: list[str] = []
        self.written: set[str] = set()
        self._reapplies = reapplies

    def write(self, connection: Connection, piece: Sequence[Write]) -> Iterator[None]:
        """Write a piece; wherever it yields, answers are under way."""
        self.writes += piece
        decided = {write.change.key: write for write in piece if not write.undecided}
        keys = row_keys(self.mapper, decided)
        recorded = ledger.upsert(connection, self.mapper.container, decided.values(), keys, reapplies=self._reapplies)
        yield
        abandoned = dict(recorded())
        winners = [decided[key] for key in decided if key in abandoned]
        self.winners += winners
        self.losers += [write for key, write in decided.items() if key not in abandoned]
        freed = [key for key in abandoned.values() if key is not None]
        self.freed += freed
        # What another document took in a piece before this one is not free any more.
        rows.delete_keys(connection, self.mapper.tables, [key for key in freed if key not in self.written])
        written = [write for write in winners if write.problem is None]
        self.written.update(keys[write.change.key] for write in written if write.change.key in keys)
        yield from write_rows(connection, self.mapper, written)


def _settle(connection: Connection, batch: _Batch, backoff_seconds: float) -> Outcome:
    """Write the letters of a batch, and count what became of it."""
    winners, mapper = batch.winners, batch.mapper
    overtaken = _undecided_losers(connection, batch.losers)
    unsettled = [write for write in batch.writes if write.undecided] + overtaken
    turnover = deadletters.Turnover(str(mapper.tables[0]), batch.freed, list(batch.written))
    letters = deadletters.lock(connection, [write.change for write in [*winners, *unsettled]], turnover)
    if letters:
        deadletters.clear(connection, [write.change for write in winners if write.problem is None])
    deadletters.park(connection, [*winners, *unsettled], backoff_seconds)
    if letters:
        deadletters.wake(connection, turnover)
    gaps = [write.change for write in winners if write.gap]
    suspects.add(connection, mapper.container, gaps)
    states = Counter(write.state for write in winners)
    return Outcome(
        applied=states[State.APPLIED],
        deleted=states[State.DELETED],
        stale=len(batch.losers) - len(overtaken),
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


def write_rows(connection: Connection, mapper: Mapper[Any], writes: Sequence[Write]) -> Iterator[None]:
    """Make the tables hold exactly the rows of these documents under their keys; yields as `_Batch.write` does."""
    root, *children = mapper.tables
    roots = [write.rows.root for write in writes if write.rows.root is not None]
    held = [rows.read_child_keys(connection, root, table, roots) for table in children]
    rows.upsert(connection, root, roots)
    yield
    for table, keys in zip(children, held, strict=True):
        child_rows = [row for write in writes for row in write.rows.children.get(table.name, ())]
        rows.write_children(connection, table, keys(), child_rows)


def interleave(pieces: Iterable[Iterator[None]], sent: Callable[[], None]) -> None:
    """Take each piece a step further whenever the next one is there; call `sent` after the steps of each round."""
    under_way: list[Iterator[None]] = []
    for piece in pieces:
        under_way = [*_step(under_way), *_step([piece])]
        sent()
    while under_way:
        under_way = _step(under_way)
        sent()


def _step(pieces: Iterable[Iterator[None]]) -> list[Iterator[None]]:
    return [piece for piece in pieces if next(piece, _ENDED) is not _ENDED]
