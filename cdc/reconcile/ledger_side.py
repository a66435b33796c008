"""Query the ledger for many documents of one container."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cdc.core.documents import Held, Identity, State, Version
from cdc.postgres.database import Connection, Database
from cdc.postgres.statements import statement
from cdc.reconcile.drift import Tally, Window

_BEGINNING = -(2**63)


class PostgresLedgerSide:
    """The `LedgerSide` of one container in PostgreSQL."""

    def __init__(self, database: Database, container: str) -> None:
        self._database = database
        self._container = container

    def tally(self, window: Window) -> Tally:
        with self._database.connection() as connection:
            return tally(connection, self._container, window)

    def cut(self, window: Window, fractions: Sequence[float]) -> list[int]:
        """Return the `_ts` at these fractions of a window's live documents, or [] if it has none."""
        if not fractions:
            return []
        parameters = self._bounds(window) | {"fractions": list(fractions)}
        with self._database.connection() as connection:
            row = connection.execute(statement("cut_ledger"), parameters).fetchone()
        return [] if row is None else [ts for ts in row[0] if ts is not None]

    def read_keys(self, window: Window) -> dict[Identity, Held]:
        with self._database.connection() as connection:
            return self._documents(connection.execute(statement("read_ledger_keys"), self._bounds(window)))

    def read_held(self, identities: Sequence[Identity]) -> dict[Identity, Held]:
        by_key = {identity.key: identity for identity in identities}
        if not by_key:
            return {}
        with self._database.connection() as connection:
            rows = connection.execute(statement("read_held"), {"keys": list(by_key)})
            return {by_key[key]: _held(*rest) for key, *rest in rows}

    def find_unmapped(self, types: Collection[str], limit: int) -> list[Identity]:
        parameters = {"container": self._container, "types": list(types), "limit": limit}
        with self._database.connection() as connection:
            rows = connection.execute(statement("find_unmapped"), parameters)
            return [Identity(self._container, *row) for row in rows]

    def sample(self, start: bytes, documents: int) -> list[Identity]:
        """Return up to this many applied documents after a key."""
        parameters = {"container": self._container, "start": start, "limit": documents}
        with self._database.connection() as connection:
            return list(self._documents(connection.execute(statement("sample_ledger"), parameters)))

    def read_noticed(self, limit: int) -> dict[Identity, datetime]:
        parameters = {"container": self._container, "limit": limit}
        with self._database.connection() as connection:
            rows = connection.execute(statement("read_noticed"), parameters)
            return {Identity(self._container, key, id_): noticed_at for key, id_, noticed_at in rows}

    def forget_noticed(self, noticed: Mapping[Identity, datetime]) -> None:
        parameters = {"keys": [identity.key for identity in noticed], "moments": list(noticed.values())}
        with self._database.connection() as connection:
            connection.execute(statement("forget_noticed"), parameters)

    def _bounds(self, window: Window) -> dict[str, object]:
        return _bounds(self._container, window)

    def _documents(self, rows: Iterable[Any]) -> dict[Identity, Held]:
        return {Identity(self._container, key, id_): _held(*rest) for key, id_, *rest in rows}


def tally(connection: Connection, container: str, window: Window) -> Tally:
    """Count a window's live documents and add up their `_ts`."""
    row = connection.execute(statement("tally_ledger"), _bounds(container, window)).fetchone()
    return Tally(*(row or (0, 0)))


def _bounds(container: str, window: Window) -> dict[str, object]:
    low = _BEGINNING if window.low is None else window.low
    return {"container": container, "low": low, "high": window.high}


def _held(ts: int, lsn: int | None, etag: str, state: str, absence: bool) -> Held:
    return Held(Version(ts, lsn, etag), State(state), absence)
