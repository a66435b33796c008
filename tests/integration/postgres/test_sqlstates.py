"""What PostgreSQL itself raises leads to what is promised: parked, tried again, or said to a person."""

import psycopg
import pytest

from cdc.core.errors import DocumentError, FatalError, ProblemKind, TransientError
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from mappers.game_sessions import GAME_SESSIONS
from tests.builders import a_change, a_session, an_account

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


# What nobody listed, what would be fatal, what time would mend, and what is no error at all.
RAISED = [
    *("MY001", "42501", "42602", "42703", "42P01", "28000", "3F000", "XX000", "0A000", "38000", "53400", "58P01"),
    *("MC000", "MC003", "MC010"),  # those of the gate
    *("40001", "40P01", "55P03", "57014", "57P01", "08006", "53300", "25006", "00000", "02000"),
]


@pytest.mark.parametrize("state", RAISED)
def test_whatever_code_a_trigger_chooses_parks_its_document(sink, observer, guard, state):
    """The code is the trigger's own, also where the server uses it for what stops everybody."""
    guard(state)
    changes = [a_change(id_, body=an_account(id_, Email=MARKER)) for id_ in ("a", "bad", "c")]

    outcome = replicate(ACCOUNTS, changes, sink)

    assert (outcome.applied, outcome.parked) == (2, 1)
    assert observer.ids() == ["a", "c"]
    assert observer.letters()["bad"][:2] == ("data", "$")
    assert MARKER not in str(observer.rows("cdc.dead_letter", "path, message"))


# The bodies of triggers that break off by themselves: what the server raises inside of them is the document's as well.
BROKEN = {
    "a table whose name is the row's": "execute format('insert into %I values (1)', 'audit_' || new.email)",
    "a column whose name is the row's": "execute format('select %I from accounts', new.email)",
    "a function that was dropped": "perform audit(new.email)",
    "a type whose name is the row's": "perform new.email::regtype",
    "a schema whose name is the row's": "execute format('create table %I.t ()', new.email)",
    "a syntax error": "execute new.email",
    "no rights": "set local role nobody_of_this_test; insert into cdc.migration values (0, new.email, '')",
    "a feature that is not there": "commit",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_what_breaks_inside_a_trigger_is_the_documents(sink, observer, connection, body):
    """Names of tables, columns and types are values there: none is kept."""
    connection.execute("drop role if exists nobody_of_this_test; create role nobody_of_this_test")
    connection.execute(
        f"create function break_off() returns trigger language plpgsql as $$ begin {body}; return new; end $$;"
        "create trigger audit before insert on accounts"
        " for each row when (new.id = 'bad') execute function break_off()"
    )
    changes = [a_change(id_, body=an_account(id_, Email=MARKER)) for id_ in ("a", "bad", "c")]

    outcome = replicate(ACCOUNTS, changes, sink)

    connection.execute("drop role nobody_of_this_test")
    assert (outcome.applied, outcome.parked) == (2, 1)
    assert observer.ids() == ["a", "c"]
    assert MARKER not in str(observer.rows("cdc.dead_letter", "path, message"))


def test_a_function_that_is_no_trigger_is_none_of_ours_either(sink, observer, connection):
    """A rule of the table calls it, and what it reads was dropped."""
    connection.execute(
        "create table allowed (email text);"
        "create function is_allowed(email text) returns boolean language sql set search_path = public"
        " as 'select not exists (select from allowed a where a.email = $1)';"
        "alter table accounts add constraint allowed check (id <> 'bad' or is_allowed(email));"
        "drop table allowed"
    )

    outcome = replicate(ACCOUNTS, [a_change("a"), a_change("bad"), a_change("c")], sink)

    assert (outcome.applied, outcome.parked) == (2, 1)
    assert observer.letters()["bad"][:2] == ("data", "$")


def test_a_trigger_at_the_end_of_the_transaction_refuses_only_its_document(sink, observer, connection):
    """A deferred trigger raises when everything is written."""
    connection.execute(
        "create function refuse() returns trigger language plpgsql as"
        " $$ begin raise exception 'refused' using errcode = '42501'; end $$;"
        "create constraint trigger guard after insert on accounts deferrable initially deferred"
        " for each row when (new.id = 'bad') execute function refuse()"
    )

    outcome = replicate(ACCOUNTS, [a_change("a"), a_change("bad"), a_change("c")], sink)

    assert (outcome.applied, outcome.parked) == (2, 1)
    assert observer.ids() == ["a", "c"]


FIELDS = ("message", "detail", "hint", "constraint", "column", "table", "schema", "datatype")


@pytest.mark.parametrize("state", ["23505", "23503", "23514", "23502", "P0001", "54000", "MY001", "THAND"])
def test_no_field_of_what_a_trigger_raises_is_kept(sink, observer, connection, state):
    """Anybody may fill them, and choose the code; only what the server says of our own statement is believed."""
    fields = ", ".join(f"{field} = new.email" for field in FIELDS)
    connection.execute(
        "create function refuse() returns trigger language plpgsql as"
        f" $$ begin raise exception using errcode = '{state}', {fields}; end $$;"
        "create trigger guard before insert on accounts for each row execute function refuse()"
    )

    outcome = replicate(ACCOUNTS, [a_change("a", body=an_account("a", Email=MARKER, DisplayName="THAND"))], sink)

    assert outcome.parked == 1
    kept = str(observer.rows("cdc.dead_letter", "path, message, wanted_table, wanted_key"))
    assert MARKER not in kept
    assert "THAND" not in kept


def test_a_parent_whose_owner_may_not_read_is_nobodys_document(sink, observer, connection):
    """The server's own check of a foreign key runs a statement, but no function of anybody."""
    connection.execute(
        "create table tenants (id text primary key); create role owner_of_this_test;"
        "alter table accounts add foreign key (role) references tenants;"
        "alter table accounts owner to owner_of_this_test; alter table tenants owner to owner_of_this_test;"
        "revoke all on tenants from owner_of_this_test"
    )
    try:
        with pytest.raises(FatalError, match="permission denied for table tenants"):
            replicate(ACCOUNTS, [a_change("a")], sink)
    finally:
        connection.execute("reassign owned by owner_of_this_test to current_user; drop owned by owner_of_this_test")
        connection.execute("drop role owner_of_this_test")

    assert observer.ledger() == {}


def test_parameters_in_the_context_of_an_error_blame_no_document(dsn, sink, observer, connection):
    """A database may be set to show them; then each error has a context, and the server's log has every row."""
    connection.execute(f'alter database "{connection.info.dbname}" set log_parameter_max_length_on_error = -1')
    connection.execute("alter table accounts rename column role to part")

    with pytest.raises(FatalError, match='column "role" of relation "accounts" does not exist'):
        replicate(ACCOUNTS, [a_change("a")], sink)

    assert observer.ledger() == {}


@pytest.mark.parametrize("text", ['{"a":1e200000}', "[1e-200000]", '{"\u2028":1e200000}'])
def test_a_number_that_is_too_long_for_jsonb_is_no_functions_error(sink, text):
    """The error has a context as well: the place in the JSON. No trigger is to be looked for."""
    body = a_session(CompassValues=text)

    outcome = replicate(GAME_SESSIONS, [a_change("s", container="GameSessions", body=body)], sink)

    assert [(each.kind, each.message) for each in outcome.problems] == [
        (ProblemKind.DATA, "PostgreSQL refuses it: NumericValueOutOfRange (22003)")
    ]


def test_the_servers_own_words_are_passed_on(database):
    """They name the table that is missing, and the hint says what to do."""
    with pytest.raises(FatalError, match='relation "nowhere" does not exist; run python -m cdc migrate'):
        run(database, "select from nowhere")


def test_what_breaks_inside_of_our_own_gate_blames_no_document(sink, observer, connection):
    """It is a function as well, but none of the tables."""
    connection.execute("drop table cdc.pause")

    with pytest.raises(FatalError, match="run python -m cdc migrate"):
        replicate(ACCOUNTS, [a_change("a")], sink)

    assert observer.ledger() == {}


def test_a_block_of_a_migration_is_our_own_statement(owner_database):
    """It has a context of its own, and blames no document."""
    with pytest.raises(FatalError, match="permission denied for schema pg_catalog"):
        run(owner_database, "do $$ begin create table pg_catalog.nowhere (\n); end $$")


@pytest.mark.parametrize(("name", "state"), [("thandi", "42P01"), (MARKER, "3F000")])
def test_words_about_a_value_are_not_passed_on(database, name, state):
    """PostgreSQL looks values up as names, too: then its words quote a value, although no function runs."""
    with pytest.raises(FatalError, match=state) as caught, database.connection() as connection:
        connection.execute("select %s::text::regclass", [name])

    assert "thandi" not in str(caught.value)


def run(database, statements):
    """Run statements in a transaction of the engine's."""
    with database.transaction() as connection:
        connection.execute(statements)


SLOW = "create function slow() returns void language plpgsql as $$ begin perform pg_sleep(60); end $$;"


@pytest.mark.parametrize(
    ("statements", "state"),
    [
        ("set transaction read only; delete from accounts", "25006"),
        ("set local statement_timeout = '1ms'; select pg_sleep(60)", "57014"),
        ("set local transaction_timeout = '1ms'; select pg_sleep(60)", "25P04"),
        ("select pg_terminate_backend(pg_backend_pid())", "57P01"),
        (f"{SLOW} set local statement_timeout = '100ms'; select slow()", "57014"),
        (f"{SLOW} set local transaction_timeout = '100ms'; select slow()", "25P04"),
    ],
)
def test_time_mends_it(owner_database, statements, state):
    """The batch fails as a whole, to be tried again, and the pool gives the next one a connection."""
    with pytest.raises(TransientError) as caught:
        run(owner_database, statements)

    assert state in str(caught.value) or "cannot be reached" in str(caught.value)
    run(owner_database, "select 1")


@pytest.mark.parametrize("mode", ["nowait", ""], ids=["at once", "in vain"])
def test_a_lock_that_a_trigger_waits_for_blames_nobody(database, sink, observer, connection, dsn, mode):
    """Others hold it for now: everything is tried again."""
    connection.execute(
        "create table audit (id text); grant all on audit to public;"
        "create function note() returns trigger language plpgsql set lock_timeout = '100ms' as"
        f" $$ begin lock table audit {mode}; insert into audit values (new.id); return new; end $$;"
        "create trigger audit before insert on accounts for each row execute function note()"
    )
    with psycopg.connect(dsn) as other:
        other.execute("lock table audit")
        with pytest.raises(TransientError, match="55P03"):
            replicate(ACCOUNTS, [a_change("a")], sink)
    assert observer.ledger() == {}

    assert replicate(ACCOUNTS, [a_change("a")], sink).applied == 1


@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        (["select repeat('[', 1000000)::jsonb"], ProblemKind.DATA),
        (
            [
                "create temporary table wide (v text primary key)",
                "insert into wide select string_agg(md5(n::text), '') from generate_series(1, 1000) n",
            ],
            ProblemKind.DATA,
        ),
        (
            [
                "create temporary table parent (id int primary key)",
                "create temporary table child (id int references parent on delete restrict)",
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
