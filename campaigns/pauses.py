"""Pause a container for a while, see that nothing of it is written meanwhile, and resume it."""

from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from campaigns.stage import StuckError, wait_until
from local.operator import Operator

_SKIPPED = "select container from cdc.container where skipped_at is not null"

Find = Callable[[], Operator]
# Where each row stands, and which transaction wrote it.
Rows = set[tuple[str, str]]


def rest(find: Find, dsn: str, container: str, tables: Sequence[str], meanwhile: Callable[[], object]) -> list[str]:
    """Do something while a container is paused; return what was written of it meanwhile."""
    _insist(find, f"containers/{container}/pause", {"reason": "a campaign"})
    before = read_rows(dsn, container, tables)
    meanwhile()
    written = list(compare(container, before, read_rows(dsn, container, tables)))
    _insist(find, f"containers/{container}/resume", {})
    return written


def read_rows(dsn: str, container: str, tables: Sequence[str]) -> dict[str, Rows]:
    """Read where the rows of a container stand, in the ledger and in its tables."""
    ledger = SQL("select ctid::text, xmin::text from cdc.document where container = {}").format(Literal(container))
    queries = {"cdc.document": ledger} | {
        table: SQL("select ctid::text, xmin::text from {}").format(Identifier(table)) for table in tables
    }
    with psycopg.connect(dsn) as connection:
        return {name: set(connection.execute(query).fetchall()) for name, query in queries.items()}


def compare(container: str, before: dict[str, Rows], after: dict[str, Rows]) -> Iterator[str]:
    """Name the tables that changed while a container was paused."""
    for table, rows in before.items():
        if changed := len(rows ^ after[table]):
            yield f"{container} was paused, and {changed} versions of rows of {table} came or went"


def find_skipped(dsn: str) -> list[str]:
    """Name the containers whose feed is said to have gone on while they were paused."""
    with psycopg.connect(dsn) as connection:
        return [f"the feed of {name} went on during a pause" for (name,) in connection.execute(_SKIPPED)]


def _insist(find: Find, path: str, body: object) -> None:
    """Ask until it is done; a host that was killed answers nobody, and a late answer may have done it already."""

    def ask() -> bool:
        try:
            status = find().ask("POST", path, body)[0]
        except OSError:
            return False
        if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
            raise StuckError(f"POST {path} answers {status}")
        return status in (HTTPStatus.OK, HTTPStatus.CONFLICT)

    wait_until(ask, f"POST {path} is answered")
