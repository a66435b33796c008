"""What is known to be left out: gaps are compared by the next reconcile, a backfill is waited for."""

from dataclasses import replace

import pytest

from cdc.backfill.job import Options
from cdc.backfill.store import PostgresBackfills
from cdc.postgres import containers
from cdc.postgres.containers import PostgresFeedStates
from tests.integration.worlds import World


@pytest.fixture
def world(app_dsn, database, observer):
    """Both sides of a container, with three accounts on each."""
    world = World(app_dsn, database, observer)
    world.write_apart(3)
    world.settle()
    yield world
    world.close()


def notice_gap(world, id_):
    """Make a document a suspect, as a feed does that has a gap before its last version."""
    world.observer.connection.execute(
        "insert into cdc.suspect (key, container) select key, container from cdc.document where id = %s", [f'"{id_}"']
    )


def suspects(world):
    """Return how many documents have a gap that no reconcile has looked at."""
    return len(world.observer.rows("cdc.suspect", "key"))


def modes(world):
    """Return in which mode the runs that are not over compare."""
    rows = world.observer.connection.execute("select container, mode from cdc.reconciliation where state = 'running'")
    return dict(rows.fetchall())


def test_a_suspect_that_is_equal_is_forgotten(world):
    """There was a gap, and nothing is missing."""
    notice_gap(world, "a0001")

    assert world.run()["found"] == []
    assert suspects(world) == 0


def test_a_suspect_that_changed_just_now_stays(world):
    """It is too young to be judged; the next run does."""
    world.write("a0001", DisplayName="newer")
    world.deliver("a0001")
    notice_gap(world, "a0001")

    world.run()
    assert suspects(world) == 1
    world.settle()
    world.run()
    assert suspects(world) == 0


def test_a_suspect_that_differs_stays_until_a_run_finds_it_equal(world):
    """It is repaired by the first run, and forgotten by the second."""
    world.write("a0001", DisplayName="newer")
    world.settle()
    notice_gap(world, "a0001")

    assert world.run()["found"] == [("stale", "repaired")]
    assert suspects(world) == 1
    assert world.run()["found"] == []
    assert suspects(world) == 0


def test_a_delete_without_a_name_has_all_keys_compared(world):
    """Once: a comparison of all keys that began after it is enough."""
    world.run(mode="keys")
    world.observer.connection.execute("update cdc.rotation set completed_at = completed_at - interval '1 hour'")
    world.observer.connection.execute("update cdc.container set nameless_delete_at = now() - interval '1 minute'")

    world.activities.begin_due()
    assert modes(world) == {"Accounts": "keys"} | dict.fromkeys(set(modes(world)) - {"Accounts"}, "counts")
    newest = world.observer.connection.execute(
        "select id from cdc.reconciliation where container = 'Accounts' and state = 'running'"
    ).fetchone()[0]
    world.finish(str(newest))
    world.activities.begin_due()
    assert set(modes(world).values()) == {"counts"}


def test_another_container_that_is_adopted_has_all_keys_compared(world, database):
    """What was compared with the one before says nothing; the state of its feed asks for a backfill as well."""
    world.run(mode="keys")
    origin = world.cosmos.read_source_container("Accounts")
    containers.adopt(database, replace(origin, rid="another"))

    (state,) = [each for each in PostgresFeedStates(database).read() if each.container == "Accounts"]
    world.activities.begin_due()

    assert state.backfill_since == state.complete_reconcile_since is not None
    assert modes(world)["Accounts"] == "keys"


def test_a_backfill_that_writes_is_waited_for(world, database):
    """Running or paused it stops a run; one that writes nothing, or another container's, does not."""
    backfills = PostgresBackfills(database)
    world.is_copied = backfills.is_complete
    backfills.insert("dry", ["Accounts"], Options(dry_run=True))
    backfills.insert("another", ["UserProfiles"], Options())
    assert world.run()["state"] == "completed"
    backfills.move("dry", "cancelled")

    backfills.insert("writing", ["Accounts"], Options())
    assert world.run()["state"] == "behind"
    backfills.move("writing", "paused")
    assert world.run()["state"] == "behind"
    backfills.move("writing", "cancelled")
    assert world.run()["state"] == "completed"
