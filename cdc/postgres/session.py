"""One session of PostgreSQL: what it sets, what it refuses, and how long it waits."""

import math
import time
from collections.abc import Generator, Mapping
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from cdc.core.errors import FatalError, TransientError
from cdc.postgres.statements import statement

Connection = psycopg.Connection[TupleRow]

# Without limits, a waiting statement would last until the host's function timeout, which ends the worker. A host that
# is stopped inside a transaction must not keep its locks.
_LOCK_SECONDS, _STATEMENT_SECONDS, _IDLE_SECONDS = 30.0, 120.0, 20.0
# A frozen server ends no statement.
_SILENT_SECONDS = _STATEMENT_SECONDS + 30
_A_DAY = 86_400

# A database, a role, the environment or the connection string may have other values. Bytes and texts would change on
# their way to the server or back, and policies would hide rows instead of raising an error.
_FORMS = {
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "bytea_output": "hex",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
    "transform_null_equals": "off",
    "xmloption": "content",
    "default_transaction_isolation": "read committed",
    "row_security": "off",
    # Otherwise the context of every error, and the server's log, would quote the rows.
    "log_parameter_max_length_on_error": "0",
}
# Arrays have no statistics: one generic plan that uses the indexes is right for every batch.
_PLANS = {"plan_cache_mode": "force_generic_plan", "random_page_cost": "1.1"}


class Session(Connection):
    """A connection whose every wait ends, at the latest at `deadline`, a time of `time.monotonic`."""

    deadline = math.inf
    opened_at = math.inf

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """Wait for the server; close the connection if it is silent for too long."""
        deadline = self.deadline if self.deadline < math.inf else time.monotonic() + _SILENT_SECONDS
        try:
            return super().wait(_end_at(deadline, gen), *arguments, **options)
        except _SilentError:
            self.close()  # a late answer would be taken for that of the next statement
            raise TransientError("PostgreSQL does not answer in time.") from None

    def execute(self, *arguments: Any, **options: Any) -> psycopg.Cursor[TupleRow]:
        """Execute a statement; inside a pipeline it is only sent, and the server answers as soon as it can.

        Only after a Sync the server knows that the session is idle, and ends it if its host is stopped.
        """
        cursor = super().execute(*arguments, **options)
        if self._pipeline is not None:
            self.pgconn.pipeline_sync()
            self._pipeline.result_queue.append(None)
        return cursor

    @property
    def is_idle(self) -> bool:
        """Whether the connection is open and in no transaction."""
        return not self.closed and self.pgconn.transaction_status == TransactionStatus.IDLE

    def answers(self, seconds: float) -> bool:
        """Return whether the server answers within so many seconds."""
        self.deadline = time.monotonic() + seconds
        try:
            self.execute("")
        except (psycopg.Error, TransientError):
            return False
        finally:
            self.deadline = math.inf
        return True


class _SilentError(Exception):
    """The server has not answered in time."""


def _end_at(deadline: float, gen: Any) -> Generator[Any, Any, Any]:
    """Run psycopg's generator, which is resumed at least every 0.1 seconds, until the deadline."""
    if time.monotonic() >= deadline:
        raise _SilentError
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() >= deadline:
                raise _SilentError
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value


def open_session(conninfo: str, password: str | None, seconds: float, *, keeps_state: bool) -> Session:
    """Open a session within about so many seconds.

    If it keeps no state between transactions, each transaction must begin with `prepare`.
    """
    options: dict[str, Any] = {
        # Some poolers give a session to another client with the encoding that it had at first.
        "client_encoding": "UTF8",
        "connect_timeout": max(2, math.ceil(seconds)),
        # Firewalls and load balancers forget silent connections after a few minutes.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    if password is not None:
        options["password"] = password
    session = Session.connect(conninfo, autocommit=True, prepare_threshold=5 if keeps_state else None, **options)
    session.opened_at = time.monotonic()
    session.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    if keeps_state:
        session.deadline = session.opened_at + options["connect_timeout"]
        try:
            prepare(session, local=False)
        except BaseException:
            session.close()
            raise
        session.deadline = math.inf
    return session


def prepare(session: Connection, *, local: bool) -> None:
    """Set what texts, bytes and waits depend on; raise FatalError if the session cannot be made right."""
    _set(session, _limits(math.inf) | _FORMS | _PLANS, local=local)


def unlimit(session: Session) -> None:
    """Let every wait of this session last."""
    session.deadline = time.monotonic() + _A_DAY
    _set(session, dict.fromkeys(_limits(math.inf), "0"), local=False)


def limit(session: Connection, seconds: float) -> None:
    """Limit the waits of the current transaction."""
    _set(session, _limits(seconds), local=True)


def _limits(seconds: float) -> dict[str, str]:
    statement_seconds = _STATEMENT_SECONDS if seconds == math.inf else seconds
    limits = {
        "lock_timeout": min(_LOCK_SECONDS, seconds),
        "statement_timeout": statement_seconds,
        "idle_in_transaction_session_timeout": _IDLE_SECONDS,
    }
    return {name: f"{max(1, math.floor(each * 1000))}ms" for name, each in limits.items()}


def _set(session: Connection, settings: Mapping[str, str], *, local: bool) -> None:
    parameters = {"names": list(settings), "values": list(settings.values()), "local": local}
    row = session.execute(statement("set_session"), parameters).fetchone()
    problem = None if row is None else _find_problem(*row[:3])
    if problem is not None:
        raise FatalError(problem)


def _find_problem(encoding: str, replication_role: str, first_schema: str) -> str | None:
    if encoding != "UTF8":
        return (
            f"The database of POSTGRES_CONNECTION has the encoding {encoding}, which cannot hold every text: "
            "use a database that was created with encoding 'UTF8'."
        )
    if replication_role != "origin":
        return (
            f"session_replication_role is {replication_role}, so triggers and constraints of the tables do not run: "
            "reset it for the role, the database and the connection string of POSTGRES_CONNECTION."
        )
    if first_schema != "pg_catalog":
        return (
            "search_path has a schema before pg_catalog, which can replace PostgreSQL's own functions: remove "
            "pg_catalog from the search_path of the role, the database or the connection string."
        )
    return None


def find_read_only(session: Connection) -> str | None:
    """Return why this session cannot write, or None."""
    row = session.execute(statement("read_writability")).fetchone()
    in_recovery, read_only = row or (False, False)
    if in_recovery:
        return "The server of POSTGRES_CONNECTION is a replica and accepts no writes: name the primary server."
    if read_only:
        return (
            "default_transaction_read_only is on, so PostgreSQL accepts no writes: free storage if the server is "
            "nearly full, or reset it for the role and the database of POSTGRES_CONNECTION."
        )
    return None
