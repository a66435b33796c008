"""Repairs in PostgreSQL: write only if the ledger is still as noted."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from cdc.core import row_keys
from cdc.core.documents import Change, Held, Identity, State, Version
from cdc.core.errors import DocumentError, ProblemKind
from cdc.core.mapping import Mapper
from cdc.core.row_keys import RowKey
from cdc.core.writes import Write
from cdc.postgres import gate, ledger, observations, rows, shares, triggers
from cdc.postgres.database import Connection, Database
from cdc.postgres.statements import statement
from cdc.postgres.unmapped_types import TypeNames
from cdc.repair import blockers, parking
from cdc.repair.letters import Mark
from cdc.repair.reread import Note, Repair
from cdc.telemetry import tracing
from cdc.telemetry.tracing import Name


class PostgresRereadStore:
    """The `RereadStore` in PostgreSQL."""

    def __init__(
        self,
        database: Database,
        *,
        backoff_seconds: float,
        settle_seconds: float,
        claim_seconds: float = 120,
        invalidate: Callable[[], None] | None = None,
    ) -> None:
        """Take the database; with `invalidate`, cache keys go into the outbox, and it is called after every repair."""
        self._database = database
        self._types = TypeNames(database)
        self._backoff_seconds = backoff_seconds
        self._claim_seconds = claim_seconds
        self._settle_seconds = settle_seconds
        self._invalidate = invalidate

    def note(self, identities: Sequence[Identity]) -> dict[Identity, Note]:
        """Return the notes of documents; call it before the source is asked."""
        by_key = {identity.key: identity for identity in identities}
        parameters = {"keys": list(by_key), "settle_seconds": self._settle_seconds}
        with self._database.connection() as connection:
            return {
                by_key[key]: _note(*rest) for key, *rest in connection.execute(statement("note_documents"), parameters)
            }

    def repair(self, mapper: Mapper[Any], repairs: Sequence[Repair]) -> bool:
        """Write all in one transaction; write nothing and return False if the ledger has changed."""
        repairs = [replace(repair, write=self._show_type(mapper, repair.write)) for repair in repairs]
        try:
            self._apply(mapper, repairs)
        except _OvertakenError:
            return False
        except DocumentError as error:
            write = repairs[0].write
            if write is None or len(repairs) > 1:
                raise
            raise DocumentError(blockers.explain(self._database, mapper, write, error.problem)) from None
        if self._invalidate is not None:
            self._invalidate()
        found = observations.collect(repair.write for repair in repairs if repair.write is not None)
        observations.count(self._database, mapper.container, found)
        return True

    def _apply(self, mapper: Mapper[Any], repairs: Sequence[Repair]) -> None:
        try:
            self._apply_in(mapper, repairs)
        except DocumentError as error:
            if error.problem.kind is not ProblemKind.MISSING_PARENT or all(len(it.tables) < 3 for it in mapper.parts):
                raise
            # An item that goes may be one to which another of its document refers until that is written.
            with suppress(DocumentError):
                return self._apply_in(mapper, repairs, writes_first=True)
            raise

    def _apply_in(self, mapper: Mapper[Any], repairs: Sequence[Repair], *, writes_first: bool = False) -> None:
        with (
            tracing.step(Name.APPLY, container=mapper.container, system="postgresql"),
            self._database.transaction(mapper.container) as connection,
        ):
            gate.enter(connection, mapper.container)
            self._repair(connection, mapper, repairs, writes_first=writes_first)

    def doubt(self, change: Change) -> None:
        """Schedule another read after the settle time, because the answer must be confirmed."""
        message = "the source says that the document is gone or older: it is read again after the settle time"
        with self._database.transaction() as connection:
            gate.enter(connection, change.identity.container)
            parking.doubt(connection, change, message, self._settle_seconds)

    def find_holder(self, mapper: Mapper[Any], row: RowKey) -> Identity | None:
        """Return the document that holds a root row of this container, or None."""
        with self._database.connection() as connection:
            found = ledger.find_holders(connection, mapper.container, [row])
        return next(
            (
                identity
                for identity, table in found
                if table in (None, row.table) and identity.container == mapper.container
            ),
            None,
        )

    def claim(self, containers: Sequence[str], limit: int) -> list[Identity]:
        """Claim due letters, in a short separate transaction."""
        with self._database.transaction() as connection:
            gate.enter(connection)  # otherwise the documents would be read in vain
            return parking.claim(connection, containers, limit, self._claim_seconds)

    def postpone(self, identity: Identity) -> None:
        """Return a claimed letter because its document could not be read."""
        with self._database.transaction() as connection:
            parking.postpone(connection, identity.key, self._backoff_seconds)

    def release(self, identity: Identity) -> None:
        """Return a claimed letter because another writer has changed its document."""
        with self._database.transaction() as connection:
            parking.release(connection, identity.key)

    def _show_type(self, mapper: Mapper[Any], write: Write | None) -> Write | None:
        return None if write is None else self._types.keep_and_show(mapper.container, [write])[0]

    def _repair(
        self, connection: Connection, mapper: Mapper[Any], repairs: Sequence[Repair], *, writes_first: bool
    ) -> None:
        freed = _write_ledger(connection, mapper, repairs)
        written = [repair.write for repair in repairs if repair.write is not None and repair.write.problem is None]
        notes_keys = self._invalidate is not None
        rows.write_rows(connection, mapper, [], abandoned=freed, notes_keys=notes_keys)
        if len(written) > 1 and not writes_first:
            _delete_items(connection, mapper, written)
        for write in written:  # one by one: an earlier document may free a unique value for a later one
            rows.write_rows(connection, mapper, [write], notes_keys=notes_keys, writes_first=writes_first)
        watched = triggers.find_watched(connection, mapper.tables)()
        triggers.check_written(connection, mapper, written, freed, watched)
        keys = rows.name_rows(mapper, {write.change.key: write for write in written}).values()
        turnover = parking.Turnover([key.hash for key in freed], [key.hash for key in keys])
        letters = parking.lock(connection, [repair.change for repair in repairs], turnover)()
        for repair in repairs:
            self._write_letter(connection, repair, repair.note.letter if repair.change.key in letters else None)
        parking.wake(connection, turnover)

    def _write_letter(self, connection: Connection, repair: Repair, mark: Mark | None) -> None:
        if repair.write is not None and repair.write.problem is not None:
            if mark is None:
                parking.park(connection, [repair.write], self._backoff_seconds)
            else:
                parking.park_again(connection, repair.write, mark, self._backoff_seconds)
        elif mark is not None:
            parking.answer(connection, [mark])


def _delete_items(connection: Connection, mapper: Mapper[Any], writes: Sequence[Write]) -> None:
    """Delete the items that these documents give up: two may exchange items that have keys of their own."""
    for share in reversed(shares.share(mapper, writes, ())):
        children = [(table, share.rows_of(table)) for table in share.children]
        rows.delete_others(connection, share.root, share.roots, children)


class _OvertakenError(Exception):
    """The ledger has changed since it was noted."""


def _write_ledger(connection: Connection, mapper: Mapper[Any], repairs: Sequence[Repair]) -> list[RowKey]:
    held = ledger.lock(connection, [repair.change.key for repair in repairs])
    if any(held.get(repair.change.key) != repair.note.held for repair in repairs):
        raise _OvertakenError
    pruned_ts = ledger.read_pruned(connection, mapper.container)()
    if pruned_ts is not None and pruned_ts >= min(repair.note.noted_at for repair in repairs):
        raise _OvertakenError  # since then the ledger may have got a tombstone and lost it again
    writes = {repair.change.key: repair.write for repair in repairs if repair.write is not None}
    keys = rows.name_rows(mapper, writes)
    known = [write for key, write in writes.items() if key in held]
    new = [write for key, write in writes.items() if key not in held]
    abandoned = dict(ledger.replace(connection, mapper.container, known, keys)())
    abandoned.update(ledger.upsert(connection, mapper.container, new, keys)())
    if abandoned.keys() != writes.keys():
        raise _OvertakenError  # another writer has added a document that had no entry
    return [row_keys.read(text, mapper.roots) for text in abandoned.values() if text is not None]


def _note(
    noted_at: int, ts: int | None, lsn: int | None, etag: str, state: str, absence: bool,
    number: int | None, revision: int, due: bool, settled: bool, doubted_etag: str | None,
) -> Note:  # fmt: skip
    held = None if ts is None else Held(Version(ts, lsn, etag), State(state), absence)
    letter = None if number is None or not due else Mark(number, revision)
    return Note(held, noted_at, letter, waits=number is not None, settled=settled, doubted_etag=doubted_etag)
