"""Reconcile counts what no mapper takes, and finds what the ledger takes for something else than it is."""

from dataclasses import replace

import pytest

from cdc.reconcile.ledger_side import PostgresLedgerSide
from mappers.accounts import ACCOUNTS
from tests.integration.worlds import World

ORDER = {"$type": "SalesOrder"}
ORDERS = [{"type": "SalesOrder", "documents": 2}]


class SalesOrders:
    """A reader that takes sales orders and nameless types as accounts, too."""

    types = frozenset({"Account", "SalesOrder", "other"})

    def read(self, body):
        """Read whatever comes as an account."""
        return ACCOUNTS.reader.read(body | {"$type": "Account"})


@pytest.fixture
def world(dsn, database, observer):
    """Both sides of a container: three accounts and two documents of a type that nobody maps."""
    world = World(dsn, database, observer)
    world.write_apart(3)
    world.write("x", "y", **ORDER)
    world.deliver("x", "y")
    world.settle()
    yield world
    world.close()


def deploy_mapper(world):
    """Let a mapper take the type from now on."""
    world.mapper = replace(ACCOUNTS, reader=SalesOrders())


@pytest.mark.parametrize("mode", ["counts", "keys", "deep"])
def test_unmapped_documents_are_no_drift(world, mode):
    """The ledger has them: both sides count the same documents, and the report says of which types."""
    report = world.run(mode=mode)

    assert (report["state"], report["found"], report["unmapped"]) == ("completed", [], ORDERS)
    assert report["ledger_documents"] == report["source_documents"] == 5


def test_a_sample_compares_only_what_is_applied(world):
    """Documents without rows would take the place of those that have some."""
    sampled = PostgresLedgerSide(world.database, "Accounts").sample(b"", 5)

    assert sorted(each.id for each in sampled) == ['"a0000"', '"a0001"', '"a0002"']


@pytest.mark.parametrize("mode", ["counts", "keys"])
def test_a_document_that_became_unmapped_unseen_gives_up_its_rows(world, mode):
    """The feed has not delivered the version with the other type."""
    world.write("a0001", **ORDER)
    world.settle()

    report = world.run(mode=mode)

    assert report["found"] == [("stale", "repaired")]
    assert report["unmapped"] == [{"type": "SalesOrder", "documents": 3}]
    assert world.observer.ids() == ["a0000", "a0002"]


@pytest.mark.parametrize("request_", [{"mode": "deep"}, {"sample": "all"}], ids=["deep", "sample"])
def test_what_was_written_as_applied_before_the_state_existed_becomes_known(world, request_):
    """The ledger had no other state for it."""
    world.observer.connection.execute("update cdc.document set state = 'applied', unmapped_type = null")

    report = world.run(**request_)

    assert report["found"] == [("different", "repaired")] * 2
    assert report["unmapped"] == ORDERS
    assert world.run(**request_)["found"] == []


@pytest.mark.parametrize("mode", ["counts", "keys", "deep"])
def test_a_document_whose_type_has_a_mapper_meanwhile_is_applied(world, mode):
    """Nothing delivers it again."""
    deploy_mapper(world)

    report = world.run(mode=mode)

    assert report["found"] == [("different", "repaired")] * 2
    assert report["unmapped"] == []
    assert world.observer.ids() == ["a0000", "a0001", "a0002", "x", "y"]


def test_many_documents_whose_type_has_a_mapper_meanwhile_ask_for_a_backfill(world, monkeypatch):
    """A run repairs so many of them; each run goes on."""
    monkeypatch.setattr("cdc.reconcile.compare._ROWS_AT_MOST", 1)
    deploy_mapper(world)

    reports = [world.run() for _ in range(3)]

    assert [len(each["found"]) for each in reports] == [1, 1, 0]
    assert "run a backfill of the container with reapply" in reports[0]["message"]
    assert reports[2]["message"] is None


def test_a_type_that_is_not_shown_is_found_by_its_document(world):
    """The ledger has no name of it: only a run that reads every document finds that a mapper takes it now."""
    world.write("x", "y", **{"$type": "not a name"})
    world.deliver("x", "y")
    world.settle()
    deploy_mapper(world)

    assert world.run()["unmapped"] == [{"type": "other", "documents": 2}]
    assert world.run(mode="deep")["found"] == [("different", "repaired")] * 2
    assert world.observer.states()["x"] == "applied"


def test_nothing_is_applied_where_nobody_asks_for_repair(world):
    """What is found stays, and is found again."""
    deploy_mapper(world)

    assert world.run(repair=False)["found"] == [("different", "left")] * 2
    assert world.observer.states()["x"] == "unmapped"
