"""What reconciles prove of a container: also one that did not complete may have found drift."""

import pytest

from cdc.operations.evidence import read_evidence
from tests.integration.worlds import World

PAUSE = "insert into cdc.pause (container, reason, source, positions) values ('Accounts', 'why', 'operator', '[]')"


@pytest.fixture
def world(app_dsn, database, observer):
    """Both sides of a container, with a few accounts on each, and two clean reconciles."""
    world = World(app_dsn, database, observer)
    world.write_apart(3)
    world.settle()
    world.run()
    world.run()
    yield world
    world.close()


def read_runs(world):
    """Return what the reconciles of the accounts prove."""
    (known,) = read_evidence(world.database, ["Accounts"], 0)
    return known.runs


@pytest.fixture
def piecewise(monkeypatch):
    """Every call brings a run forward by one piece."""
    monkeypatch.setattr("cdc.reconcile.activities._ADVANCE_SECONDS", 0.0)


@pytest.mark.usefixtures("piecewise")
def test_a_run_that_was_stopped_before_its_repairs_leaves_drift(world):
    """It has confirmed what differs, and a pause, or anything that is fatal, has kept it from repairing."""
    before = read_runs(world)
    assert (before.unresolved, before.clean, before.unclean_at) == (0, 2, None)
    world.forget("a0001")
    id_ = world.begin(mode="keys")
    while world.next_step() != "repair":
        world.activities.advance("Accounts")
    world.observer.connection.execute(PAUSE)

    assert world.finish(id_)["state"] == "behind"

    runs = read_runs(world)
    assert (runs.unresolved, runs.clean, runs.newest_at) == (1, 0, before.newest_at)
    assert runs.unclean_at > before.newest_at
    world.observer.connection.execute("delete from cdc.pause")
    assert world.run(mode="keys")["found"] == [("missing", "repaired")]
    assert (read_runs(world).unresolved, read_runs(world).clean) == (0, 1)


def test_a_run_that_did_not_complete_and_found_nothing_proves_nothing(world):
    """It is neither clean nor unclean."""
    before = read_runs(world)
    world.lag = 60.0

    assert world.run()["state"] == "behind"

    after = read_runs(world)
    assert (after.unresolved, after.clean, after.newest_at) == (0, 2, before.newest_at)


def test_without_a_completed_run_nothing_is_known(world):
    """Whatever another one has left."""
    world.observer.connection.execute("""update cdc.reconciliation set state = 'failed', report = '{"left": 1}'""")

    assert read_runs(world) is None
