"""The sink: one transaction that moves the ledger, then the rows, then the dead letters."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from cdc import deadletters, ledger, observations, rows, suspects, wanted
from cdc.counts import DocumentCount, LetterCount
from cdc.errors import DocumentError
from cdc.model import Also, Change, Held, Mapper, Observation, Outcome, Write
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
            if batch.only is None:
                raise
            raise DocumentError(wanted.explain(self._database, mapper, batch.only, error.problem)) from None
        # Not in the transaction: all writers count the same few paths, and would wait for each other.
        observations.count(self._database, mapper.container, batch.observed)
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
    """What became of the pieces of one transaction; their rows are let go of once they are sent.

    What thousands of documents keep is cold in the caches when it is needed again, if only to be freed.
    """

    def __init__(self, mapper: Mapper[Any], reapplies: bool) -> None:
        self.mapper = mapper
        self.only: Write | None = None
        self.settled: list[Change] = []
        self.deleted = 0
        self.parked: list[Write] = []
        self.undecided: list[Write] = []
        self.losers: list[Change] = []
        self.gaps: list[Change] = []
        self.observed: Counter[Observation] = Counter()
        self.freed: list[str] = []
        self.written: set[str] = set()
        self._reapplies = reapplies
        self._documents = 0

    def write(self, connection: Connection, piece: Sequence[Write]) -> Iterator[None]:
        """Write a piece; wherever it yields, answers are under way."""
        self._documents += len(piece)
        self.only = piece[0] if len(piece) == self._documents == 1 else None
        self.undecided += [write for write in piece if write.undecided]
        decided = {write.change.key: write for write in piece if not write.undecided}
        keys = row_keys(self.mapper, decided)
        recorded = ledger.upsert(connection, self.mapper.container, decided.values(), keys, reapplies=self._reapplies)
        yield
        abandoned = dict(recorded())
        self.losers += [write.change for key, write in decided.items() if key not in abandoned]
        winners = [write for key, write in decided.items() if key in abandoned]
        written = self._note(winners)
        freed = [key for key in abandoned.values() if key is not None]
        self.freed += freed
        # What another document took in a piece before this one is not free any more.
        rows.delete_keys(connection, self.mapper.tables, [key for key in freed if key not in self.written])
        self.written.update(keys[write.change.key] for write in written if write.change.key in keys)
        yield from write_rows(connection, self.mapper, written)

    def _note(self, winners: Sequence[Write]) -> list[Write]:
        """Note what the ledger has taken, and return what is to be written."""
        self.gaps += [write.change for write in winners if write.gap]
        self.parked += [write for write in winners if write.problem is not None]
        written = [write for write in winners if write.problem is None]
        self.settled += [write.change for write in written]
        self.deleted += sum(write.change.body is None for write in written)
        self.observed.update(observations.collect(written))
        return written


def _settle(connection: Connection, batch: _Batch, backoff_seconds: float) -> Outcome:
    """Write the letters of a batch, and count what became of it."""
    overtaken = _undecided_losers(connection, batch.losers)
    bad = [*batch.parked, *batch.undecided, *overtaken]
    turnover = deadletters.Turnover(str(batch.mapper.tables[0]), batch.freed, list(batch.written))
    letters = deadletters.lock(connection, [*batch.settled, *(write.change for write in bad)], turnover)
    if letters:
        deadletters.clear(connection, batch.settled)
    deadletters.park(connection, bad, backoff_seconds)
    if letters:
        deadletters.wake(connection, turnover)
    suspects.add(connection, batch.mapper.container, batch.gaps)
    return Outcome(
        applied=len(batch.settled) - batch.deleted,
        deleted=batch.deleted,
        stale=len(batch.losers) - len(overtaken),
        undecided=len(batch.undecided) + len(overtaken),
        problems=tuple(write.problem for write in batch.parked if write.problem is not None),
        gaps=len(batch.gaps),
    )


def row_keys(mapper: Mapper[Any], writes: Mapping[bytes, Write]) -> dict[bytes, str]:
    """Return the keys of the root rows that these writes bring, as the ledger holds them."""
    take_key = rows.key_taker(mapper.tables[0])
    return {
        key: ledger.write_row_key(take_key(write.rows.root))
        for key, write in writes.items()
        if write.rows.root is not None
    }


def _undecided_losers(connection: Connection, losers: Sequence[Change]) -> list[Write]:
    """Judge again what lost against a version that another writer committed after our unlocked read."""
    if not losers:
        return []
    held = ledger.read_held(connection, [change.key for change in losers])
    return [Write.read_again(change) for change in losers if judge(change, held[change.key]) is Verdict.UNDECIDED]


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
