"""The sink: one transaction that writes the ledger, then the rows, then the dead letters."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cdc.core import row_keys
from cdc.core.documents import Change, Held, State
from cdc.core.errors import DocumentError
from cdc.core.mapping import Mapper, Observation
from cdc.core.ordering import Verdict, judge
from cdc.core.row_keys import RowKey
from cdc.core.writes import Also, Outcome, Write
from cdc.postgres import applied, containers, gate, ledger, observations, rows, triggers
from cdc.postgres.database import Connection, Database, pipelined
from cdc.postgres.unmapped_types import NewTypesError, TypeNames
from cdc.repair import blockers, parking
from cdc.replication.fence import fence
from cdc.replication.planning import Piece
from cdc.telemetry import tracing
from cdc.telemetry.tracing import Name


class PostgresSink:
    """Apply deliveries to PostgreSQL.

    The lock order of every writer is ledger, rows, dead letters, each in key order; if a batch has several pieces, the
    ledger is one piece ahead of the rows.
    """

    def __init__(
        self,
        database: Database,
        backoff_seconds: float = 60,
        *,
        reapplies: bool = False,
        read_since: int | None = None,
        invalidate: Callable[[], None] | None = None,
    ) -> None:
        """Take the database; with `reapplies`, versions already in the ledger are written again.

        `read_since` is the source's time since when the documents were read, if that is known. With `invalidate`, cache
        keys of changed rows go into the outbox, and it is called after every commit.
        """
        self.reapplies = reapplies
        self._read_since = read_since
        self._database = database
        self._types = TypeNames(database)
        self._backoff_seconds = backoff_seconds
        self._invalidate = invalidate

    def apply(self, mapper: Mapper[Any], pieces: Sequence[Piece], also: Also | None = None) -> Outcome:
        """Write everything in one transaction; leave out changes that are stale by now."""
        while True:
            try:
                return self._apply(mapper, pieces, also)
            except NewTypesError as error:
                names = error.names
            # Not in the transaction: it would hold the names' lock while it waits for documents that others hold.
            self._types.keep(mapper.container, names)

    def _apply(self, mapper: Mapper[Any], pieces: Sequence[Piece], also: Also | None) -> Outcome:
        batch = _Batch(notes_keys=self._invalidate is not None)
        try:
            with (
                tracing.step(Name.APPLY, container=mapper.container, system="postgresql"),
                self._database.transaction(mapper.container) as connection,
            ):
                with pipelined(connection):
                    gate.enter(connection, mapper.container)
                    self._write(connection, mapper, pieces, batch)
                    _judge_losers(connection, batch)
                    applied.note(connection, mapper.container, len(batch.settled))
                    turnover = parking.Turnover(batch.freed, list(batch.written))
                    locked = parking.lock(connection, batch.changes(), turnover)
                parking.write(connection, batch.settled, batch.unapplied, locked(), turnover, self._backoff_seconds)
                containers.add_suspects(connection, mapper.container, batch.gaps)
                outcome = batch.outcome()
                if also is not None:
                    also(connection, outcome)
        except DocumentError as error:
            if batch.lone is None:
                raise
            raise DocumentError(blockers.explain(self._database, mapper, batch.lone, error.problem)) from None
        if self._invalidate is not None:
            self._invalidate()
        # Not in the transaction: all writers count the same few paths and would wait for each other.
        observations.count(self._database, mapper.container, batch.observed)
        return outcome

    def _write(self, connection: Connection, mapper: Mapper[Any], pieces: Sequence[Piece], batch: "_Batch") -> None:
        """Record each piece in the ledger, then write the rows of the piece before: its winners are known by then."""
        before: _Recorded | None = None
        batch.watched = triggers.find_watched(connection, mapper.tables)
        for piece, planned in plan_pieces(connection, mapper.container, pieces, self._read_since):
            writes = self._types.show(mapper.container, planned)
            batch.note_plan(piece, writes, pieces)
            recorded = _record(connection, mapper, writes, reapplies=self.reapplies)
            if before is not None:
                _write_rows(connection, mapper, before, batch)
            before = recorded
        if before is not None:
            _write_rows(connection, mapper, before, batch)


def plan_pieces(
    connection: Connection, container: str, pieces: Sequence[Piece], read_since: int | None
) -> Iterator[tuple[Piece, Sequence[Write]]]:
    """Plan each piece from its ledger entries; the server reads the rest while the first piece is mapped.

    A document that was read after the newest pruned tombstone was deleted is no late delivery.
    """
    parts = [part for part in (pieces[:1], pieces[1:]) if part]
    answers = [_ask(connection, container, part) for part in parts]
    # While a piece is mapped, PostgreSQL works on those before.
    with tracing.beside(Name.MAP, pieces=len(pieces)):
        for part, answer in zip(parts, answers, strict=True):
            held, pruned_ts = answer()
            if read_since is not None and pruned_ts is not None and pruned_ts < read_since:
                pruned_ts = None
            for piece in part:
                yield piece, fence(piece.plan(held), held, pruned_ts)


def _ask(
    connection: Connection, container: str, pieces: Sequence[Piece]
) -> Callable[[], tuple[Mapping[bytes, Held], int | None]]:
    held = ledger.read_held(connection, [key for piece in pieces for key in piece.keys])
    # After the entries: whoever prunes a tombstone moves the fence in the same transaction.
    pruned_ts = ledger.read_pruned(connection, container)
    return lambda: (held(), pruned_ts())


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The decided writes of a piece by key, their row keys, and the function that waits for the winners."""

    writes: Mapping[bytes, Write]
    row_keys: Mapping[bytes, RowKey]
    winners: ledger.Winners


def _record(connection: Connection, mapper: Mapper[Any], writes: Sequence[Write], *, reapplies: bool) -> _Recorded:
    """Send the ledger statement for a piece."""
    decided = {write.change.key: write for write in writes if not write.undecided}
    named = rows.name_rows(mapper, decided)
    winners = ledger.upsert(connection, mapper.container, decided.values(), named, reapplies=reapplies)
    return _Recorded(decided, named, winners)


def _write_rows(connection: Connection, mapper: Mapper[Any], recorded: _Recorded, batch: "_Batch") -> None:
    """Wait for a piece's winners, delete the rows that they abandon, and write their rows."""
    abandoned = dict(recorded.winners())
    batch.losers += [write.change for key, write in recorded.writes.items() if key not in abandoned]
    written = batch.note_winners([write for key, write in recorded.writes.items() if key in abandoned])
    freed = [row_keys.read(text, mapper.roots) for text in abandoned.values() if text is not None]
    # A row that another document took in an earlier piece stays.
    vacant = [key for key in freed if key.hash not in batch.written]
    batch.freed += [key.hash for key in freed]
    named = recorded.row_keys
    batch.written.update(named[each.change.key].hash for each in written if each.change.key in named)
    rows.write_rows(connection, mapper, written, abandoned=vacant, notes_keys=batch.notes_keys)
    triggers.check_written(connection, mapper, written, vacant, batch.watched())


def _judge_losers(connection: Connection, batch: "_Batch") -> None:
    """Compare again the changes that lost to a version committed after our unlocked read."""
    if not batch.losers:
        return
    held = ledger.read_held(connection, [change.key for change in batch.losers])()
    overtaken = [each for each in batch.losers if judge(each, held[each.key]) is Verdict.UNDECIDED]
    batch.unapplied += map(Write.read_again, overtaken)
    batch.stale += len(batch.losers) - len(overtaken)


@dataclass(slots=True)
class _Batch:
    """What became of the documents of one transaction.

    Rows are not kept after they are sent: freeing thousands of them at the end costs more (docs/performance.md).
    """

    notes_keys: bool
    stale: int = 0
    settled: list[Change] = field(default_factory=list)
    unmapped: int = 0
    # Writes that get a dead letter.
    unapplied: list[Write] = field(default_factory=list)
    losers: list[Change] = field(default_factory=list)
    gaps: list[Change] = field(default_factory=list)
    observed: Counter[Observation] = field(default_factory=Counter)
    # Hashes of row keys.
    freed: list[bytes] = field(default_factory=list)
    written: set[bytes] = field(default_factory=set)
    # The only write of the transaction, if there is only one: then `blockers` can explain a refusal.
    lone: Write | None = None
    # Waits for the names of the tables that have triggers.
    watched: Callable[[], set[str]] = set

    def note_plan(self, piece: Piece, writes: Sequence[Write], pieces: Sequence[Piece]) -> None:
        """Count a piece's stale changes and note its undecided writes."""
        self.stale += piece.changes - len(writes)
        self.unapplied += [write for write in writes if write.undecided]
        self.lone = writes[0] if len(writes) == len(pieces) == 1 else None

    def note_winners(self, winners: Sequence[Write]) -> list[Write]:
        """Note the writes that the ledger accepted, and return those whose rows must be written."""
        self.gaps += [write.change for write in winners if write.gap]
        self.unapplied += [write for write in winners if write.problem is not None]
        written = [write for write in winners if write.problem is None]
        self.settled += [write.change for write in written]
        self.unmapped += sum(write.state is State.UNMAPPED for write in written)
        self.observed.update(observations.collect(written))
        return written

    def changes(self) -> list[Change]:
        """Return the changes whose letters are cleared or written."""
        return [*self.settled, *(write.change for write in self.unapplied)]

    def outcome(self) -> Outcome:
        """Count the documents."""
        deleted = sum(change.body is None for change in self.settled)
        parked = [each for each in self.unapplied if not each.undecided]
        problems = tuple(each.problem for each in parked if each.problem is not None)
        return Outcome(
            applied=len(self.settled) - deleted - self.unmapped,
            deleted=deleted,
            stale=self.stale,
            undecided=len(self.unapplied) - len(problems),
            problems=problems,
            unmapped=self.unmapped,
            gaps=len(self.gaps),
            parked_keys=tuple(each.change.key for each in parked),
        )
