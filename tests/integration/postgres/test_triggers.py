"""Triggers and rules that drop rows without an error are seen: a document counts as applied only if its rows are."""

import pytest

from cdc.repair.reread import Ending, repair_document
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from tests.builders import a_change, a_version, an_account
from tests.integration.repair.test_reread import A, FakeSource
from tests.integration.worlds import World

MARKER = "thandi@example.com"
DROPPED = "a trigger of table {} drops the row or changes its key: correct it, then replay the letter"
KEPT = "a trigger or rule of table {} keeps a row that must be deleted: correct it, then replay the letter"
ROOT, CHILD = "public.accounts", "public.completed_scenarios"


@pytest.fixture
def trigger(connection):
    """Give a table a trigger for rows that are marked as bad."""

    def create(when, body, table="accounts", condition="new.id = 'bad'"):
        connection.execute(
            f"create function drop_rows() returns trigger language plpgsql as $$ begin {body} end $$;"
            f"create trigger drops {when} on {table} for each row when ({condition}) execute function drop_rows()"
        )

    return create


def deliver(sink, ids=("a", "bad", "c"), ts=0, **overrides):
    """Deliver a version of accounts."""
    changes = [a_change(id_, version=a_version(ts), body=an_account(id_, **overrides)) for id_ in ids]
    return replicate(ACCOUNTS, changes, sink)


def messages(observer):
    """Return what the letters say by id."""
    return {row["id"].strip('"'): row["message"] for row in observer.rows("cdc.dead_letter", "id, message")}


DROPPING = {
    "before": ("before insert or update", "return null;"),
    "after": ("after insert", "delete from accounts where id = new.id; return null;"),
    "another key": ("before insert", "new.id := 'other'; return new;"),
}


@pytest.mark.parametrize(("when", "body"), DROPPING.values(), ids=DROPPING)
def test_a_trigger_that_drops_a_row_parks_its_document(sink, observer, trigger, when, body):
    """Nothing says so but that the row is not there; the neighbours go on."""
    trigger(when, body)

    outcome = deliver(sink)

    assert (outcome.applied, outcome.parked) == (2, 1)
    assert observer.ids() == ["a", "c"]
    assert messages(observer) == {"bad": DROPPED.format(ROOT)}
    assert observer.states()["bad"] == "parked"


def test_a_trigger_that_drops_an_update_parks_its_document(sink, observer, trigger):
    """The row is there, but it is the old one."""
    deliver(sink)
    trigger("before update", "return null;")

    outcome = deliver(sink, ts=1, DisplayName="new")

    assert (outcome.applied, outcome.parked) == (2, 1)
    assert messages(observer) == {"bad": DROPPED.format(ROOT)}


def test_a_trigger_that_drops_a_child_row_parks_its_document(sink, observer, trigger):
    """Half of a document is not applied."""
    trigger("before insert", "return null;", "completed_scenarios", "new.account_id = 'bad'")

    outcome = deliver(sink)

    assert (outcome.applied, outcome.parked) == (2, 1)
    assert observer.ids() == ["a", "c"]
    assert messages(observer) == {"bad": DROPPED.format(CHILD)}


@pytest.mark.parametrize("table", ["accounts", "completed_scenarios"])
def test_a_trigger_that_keeps_deleted_rows_parks_the_delete(sink, observer, trigger, table):
    """Its document is gone, and what it was is still there: somebody must know."""
    deliver(sink)
    column = "id" if table == "accounts" else "account_id"
    trigger("before delete", "return null;", table, f"old.{column} = 'bad'")

    changes = [a_change(id_, version=a_version(1), body=None) for id_ in ("a", "bad", "c")]
    outcome = replicate(ACCOUNTS, changes, sink)

    assert (outcome.deleted, outcome.parked) == (2, 1)
    assert messages(observer) == {"bad": KEPT.format(f"public.{table}")}


def test_a_trigger_that_keeps_a_child_row_parks_its_document(sink, observer, trigger):
    """The document has it no more."""
    deliver(sink)
    trigger("before delete", "return null;", "completed_scenarios", "old.account_id = 'bad'")

    outcome = deliver(sink, ts=1, CompletedScenarioIds=["scenario-2"])

    assert (outcome.applied, outcome.parked) == (2, 1)
    assert messages(observer) == {"bad": KEPT.format(CHILD)}


def test_a_rule_that_keeps_deleted_rows_parks_the_delete(sink, observer, connection):
    """As a trigger does."""
    deliver(sink, ["bad"])
    connection.execute("create rule keeps as on delete to accounts do instead nothing")

    assert replicate(ACCOUNTS, [a_change("bad", version=a_version(1), body=None)], sink).parked == 1
    assert messages(observer) == {"bad": KEPT.format(ROOT)}


def test_a_trigger_that_changes_values_is_no_problem(sink, observer, trigger):
    """The application may note the time, or lower an e-mail; a version that is written again changes nothing."""
    trigger("before insert or update", "new.email := upper(new.email); return new;", condition="true")

    assert deliver(sink).applied == 3
    assert deliver(sink, ts=1, Role="Admin").applied == 3
    assert {row["email"] for row in observer.rows("accounts")} == {MARKER.upper()}
    assert messages(observer) == {}


def test_rows_that_are_equal_already_are_no_problem(sink, observer, trigger):
    """Nothing is written, because nothing differs; the trigger is not even asked."""
    deliver(sink)
    trigger("before update", "return null;", condition="true")

    assert deliver(sink, ts=1).applied == 3
    assert messages(observer) == {}


def test_a_row_that_one_document_takes_over_from_another_is_no_problem(sink, observer, trigger):
    """The first gives it up and the second writes it, in one batch."""
    trigger("before insert or update", "return new;", condition="true")
    replicate(ACCOUNTS, [a_change("one", body=an_account("r"))], sink)

    one = a_change("one", version=a_version(1), body=an_account("s"))
    outcome = replicate(ACCOUNTS, [one, a_change("two", version=a_version(1), body=an_account("r"))], sink)

    assert (outcome.applied, observer.ids()) == (2, ["r", "s"])


def test_a_disabled_trigger_drops_nothing(sink, trigger, connection):
    """Nor is anybody asked."""
    trigger("before insert", "return null;")
    connection.execute("alter table accounts disable trigger drops")

    assert deliver(sink).applied == 3


def test_a_document_that_is_read_again_is_parked_until_the_trigger_is_corrected(
    database, sink, observer, trigger, connection
):
    """The letter stays, with the sentence, and is answered afterwards."""
    source, repairs = FakeSource(), PostgresRereadStore(database, backoff_seconds=60, settle_seconds=60)
    trigger("before insert", "return null;", condition="new.id = 'a'")
    source.put("a")

    assert repair_document(ACCOUNTS, A, source, repairs) is Ending.PARKED
    assert messages(observer) == {"a": DROPPED.format(ROOT)}
    connection.execute("alter table accounts disable trigger drops")
    connection.execute("update cdc.dead_letter set next_attempt_at = now()")
    assert repair_document(ACCOUNTS, A, source, repairs) is Ending.APPLIED
    assert (observer.ids(), messages(observer)) == (["a"], {})


@pytest.fixture
def world(dsn, database, observer):
    """Accounts on both sides."""
    world = World(dsn, database, observer)
    yield world
    world.close()


def test_reconcile_calls_no_row_repaired_that_is_not_there(world, observer, trigger):
    """Lost rows come back, except the one that a trigger drops again: it is left."""
    world.write("a", "bad", "c")
    world.deliver("a", "bad", "c")
    world.settle()
    observer.connection.execute("delete from accounts")
    trigger("before insert", "return null;")

    report = world.run(mode="deep")

    assert sorted(report["found"]) == [("different", "left"), ("different", "repaired"), ("different", "repaired")]
    assert (report["repaired"], report["left"], observer.ids()) == (2, 1, ["a", "c"])
    assert messages(observer) == {"bad": DROPPED.format(ROOT)}
