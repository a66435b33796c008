"""The sink: one transaction that moves the ledger, then the rows, then the dead letters."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from cdc.core.documents import Change, Held
from cdc.core.errors import DocumentError
from cdc.core.mapping import Mapper, Observation
from cdc.core.ordering import Verdict, judge
from cdc.core.writes import Also, Outcome, Write
from cdc.postgres import containers, ledger, observations, rows
from cdc.postgres.database import Connection, Database, pipelined, request_answers
from cdc.repair import blockers, parking
from cdc.replication.batch import Piece

_ENDED = object()


class PostgresSink:
    """Apply deliveries to PostgreSQL.

    The order ledger, rows, dead letters, each in key order, is the lock order of every writer; where a batch comes in
    pieces, the ledger is one piece ahead of the rows.
    """

    def __init__(self, database: Database, backoff_seconds: float = 60, *, reapplies: bool = False) -> None:
        """Take the store; one that `reapplies` also writes the very versions that are held."""
        self.reapplies = reapplies
        self._database = database
        self._backoff_seconds = backoff_seconds

    def apply(self, mapper: Mapper[Any], pieces: Sequence[Piece], also: Also | None = None) -> Outcome:
        """Write everything in one transaction; what the ledger has moved past meanwhile is left out."""
        batch = _Batch(mapper, self.reapplies)
        try:
            with self._database.transaction() as connection:
                with pipelined(connection):
                    interleave(
                        (batch.write(connection, *planned) for planned in plan_pieces(connection, pieces)),
                        partial(request_answers, connection),
                    )
                    batch.judge_losers(connection)
                    letters = parking.lock(connection, batch.documents(), batch.turnover())
                outcome = _settle(connection, batch, letters(), self._backoff_seconds)
                if also is not None:
                    also(connection, outcome)
        except DocumentError as error:
            if batch.only is None:
                raise
            raise DocumentError(blockers.explain(self._database, mapper, batch.only, error.problem)) from None
        # Not in the transaction: all writers count the same few paths, and would wait for each other.
        observations.count(self._database, mapper.container, batch.observed)
        return outcome


class _Batch:
    """What became of the pieces of one transaction; their rows are let go of once they are sent.

    What thousands of documents keep is cold in the caches when it is needed again, if only to be freed.
    """

    def __init__(self, mapper: Mapper[Any], reapplies: bool) -> None:
        self.mapper = mapper
        self.only: Write | None = None
        self.settled: list[Change] = []
        self.deleted = 0
        self.stale = 0
        self.parked: list[Write] = []
        self.undecided: list[Write] = []
        self.gaps: list[Change] = []
        self.observed: Counter[Observation] = Counter()
        self._losers: list[Change] = []
        self._freed: list[str] = []
        self._written: set[str] = set()
        self._reapplies = reapplies
        self._writes = 0

    def write(self, connection: Connection, piece: Piece, writes: Sequence[Write]) -> Iterator[None]:
        """Write a piece; wherever it yields, answers are under way."""
        self._writes += len(writes)
        self.stale += piece.changes - len(writes)
        self.only = writes[0] if len(writes) == self._writes == 1 else None
        self.undecided += [write for write in writes if write.undecided]
        decided = {write.change.key: write for write in writes if not write.undecided}
        keys = rows.row_keys(self.mapper, decided)
        recorded = ledger.upsert(connection, self.mapper.container, decided.values(), keys, reapplies=self._reapplies)
        yield
        abandoned = dict(recorded())
        self._losers += [write.change for key, write in decided.items() if key not in abandoned]
        winners = [write for key, write in decided.items() if key in abandoned]
        written = self._note(winners)
        freed = [key for key in abandoned.values() if key is not None]
        self._freed += freed
        # What another document took in a piece before this one is not free any more.
        rows.delete_keys(connection, self.mapper.tables, [key for key in freed if key not in self._written])
        self._written.update(keys[write.change.key] for write in written if write.change.key in keys)
        rows.write_rows(connection, self.mapper, written)

    def judge_losers(self, connection: Connection) -> None:
        """Judge again what lost against a version that another writer committed after our unlocked read."""
        if not self._losers:
            return
        held = ledger.read_held(connection, [change.key for change in self._losers])()
        overtaken = [each for each in self._losers if judge(each, held[each.key]) is Verdict.UNDECIDED]
        self.undecided += map(Write.read_again, overtaken)
        self.stale += len(self._losers) - len(overtaken)

    def bad(self) -> list[Write]:
        """Return what needs a letter."""
        return [*self.parked, *self.undecided]

    def documents(self) -> list[Change]:
        """Return everything whose letters are cleared or written."""
        return [*self.settled, *(write.change for write in self.bad())]

    def turnover(self) -> parking.Turnover:
        """Return the root rows that are freed and written."""
        return parking.Turnover(str(self.mapper.tables[0]), self._freed, list(self._written))

    def _note(self, winners: Sequence[Write]) -> list[Write]:
        """Note what the ledger has taken, and return what is to be written."""
        self.gaps += [write.change for write in winners if write.gap]
        self.parked += [write for write in winners if write.problem is not None]
        written = [write for write in winners if write.problem is None]
        self.settled += [write.change for write in written]
        self.deleted += sum(write.change.body is None for write in written)
        self.observed.update(observations.collect(written))
        return written


def _settle(connection: Connection, batch: _Batch, letters: Collection[bytes], backoff_seconds: float) -> Outcome:
    """Write the letters of a batch, of which these are locked, and count what became of it."""
    if letters:
        parking.clear(connection, batch.settled)
    parking.park(connection, batch.bad(), backoff_seconds)
    if letters:
        parking.wake(connection, batch.turnover())
    containers.add_suspects(connection, batch.mapper.container, batch.gaps)
    return Outcome(
        applied=len(batch.settled) - batch.deleted,
        deleted=batch.deleted,
        stale=batch.stale,
        undecided=len(batch.undecided),
        problems=tuple(write.problem for write in batch.parked if write.problem is not None),
        gaps=len(batch.gaps),
    )


def plan_pieces(connection: Connection, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Sequence[Write]]]:
    """Plan each piece by what the ledger holds; while the first one is mapped, the answer about the rest is made."""
    parts = [part for part in (pieces[:1], pieces[1:]) if part]
    answers = [_ask(connection, part) for part in parts]
    for part, answer in zip(parts, answers, strict=True):
        held = answer()
        for piece in part:
            yield piece, piece.plan(held)


def _ask(connection: Connection, pieces: Sequence[Piece]) -> Callable[[], Mapping[bytes, Held]]:
    answer = ledger.read_held(connection, [key for piece in pieces for key in piece.keys])
    request_answers(connection)  # this one is not to wait for the next
    return answer


def interleave(pieces: Iterable[Iterator[None]], sent: Callable[[], None]) -> None:
    """Take each piece a step further whenever the next one has taken its first; call `sent` after each round.

    So the answer to a first step is not behind everything else that is sent in its round.
    """
    under_way: list[Iterator[None]] = []
    for piece in pieces:
        begun = _step([piece])
        under_way = [*_step(under_way), *begun]
        sent()
    while under_way:
        under_way = _step(under_way)
        sent()


def _step(pieces: Iterable[Iterator[None]]) -> list[Iterator[None]]:
    return [piece for piece in pieces if next(piece, _ENDED) is not _ENDED]
