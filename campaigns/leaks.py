"""Look for what is personal where nothing personal may be: our own tables, the log, the answers over HTTP."""

import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from http.client import HTTPException

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier
from psycopg.types.string import TextLoader

from campaigns.stage import KEY, Stage

# They hold identities by purpose, and an identity may be an e-mail.
IDENTITY_COLUMNS = {"partition_key", "id", "row_key", "abandoned_row_key", "wanted_key"}
_PATHS = ("status", "health/ready", "health/live")
_PAUSE_SECONDS = 0.5


class Asker(threading.Thread):
    """Ask the hosts for all that they answer, again and again, and keep the answers."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(daemon=True)
        self.answers: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self._stage = stage
        self._ended = threading.Event()

    def run(self) -> None:
        """Ask until told to stop."""
        while not self._ended.wait(_PAUSE_SECONDS):
            for host in list(self._stage.hosts):
                for path in _PATHS:
                    self._ask(f"{host.url}api/{path}")

    def stop(self) -> None:
        """Ask no more."""
        self._ended.set()
        self.join()

    def _ask(self, url: str) -> None:
        request = urllib.request.Request(url, headers={"x-functions-key": KEY})  # noqa: S310 - our own address
        try:
            with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310 - our own address
                self._keep(response.status, response.read())
        except urllib.error.HTTPError as error:
            with error:
                self._keep(error.code, error.read())
        except (OSError, HTTPException):  # the host is being killed, or starts
            self.statuses[0] += 1

    def _keep(self, status: int, body: bytes) -> None:
        self.statuses[status] += 1
        self.answers[body.decode(errors="replace")] += 1


def find_in_tables(dsn: str, marks: tuple[str, ...]) -> Iterator[str]:
    """Name the columns of our own tables that hold a mark."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.adapters.register_loader("timestamptz", TextLoader)  # Python has no -infinity
        tables = connection.execute("select tablename from pg_tables where schemaname = 'cdc'").fetchall()
        for table in (row["tablename"] for row in tables):
            found: Counter[str] = Counter()
            for row in connection.execute(SQL("select * from {}").format(Identifier("cdc", table))):
                found.update(
                    name
                    for name, value in row.items()
                    if name not in IDENTITY_COLUMNS and any(mark in str(value) for mark in marks)
                )
            yield from (f"cdc.{table}.{name} holds something personal in {count} rows" for name, count in found.items())


def find_in_texts(what: str, texts: Iterable[str], marks: tuple[str, ...]) -> Iterator[str]:
    """Say how many of these texts hold a mark; never quote one."""
    count = sum(any(mark in text for mark in marks) for text in texts)
    if count:
        yield f"something personal stands in {count} {what}"
