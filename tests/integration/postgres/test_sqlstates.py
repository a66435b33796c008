"""What PostgreSQL itself raises leads to what is promised: parked, tried again, or said to a person."""

import traceback

import psycopg
import pytest

from cdc.core.errors import DocumentError, FatalError, ProblemKind, TransientError
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from tests.builders import a_change, an_account

MARKER = "thandi@example.com"


@pytest.fixture
def guard(connection):
    """Let a trigger of the application refuse the account `bad`, with an SQLSTATE, and quote what it refuses."""

    def create(state):
        connection.execute(
            "create function refuse() returns trigger language plpgsql as $$ begin"
            f" raise exception 'refused: %', new.email using errcode = '{state}', detail = new.email; end $$;"
            "create trigger guard before insert on accounts"
            " for each row when (new.id = 'bad') execute function refuse()"
        )

    return create


@pytest.mark.parametrize("state", ["P0001", "23000", "23514", "22023", "44000"])
def test_a_trigger_that_refuses_a_row_parks_its_document(sink, observer, guard, state):
    """The neighbours go on, and nothing of what the trigger says is kept."""
    guard(state)
    changes = [a_change(id_, body=an_account(id_, Email=MARKER)) for id_ in ("a", "bad", "c")]

    outcome = replicate(ACCOUNTS, changes, sink)

    assert (outcome.applied, outcome.parked) == (2, 1)
    assert observer.ids() == ["a", "c"]
    assert [row["kind"] for row in observer.rows("cdc.dead_letter")] == ["data"]
    assert MARKER not in str(observer.rows("cdc.dead_letter", "path, message"))


@pytest.mark.parametrize("state", ["42501", "42P01", "28000", "3F000", "XX000", "0A000", "38000"])
def test_a_trigger_that_pretends_otherwise_quotes_no_row(sink, observer, guard, state):
    """For SQLSTATEs whose messages name tables the server's words are passed on, but not a function's."""
    guard(state)

    with pytest.raises(FatalError, match=state) as caught:
        replicate(ACCOUNTS, [a_change("bad", body=an_account("bad", Email=MARKER))], sink)

    assert MARKER not in "".join(traceback.format_exception(caught.value))
    assert observer.ledger() == {}


def test_the_servers_own_words_are_passed_on(database):
    """They name the table that is missing, and the hint says what to do."""
    with pytest.raises(FatalError, match='relation "nowhere" does not exist; run python -m cdc migrate'):
        run(database, "select from nowhere")


def run(database, statements):
    """Run statements in a transaction of the engine's."""
    with database.transaction() as connection:
        connection.execute(statements)


@pytest.mark.parametrize(
    ("statements", "state"),
    [
        ("set transaction read only; delete from accounts", "25006"),
        ("set local statement_timeout = '1ms'; select pg_sleep(60)", "57014"),
        ("set local transaction_timeout = '1ms'; select pg_sleep(60)", "25P04"),
        ("select pg_terminate_backend(pg_backend_pid())", "57P01"),
    ],
)
def test_time_mends_it(database, statements, state):
    """The batch fails as a whole, to be tried again, and the pool gives the next one a connection."""
    with pytest.raises(TransientError) as caught:
        run(database, statements)

    assert state in str(caught.value) or "cannot be reached" in str(caught.value)
    run(database, "select 1")


@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        (["select repeat('[', 1000000)::jsonb"], ProblemKind.DATA),
        (
            [
                "create table wide (v text primary key)",
                "insert into wide select string_agg(md5(n::text), '') from generate_series(1, 1000) n",
            ],
            ProblemKind.DATA,
        ),
        (
            [
                "create table parent (id int primary key)",
                "create table child (id int references parent on delete restrict)",
                "insert into parent values (1)",
                "insert into child values (1)",
                "delete from parent",
            ],
            ProblemKind.MISSING_PARENT,
        ),
    ],
    ids=["nested too deeply", "too long for its index", "still referred to"],
)
def test_one_document_is_to_blame(database, statements, kind):
    """What a document holds is too much for the server, or other rows need it."""
    with pytest.raises(DocumentError) as caught:
        run(database, "; ".join(statements))

    assert caught.value.problem.kind is kind


def test_a_failover_that_leaves_a_replica_is_waited_for(sink, dsn):
    """While the database is read-only nothing is parked; sessions that stay read-only do not outlive that."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f'alter database "{name}" set default_transaction_read_only = on')
        with pytest.raises(TransientError, match="25006"):
            replicate(ACCOUNTS, [a_change("a")], sink)
        connection.execute("set default_transaction_read_only = off")
        connection.execute(f'alter database "{name}" reset default_transaction_read_only')

    assert 1 in deliveries(sink, a_change("a"), tries=4)


def deliveries(sink, change, tries):
    """Deliver a change again and again, as the host does, and yield what each delivery applied.

    The pool may have opened its next connection too early: each try ends one that is read-only.
    """
    for _ in range(tries):
        try:
            yield replicate(ACCOUNTS, [change], sink).applied
        except TransientError:
            yield 0
