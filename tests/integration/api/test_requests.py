"""Every request gets its answer in time, and the answer says what became of the change."""

import asyncio
import json
import threading

import pytest
from pydantic import BaseModel

from cdc.api.requests import Requests
from cdc.core.deadline import Change, Deadline
from cdc.core.errors import FatalError, TransientError
from cdc.core.writes import map_change
from cdc.repair.reread import Repair
from cdc.repair.store import PostgresRereadStore
from local.freezing import frozen_postgres
from mappers.accounts import ACCOUNTS
from tests.builders import a_change, an_account


class Done(BaseModel):
    """An answer."""

    number: int = 1


@pytest.fixture
def requests():
    """What is under test, with little time."""
    requests = Requests(1.0)
    yield requests
    requests.close()


def ask(requests, make, **options):
    """Ask once, and return the status and the sentence."""
    made = asyncio.run(requests.answer(make, **options))
    return made.status, json.loads(made.body).get("detail")


@pytest.fixture
def table(connection):
    """A table to change."""
    connection.execute("create table change (number int); grant all on change to public")

    def count():
        return connection.execute("select count(*) from change").fetchone()[0]

    return count


def change(database, *, before=lambda: None):
    """Return the work of a request that changes the table; `before` is called before the commit."""

    def make():
        with database.transaction() as session:
            session.execute("insert into change values (1)")
            before()
        return Done()

    return make


def test_what_is_done_in_time_is_answered(requests, database, table):
    """The good case."""
    assert ask(requests, change(database), look="GET /x") == (200, None)
    assert table() == 1


def test_a_frozen_server_is_said_in_time(database, table, postgres_server):
    """The pool has a connection, whose check gets no answer; another one takes two seconds to fail."""
    requests = Requests(5.0)
    ask(requests, change(database))

    with frozen_postgres(postgres_server):
        answered = ask(requests, change(database), look="GET /x")
    requests.close()

    assert answered[0] == 503
    assert answered[1].startswith("PostgreSQL cannot be reached")
    assert answered[1].endswith("Nothing was changed.")
    assert table() == 1


def test_a_commit_without_an_answer_is_not_known(requests, database, table, postgres_server, connection):
    """The server was frozen between the statement and its commit, which it does when it wakes."""
    frozen = frozen_postgres(postgres_server)

    status, sentence = ask(requests, change(database, before=frozen.__enter__), look="GET /x")
    frozen.__exit__(None, None, None)

    assert status == 503
    assert "It is not known whether the change was made: GET /x shows it." in sentence
    with connection.transaction():
        connection.execute("lock table change")  # waits for the other one's end
    assert table() == 1


def test_a_failure_after_the_commit_says_that_the_change_was_made(requests, database, table):
    """Nobody need ask again."""

    def make():
        change(database)()
        raise TransientError("PostgreSQL went away.")

    assert ask(requests, make, look="GET /x") == (503, "PostgreSQL went away. The change was made: GET /x shows it.")


@pytest.mark.parametrize("lock", ["change", "cdc.document"])
def test_a_lock_that_somebody_holds_is_no_longer_wait(requests, database, table, connection, lock):
    """The statement ends with the request: it is not done later."""

    def make():
        with database.transaction() as session:
            session.execute(f"lock table {lock} in row exclusive mode")
            session.execute("insert into change values (1)")
        return Done()

    with connection.transaction():
        connection.execute(f"lock table {lock} in access exclusive mode")
        status, sentence = ask(requests, make, look="GET /x")

    assert status == 503
    assert sentence.endswith("Nothing was changed.")
    assert ask(requests, make, look="GET /x") == (200, None)
    assert table() == 1


def test_the_name_of_a_type_is_no_change_of_a_document(requests, database, connection):
    """It is kept in a transaction of its own, before the document, whose row is locked here."""
    repairs = PostgresRereadStore(database, backoff_seconds=60, settle_seconds=1)
    written = a_change(body=an_account(**{"$type": "SalesOrder"}))
    note = repairs.note([written.identity])[written.identity]

    def make():
        repairs.repair(ACCOUNTS, [Repair(written, map_change(ACCOUNTS, written), note)])
        return Done()

    with connection.transaction():
        connection.execute("lock table cdc.document in access exclusive mode")
        status, sentence = ask(requests, make, look="GET /x")

    assert status == 503
    assert sentence.endswith("Nothing was changed.")


def test_work_that_nothing_ends_is_left_and_changes_nothing_later(requests, database, table):
    """What waits for something that has no timeout, such as a resolver, may go on; it commits nothing."""
    silent, ended = threading.Event(), threading.Event()

    def wait():
        silent.wait(600)
        ended.set()

    answered = ask(requests, change(database, before=wait), look="GET /x")
    assert not ended.is_set()
    silent.set()
    requests._threads.shutdown(wait=True)

    assert answered == (
        503,
        "A store did not answer in time: GET /api/health/ready says which one. Nothing was changed.",
    )
    assert table() == 0


def test_more_requests_than_threads_are_refused_and_not_done_later(requests):
    """Each gets its answer in time; those that nobody worked on say so."""
    silent = threading.Event()
    begun = []

    def wait():
        begun.append(1)
        silent.wait(600)
        return Done()

    async def ask_all():
        return await asyncio.gather(*(requests.answer(wait, look="GET /x") for _ in range(20)))

    details = [json.loads(made.body)["detail"] for made in asyncio.run(ask_all())]
    silent.set()
    requests._threads.shutdown(wait=True)

    assert sum(detail.startswith("Too many requests") for detail in details) == 4
    assert all(detail.endswith("Nothing was changed.") for detail in details)
    assert len(begun) == 16


def test_those_who_ask_the_same_share_one_thread(requests):
    """However often somebody asks whether the app is ready, one thread is enough."""
    silent = threading.Event()
    begun = []

    def wait():
        begun.append(1)
        silent.wait(600)
        return Done()

    async def ask_all():
        return await asyncio.gather(*(requests.answer(wait, shared="ready") for _ in range(20)))

    answers = [made.status for made in asyncio.run(ask_all())]
    silent.set()

    assert answers == [503] * 20
    assert len(begun) == 1
    assert ask(requests, Done, shared="ready") == (200, None)


@pytest.mark.parametrize("error", [FatalError("No."), TransientError("No.")])
def test_an_error_before_the_change_says_that_there_was_none(requests, error):
    """A read that fails has nothing to say of changes."""

    def fail():
        raise error

    assert ask(requests, fail) == (503, "No.")
    assert ask(requests, fail, look="GET /x") == (503, "No. Nothing was changed.")


def test_what_follows_an_answer_gets_the_time_that_is_left(requests):
    """An orchestration that cannot be started now is started by the timer; the answer does not wait for it."""
    seen = []

    async def wait_for_ever(status):
        seen.append(status)
        await asyncio.Event().wait()

    assert ask(requests, Done, status=202, then=wait_for_ever) == (202, None)
    assert seen == [202]


def test_a_request_has_its_change_noted_once(database, table):
    """Reading changes nothing."""
    until = Deadline(600)
    with until.applies():
        with database.connection() as session:
            session.execute("select 1")
        read = until.change
        change(database)()

    assert (read, until.change) == (Change.NONE, Change.MADE)
