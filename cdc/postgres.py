"""PostgreSQL: the pool, the transaction, and what its errors mean."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from cdc.errors import CdcError, DocumentError, FatalError, Problem, ProblemKind, TransientError


class Connection(psycopg.Connection[TupleRow]):
    """A connection that tells whether what a session keeps, as temporary tables, outlives a transaction."""

    session_state = True


_UNREACHABLE = "PostgreSQL cannot be reached: check that the server of POSTGRES_CONNECTION runs and lets this host in"
_REFUSED = "PostgreSQL refuses the connection: check user, password and database in POSTGRES_CONNECTION"
_POOL_SIZE = 4
_POOL_TIMEOUT_SECONDS = 10.0

# SQLSTATE classes, or whole codes where one of a class stands out. What is not listed is fatal: no document is blamed.
_TRANSIENT = ("08", "40", "53", "55", "57", "58", "25006")
# 21000 is an upsert that meets one row twice: two documents claim it, or one repeats it; bisecting tells which.
_DATA = ("21000", "22", "23502", "23514", "54000")
_CONFLICT = ("23505", "23P01")
_MISSING_PARENT = ("23503",)


class Database:
    """A bounded pool of connections that opens itself on first use and outlives an outage."""

    def __init__(self, conninfo: str, *, session_state: bool = True) -> None:
        self.session_state = session_state  # none behind a pooler that lends servers by the transaction
        self._conninfo = conninfo
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            conninfo,
            connection_class=Connection,
            min_size=0,
            max_size=_POOL_SIZE,
            timeout=_POOL_TIMEOUT_SECONDS,
            open=False,
            check=ConnectionPool.check_connection,
            kwargs={"autocommit": True, "connect_timeout": 10, "tcp_user_timeout": 30_000},
            configure=_bound_waiting,
        )
        # Its warnings repeat what libpq says of the address, and every attempt is reported by who asked.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection in autocommit mode; raise errors as what is to be done about them."""
        with translated_errors():
            self._pool.open()
            with self._pool.connection() as connection:
                connection.session_state = self.session_state
                yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Lend a connection inside one READ COMMITTED transaction."""
        with self.connection() as connection, connection.transaction():
            yield connection

    def check(self) -> None:
        """Raise when the server cannot be reached, or its database or role refuses us."""
        with translated_errors(), psycopg.connect(self._conninfo, connect_timeout=5):
            pass

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


def _bound_waiting(connection: Connection) -> None:
    # A statement that waits for ever would end with the host's function timeout, and take its worker with it.
    connection.execute("set lock_timeout = '30s'")
    connection.execute("set statement_timeout = '120s'")
    # Arrays and temporary tables have no statistics: one plan for all, by the indices, is right for every batch.
    connection.execute("set plan_cache_mode = force_generic_plan")
    connection.execute("set random_page_cost = 1.1")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise what psycopg raises as what is to be done about it.

    psycopg's own error is left behind, also as the cause: its DETAIL quotes rows, and the host logs whole tracebacks.
    """
    try:
        yield
    except (PoolTimeout, PoolClosed):
        raise TransientError(f"{_UNREACHABLE}, and has connections to spare.") from None
    except UnicodeEncodeError:
        raise DocumentError(Problem(ProblemKind.DATA, "$", "text that is not valid Unicode")) from None
    except psycopg.Error as error:
        raise translate(error) from None


def translate(error: psycopg.Error) -> CdcError:
    """Say what is to be done about a psycopg error, by its SQLSTATE."""
    state = error.sqlstate
    if state is None:
        return _translate_client_error(error)
    name = type(error).__name__
    if state.startswith(_TRANSIENT):
        return TransientError(f"PostgreSQL: {name} ({state}).")
    for kind, states in (
        (ProblemKind.DATA, _DATA),
        (ProblemKind.CONFLICT, _CONFLICT),
        (ProblemKind.MISSING_PARENT, _MISSING_PARENT),
    ):
        if state.startswith(states):
            where = error.diag.constraint_name or error.diag.column_name or "$"
            return DocumentError(Problem(kind, where, f"PostgreSQL refuses it: {name} ({state})"))
    return FatalError(f"PostgreSQL refuses the statement: {_fatal_reason(error)} ({state}).")


def _translate_client_error(error: psycopg.Error) -> CdcError:
    if isinstance(error, psycopg.DataError | psycopg.ProgrammingError):  # the latter: no dumper for a value's type
        return DocumentError(Problem(ProblemKind.DATA, "$", "a value that PostgreSQL has no form for"))
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        # A refusal at the door has no SQLSTATE in libpq's answer, only the server's word for it.
        refused = "FATAL:" in str(error)
        return TransientError(f"{_REFUSED if refused else _UNREACHABLE}.", detail=str(error).partition("\n")[0])
    return FatalError(f"psycopg refuses the statement: {type(error).__name__}.")


def _fatal_reason(error: psycopg.Error) -> str:
    # Class 42 messages name tables, columns and roles; they hold no row contents.
    hints: dict[str, str] = {
        "42P01": "run python -m cdc migrate",
        "42703": "run python -m cdc check",
        "42501": "grant the role of POSTGRES_CONNECTION its rights on schema cdc and on the mapped tables",
    }
    hint = hints.get(error.sqlstate or "")
    reason: Any = error.diag.message_primary if (error.sqlstate or "").startswith(("42", "28", "3D", "3F")) else None
    return "; ".join(text for text in (reason or type(error).__name__, hint) if text)
