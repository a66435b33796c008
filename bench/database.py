"""A PostgreSQL server whose commits are durable, fresh databases in it, and what work in one costs."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import Table

from cdc.config.settings import Phase
from cdc.operations.migrations import migrate, read_migrations
from cdc.postgres.database import Database
from cdc.postgres.gate import record_first
from local import roles
from local.postgres import Postgres
from mappers import APPLICATION_SQL

# Data in memory (/dev/shm, where it is roomy), fsync and synchronous_commit on. Full-page images and autovacuum would
# strike one method of a round and spare the next.
SETTINGS = {"full_page_writes": "off", "autovacuum": "off", "shared_buffers": "1GB", "max_wal_size": "8GB"}


@dataclass(frozen=True, slots=True)
class Cost:
    """What work on so many documents took: seconds on the wall, of this process, of the backends; bytes of WAL."""

    documents: int
    wall: float
    client: float
    backend: float
    wal: int


class Server:
    """One server; every measurement has a database of its own in it, copied from one that is migrated."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._migrated = self._create("template1")
        provision(postgres.dsn(self._migrated))

    def make_template(self, fill: Callable[[str], None]) -> str:
        """Fill a migrated database, to be copied by its name."""
        name = self._create(self._migrated)
        fill(self._address(name))
        with psycopg.connect(self._postgres.dsn(name), autocommit=True) as connection:
            connection.execute("vacuum (freeze, analyze)")
        return name

    @contextmanager
    def fresh(self, template: str | None = None) -> Iterator["Meter"]:
        """Lend a fresh copy of a database and drop it afterwards."""
        name = self._create(template or self._migrated)
        with psycopg.connect(self._postgres.dsn(name), autocommit=True) as eyes:
            yield Meter(self._address(name), eyes)
        with self._admin() as connection:
            connection.execute(f"drop database {name} with (force)")

    def _address(self, name: str) -> str:
        """Return the address of a copy for the app's login; copies have the rights of what they are copied from."""
        return self._postgres.dsn(name).replace("postgres@", f"{self._migrated}_writer@", 1)

    def _create(self, template: str) -> str:
        name = f"bench_{uuid.uuid4().hex}"
        with self._admin() as connection:
            connection.execute(f"create database {name} template {template} strategy file_copy")
        return name

    def _admin(self) -> psycopg.Connection:
        return psycopg.connect(self._postgres.dsn(), autocommit=True)


class Meter:
    """Measure what is done in one database."""

    def __init__(self, dsn: str, eyes: psycopg.Connection) -> None:
        self.dsn = dsn
        self.eyes = eyes

    @contextmanager
    def measure(self, documents: int) -> Iterator[list[Cost]]:
        """Measure a block; the list holds its cost afterwards."""
        costs: list[Cost] = []
        pids = self._backends()
        wal, backend = self._wal(), _backend_seconds(pids)
        client, wall = time.process_time(), time.perf_counter()
        yield costs
        wall, client = time.perf_counter() - wall, time.process_time() - client
        costs.append(Cost(documents, wall, client, _backend_seconds(pids) - backend, self._wal() - wal))

    def read(self, query: str) -> Any:
        """Return the one value of a query."""
        row = self.eyes.execute(query).fetchone()
        return row and row[0]

    def copy_out(self, table: Table) -> bytes:
        """Return a table's rows as COPY text, in no order that its indices have."""
        copy = SQL("copy (select * from {} order by random()) to stdout").format(_name(table))
        with self.eyes.cursor().copy(copy) as lines:
            return b"".join(lines)

    def copy_in(self, texts: Sequence[tuple[Table, bytes]]) -> None:
        """Load prebuilt COPY text into tables, in one transaction."""
        with self.eyes.transaction():
            for table, text in texts:
                with self.eyes.cursor().copy(SQL("copy {} from stdin").format(_name(table))) as copy:
                    copy.write(text)

    def _backends(self) -> list[int]:
        pids = self.eyes.execute("select pid from pg_stat_activity where datname = current_database()")
        return [pid for (pid,) in pids]

    def _wal(self) -> int:
        return int(self.read("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))


def _name(table: Table) -> Identifier:
    return Identifier(table.schema or "public", table.name)


def _backend_seconds(pids: Sequence[int]) -> float:
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) for pid in pids) / 1e9


def provision(administrator: str) -> roles.Logins:
    """Give a database its roles and migrate it as its owner."""
    logins = roles.create(administrator)
    database = Database(logins.owner)
    migrate(database, read_migrations(APPLICATION_SQL))
    record_first(database, Phase.DUAL_WRITE_COSMOS_READ)
    database.close()
    roles.grant(logins)
    return logins


@contextmanager
def serve() -> Iterator[Server]:
    """Run the server for as long as the block lasts."""
    with Postgres(durable=True, options=SETTINGS) as postgres:
        yield Server(postgres)
