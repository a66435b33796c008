"""PostgreSQL: connection pool, transactions, and translated errors."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from cdc.core.errors import CdcError, DocumentError, FatalError, Problem, ProblemKind, TransientError
from cdc.postgres import sqlstates

Connection = psycopg.Connection[TupleRow]

_UNREACHABLE = "PostgreSQL cannot be reached: check that the server of POSTGRES_CONNECTION runs and accepts this host"
_REFUSED = "PostgreSQL refuses the connection: check user, password or identity, and database in POSTGRES_CONNECTION"
_POOL_TIMEOUT_SECONDS = 10.0
# psycopg has no exception class for this error.
_NO_DUMPER = "cannot adapt type"

# Without timeouts, a waiting statement would last until the host's function timeout, which ends the worker. Arrays
# have no statistics: one generic plan that uses the indexes is right for every batch.
_SETTINGS: LiteralString = """
select set_config('lock_timeout', '30s', %(local)s), set_config('statement_timeout', '120s', %(local)s),
       set_config('plan_cache_mode', 'force_generic_plan', %(local)s), set_config('random_page_cost', '1.1', %(local)s)
"""


class Database:
    """A bounded connection pool that opens on first use and survives an outage.

    `password` is called for every new connection. Without `session_state` nothing may outlive a transaction, because a
    pooler gives each transaction another session.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        password: Callable[[], str] | None = None,
        pool_size: int = 4,
        session_state: bool = True,
    ) -> None:
        self.session_state = session_state
        self._conninfo = conninfo
        self._password = password
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            conninfo,
            connection_class=psycopg.Connection[TupleRow],
            min_size=0,
            max_size=pool_size,
            timeout=_POOL_TIMEOUT_SECONDS,
            open=False,
            check=ConnectionPool.check_connection,
            kwargs=self._options,
            configure=self._configure,
        )
        # psycopg's warnings quote addresses and row values. The caller reports every failure.
        logging.getLogger("psycopg").setLevel(logging.ERROR)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection in autocommit mode; raise translated errors.

        Without session state it is always inside a transaction.
        """
        with self._lend(in_transaction=not self.session_state) as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Lend a connection inside one READ COMMITTED transaction."""
        with self._lend(in_transaction=True) as connection:
            yield connection

    def check(self) -> None:
        """Raise if the server cannot be reached or refuses the database or role."""
        with translated_errors(), psycopg.connect(self._conninfo, **self._options() | {"connect_timeout": 5}):
            pass

    def close(self) -> None:
        """Close the pool."""
        self._pool.close()

    @contextmanager
    def _lend(self, *, in_transaction: bool) -> Iterator[Connection]:
        with translated_errors():
            self._pool.open()
            with (
                self._pool.connection() as connection,
                _closed_when_read_only(connection),
                connection.transaction() if in_transaction else nullcontext(),
            ):
                if not self.session_state:
                    connection.execute(_SETTINGS, {"local": True})
                yield connection

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"autocommit": True, "connect_timeout": 10, "tcp_user_timeout": 30_000}
        if not self.session_state:
            options["prepare_threshold"] = None
        if self._password is not None:
            options["password"] = self._password()
        return options

    def _configure(self, connection: Connection) -> None:
        if self.session_state:
            connection.execute(_SETTINGS, {"local": False})


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Send statements without waiting for earlier answers; reading an answer waits for it.

    The error of the first failed statement is raised when its answer or a later answer is read.
    """
    with connection.pipeline() as pipeline:
        yield
        pipeline.sync()  # otherwise leaving raises the last failure, which only says that an earlier one failed


def request_answers(connection: Connection) -> None:
    """Make the server send its answers now instead of when the client waits for them."""
    connection.pgconn.send_flush_request()
    connection.pgconn.flush()  # otherwise the request is sent only with the next statement


@contextmanager
def _closed_when_read_only(connection: Connection) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.ReadOnlySqlTransaction:
        connection.close()  # after a failover this connection stays on the replica
        raise


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate psycopg's errors into the engine's errors.

    psycopg's own error is dropped, also as the cause: its DETAIL quotes rows, and the host logs whole tracebacks.
    """
    try:
        yield
    except (PoolTimeout, PoolClosed):
        raise TransientError(f"{_UNREACHABLE} and has free connections; run python -m cdc check for details.") from None
    except UnicodeEncodeError:
        raise DocumentError(Problem(ProblemKind.DATA, "$", "text that is not valid Unicode")) from None
    except psycopg.Error as error:
        raise translate(error) from None


def translate(error: psycopg.Error) -> CdcError:
    """Translate a psycopg error into an engine error."""
    return _translate_client_error(error) if error.sqlstate is None else sqlstates.translate(error, error.sqlstate)


def _translate_client_error(error: psycopg.Error) -> CdcError:
    # A missing dumper for a type is also a ProgrammingError, like a statement that is wrong for every document.
    if isinstance(error, psycopg.DataError) or str(error).startswith(_NO_DUMPER):
        return DocumentError(Problem(ProblemKind.DATA, "$", "a value that PostgreSQL cannot store"))
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        # For a refused connection, libpq gives no SQLSTATE, only the server's text.
        refused = "FATAL:" in str(error)
        return TransientError(f"{_REFUSED if refused else _UNREACHABLE}.", detail=str(error).partition("\n")[0])
    return FatalError(f"psycopg refuses the statement: {type(error).__name__}.")
