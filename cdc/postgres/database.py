"""PostgreSQL: connections, transactions, and translated errors."""

import copy
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext

import psycopg

from cdc.core import deadline
from cdc.core.errors import CdcError, DocumentError, FatalError, Problem, ProblemKind, TransientError
from cdc.postgres import session as sessions
from cdc.postgres import sqlstates
from cdc.postgres.pool import Borrower, Pool, RefusedError, Use
from cdc.postgres.session import Connection as Connection
from cdc.postgres.session import Session
from cdc.telemetry import tracing
from cdc.telemetry.tracing import Name

_UNREACHABLE = "PostgreSQL cannot be reached: check that the server of POSTGRES_CONNECTION runs and accepts this host"
_REFUSED = "PostgreSQL refuses the connection: check user, password or identity, and database in POSTGRES_CONNECTION"
_STARTING = "PostgreSQL is starting or stopping: wait until it accepts connections"
_FULL = (
    "PostgreSQL has no free connection slot: end connections that nobody needs, raise the limit that is reached "
    "(max_connections of the server, or the limit of the role, the database or the pooler), or lower POSTGRES_POOL_SIZE"
)
# For a refused connection, libpq gives no SQLSTATE, only the text of the server or pooler.
_FULL_WORDS = ("too many", "connection slots", "no more connections", "query_wait_timeout")
_STARTING_WORDS = ("starting up", "shutting down", "recovery mode", "not yet accepting", "cannot connect to server")
_POOL_TIMEOUT_SECONDS = 10.0
_CHECK_SECONDS = 5.0
# psycopg has no exception class for this error.
_NO_DUMPER = "cannot adapt type"


class Database:
    """A bounded pool of connections, opened on first use, or one share of it.

    `password` is called for every new connection. Without `session_state` nothing may outlive a transaction, because a
    pooler gives each transaction another session.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        password: Callable[[], str] | None = None,
        pool_size: int = 8,
        session_state: bool = True,
    ) -> None:
        self.session_state = session_state
        self._conninfo = conninfo
        self._password = password
        self._pool = Pool(self._open, pool_size)
        self.use: Use | None = None
        self.seconds = math.inf
        # psycopg's warnings quote addresses and row values. The caller reports every failure.
        logging.getLogger("psycopg").setLevel(logging.ERROR)

    def share(self, use: Use, *, seconds: float = math.inf) -> "Database":
        """Return this database with the connections of one use.

        With `seconds`, whatever is done with a lent connection, and the wait for it, ends within that time.
        """
        view = copy.copy(self)
        view.use, view.seconds = use, seconds
        return view

    @contextmanager
    def connection(self, container: str | None = None) -> Iterator[Connection]:
        """Lend a connection in autocommit mode; raise translated errors.

        Name the container whose tables are touched. Without session state, with a limit of seconds, and in a request,
        the connection is inside a transaction.
        """
        with self._lend(container, writes=False) as connection:
            yield connection

    @contextmanager
    def transaction(self, container: str | None = None, *, snapshot: bool = False) -> Iterator[Connection]:
        """Lend a connection inside one transaction: READ COMMITTED, or with one snapshot for all its statements."""
        with self._lend(container, writes=True, snapshot=snapshot) as connection:
            yield connection

    @contextmanager
    def unlimited(self) -> Iterator[Connection]:
        """Lend a session of its own in autocommit mode whose waits may last, for what no transaction may hold.

        Without session state the limits are those of the pooler's sessions.
        """
        with translated_errors(), self._open(_POOL_TIMEOUT_SECONDS) as session:
            if self.session_state:
                sessions.unlimit(session)
            yield session

    def check(self) -> None:
        """Raise if the server cannot be reached, refuses the database or role, or accepts no writes."""
        seconds = deadline.shorten(_CHECK_SECONDS, 0.5)  # a request asks the other store, too
        with translated_errors(), self._open(seconds) as session, session.transaction():
            session.deadline = time.monotonic() + seconds
            sessions.prepare(session, local=True)
            problem = sessions.find_read_only(session)
        if problem is not None:
            raise FatalError(problem)

    def close(self) -> None:
        """Close the pool."""
        self._pool.close()

    @contextmanager
    def _lend(self, container: str | None, *, writes: bool, snapshot: bool = False) -> Iterator[Connection]:
        now = time.monotonic()
        end = now + deadline.shorten(self.seconds)
        in_transaction = writes or not self.session_state or end < math.inf
        with (
            translated_errors(),
            self._pool.lend(Borrower(self.use, container), min(end, now + _POOL_TIMEOUT_SECONDS)) as session,
            _closed_when_read_only(session),
            _until(session, end),
            _isolated(session, snapshot=snapshot),
            _transaction(session, noted=writes, traced=writes and container is not None)
            if in_transaction
            else nullcontext(),
        ):
            if not self.session_state:
                sessions.prepare(session, local=True)
            if end < math.inf:  # the server gives up first, so that it can say why
                sessions.limit(session, 0.9 * (end - time.monotonic()))
            yield session

    def _open(self, seconds: float) -> Session:
        password = None if self._password is None else self._password()
        with translated_errors():
            return sessions.open_session(self._conninfo, password, seconds, keeps_state=self.session_state)


@contextmanager
def _transaction(session: Session, *, noted: bool, traced: bool) -> Iterator[None]:
    """Run a transaction; note its commit for the answer to the request that it belongs to, and in the trace."""
    request = deadline.current() if noted else None
    with ExitStack() as after_commit, session.transaction():
        yield
        if request is not None:
            request.begin_commit()
        if traced:
            after_commit.enter_context(tracing.step(Name.COMMIT))
    if request is not None:
        request.end_commit()


@contextmanager
def _until(session: Session, end: float) -> Iterator[None]:
    session.deadline = end
    try:
        yield
    finally:
        session.deadline = math.inf


@contextmanager
def _isolated(session: Session, *, snapshot: bool) -> Iterator[None]:
    if not snapshot:
        yield
        return
    session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    try:
        yield
    finally:
        if session.is_idle:  # otherwise it does not return to the pool
            session.isolation_level = psycopg.IsolationLevel.READ_COMMITTED


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Send statements without waiting for earlier answers; reading an answer waits for it.

    The error of the first failed statement is raised when its answer or a later answer is read.
    """
    with connection.pipeline() as pipeline:
        yield
        pipeline.sync()  # otherwise leaving raises the last failure, which only says that an earlier one failed


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
        return _translate_refusal(str(error))
    return FatalError(f"psycopg refuses the statement: {type(error).__name__}.")


def _translate_refusal(text: str) -> TransientError:
    detail = text.partition("\n")[0]
    for words, sentence in ((_FULL_WORDS, _FULL), (_STARTING_WORDS, _STARTING)):
        if any(word in text for word in words):
            return TransientError(f"{sentence}.", detail)
    return RefusedError(f"{_REFUSED}.", detail) if "FATAL:" in text else TransientError(f"{_UNREACHABLE}.", detail)
