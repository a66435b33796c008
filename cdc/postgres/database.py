"""PostgreSQL: the pool, the transaction, and what its errors mean."""

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

_UNREACHABLE = "PostgreSQL cannot be reached: check that the server of POSTGRES_CONNECTION runs and lets this host in"
_REFUSED = "PostgreSQL refuses the connection: check user, password or identity, and database in POSTGRES_CONNECTION"
_POOL_TIMEOUT_SECONDS = 10.0
# psycopg has no class of its own for it.
_NO_DUMPER = "cannot adapt type"

# A statement that waits for ever would end with the host's function timeout, and take its worker with it. Arrays have
# no statistics: one plan for all batches, by the indices, is right for each.
_SETTINGS: LiteralString = """
select set_config('lock_timeout', '30s', %(local)s), set_config('statement_timeout', '120s', %(local)s),
       set_config('plan_cache_mode', 'force_generic_plan', %(local)s), set_config('random_page_cost', '1.1', %(local)s)
"""


class Database:
    """A bounded pool of connections that opens itself on first use and outlives an outage.

    `password` is asked for every new connection. Without `session_state` nothing outlives a transaction, as behind a
    pooler that gives each transaction another session.
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
        # Its warnings repeat what libpq says of the address and what the server says of rows; every failure is reported
        # by who asked.
        logging.getLogger("psycopg").setLevel(logging.ERROR)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection in autocommit mode; raise errors as what is to be done about them.

        Without session state it is lent inside a transaction, whatever runs in it.
        """
        with self._lend(in_transaction=not self.session_state) as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Lend a connection inside one READ COMMITTED transaction."""
        with self._lend(in_transaction=True) as connection:
            yield connection

    def check(self) -> None:
        """Raise when the server cannot be reached, or its database or role refuses us."""
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
    """Send statements without waiting for the answers to those before; an answer is waited for when it is read.

    The first statement that fails is what is raised, where its answer is read or the answer to a later one.
    """
    with connection.pipeline() as pipeline:
        yield
        pipeline.sync()  # leaving alone would raise the last failure, which is only that there was a first one


def request_answers(connection: Connection) -> None:
    """Have the server send what it answers so far, and not only when it is waited for."""
    connection.pgconn.send_flush_request()
    connection.pgconn.flush()  # the request itself would stay here until the next statement


@contextmanager
def _closed_when_read_only(connection: Connection) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.ReadOnlySqlTransaction:
        connection.close()  # after a failover it leads to the replica for as long as it lives
        raise


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise what psycopg raises as what is to be done about it.

    psycopg's own error is left behind, also as the cause: its DETAIL quotes rows, and the host logs whole tracebacks.
    """
    try:
        yield
    except (PoolTimeout, PoolClosed):
        raise TransientError(f"{_UNREACHABLE}, and has connections to spare; python -m cdc check says more.") from None
    except UnicodeEncodeError:
        raise DocumentError(Problem(ProblemKind.DATA, "$", "text that is not valid Unicode")) from None
    except psycopg.Error as error:
        raise translate(error) from None


def translate(error: psycopg.Error) -> CdcError:
    """Say what is to be done about a psycopg error."""
    return _translate_client_error(error) if error.sqlstate is None else sqlstates.translate(error, error.sqlstate)


def _translate_client_error(error: psycopg.Error) -> CdcError:
    # No dumper for a value's type is a ProgrammingError, too, as are statements that are wrong for every document.
    if isinstance(error, psycopg.DataError) or str(error).startswith(_NO_DUMPER):
        return DocumentError(Problem(ProblemKind.DATA, "$", "a value that PostgreSQL has no form for"))
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        # A refusal at the door has no SQLSTATE in libpq's answer, only the server's word for it.
        refused = "FATAL:" in str(error)
        return TransientError(f"{_REFUSED if refused else _UNREACHABLE}.", detail=str(error).partition("\n")[0])
    return FatalError(f"psycopg refuses the statement: {type(error).__name__}.")
