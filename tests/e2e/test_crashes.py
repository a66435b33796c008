"""Nothing is lost and nothing is doubled when a part dies at the worst moment."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from azure.cosmos import CosmosClient

from local.cosmos import CosmosServer
from local.postgres import Postgres
from local.sample import Sample, Source
from local.stack import Part, make_settings
from tests.commands import prepare
from tests.e2e.conftest import PATIENCE_SECONDS, count_applied, is_equal, running_host, wait_until

DOCUMENTS = 60


def _tuples(dsn: str) -> list[tuple[object, ...]]:
    """Read every row with its physical place, which changes when a row is written again."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "select 'account', ctid, xmin, id from accounts"
            " union all select 'profile', ctid, xmin, id from user_profiles"
            " union all select 'session', ctid, xmin, id from game_sessions"
            " union all select 'score', ctid, xmin, id from player_scenario_scores"
            " union all select 'ledger', ctid, xmin, id from cdc.document order by 1, 4"
        ).fetchall()


def _continuations(settings: Mapping[str, str]) -> list[str | None]:
    """Read how far each lease is."""
    client = CosmosClient.from_connection_string(settings["COSMOS_CONNECTION"])
    leases = client.get_database_client(settings["LEASE_DATABASE"]).get_container_client(settings["LEASE_CONTAINER"])
    continuations = [lease.get("ContinuationToken") for lease in leases.read_all_items() if "LeaseToken" in lease]
    client.close()
    assert continuations
    return continuations


def test_a_batch_committed_but_not_checkpointed_when_the_host_dies_comes_again_and_changes_nothing(
    cosmos: CosmosServer, settings: Mapping[str, str], source: Source, host: Part
) -> None:
    """The host is killed with SIGKILL between the commit and the checkpoint."""
    dsn = settings["POSTGRES_CONNECTION"]
    sample = Sample(seed=2)
    with cosmos.hold(method="PUT", path="/colls/leases/docs/") as checkpoints:
        for document in sample.create(DOCUMENTS):
            source.write(*document)
        wait_until(lambda: count_applied(dsn) > 0, "a batch is committed")
        assert checkpoints.entered.wait(PATIENCE_SECONDS)
        host.kill()
    assert not any(_continuations(settings))
    before = _tuples(dsn)

    host.start()

    wait_until(lambda: is_equal(settings), "both sides are equal")
    assert count_applied(dsn) == DOCUMENTS
    after = _tuples(dsn)
    assert [row for row in after if row in before] == before
    assert len(after) == 2 * DOCUMENTS


def test_the_host_killed_in_the_middle_of_steady_changes_loses_none(
    settings: Mapping[str, str], source: Source, host: Part
) -> None:
    """Three kills at arbitrary moments while documents are created and changed."""
    sample = Sample(seed=3)
    for document in sample.create(DOCUMENTS):
        source.write(*document)
    for _ in range(3):
        applied = count_applied(settings["POSTGRES_CONNECTION"])
        for _ in range(40):
            source.write(*sample.change())
        host.kill()
        assert count_applied(settings["POSTGRES_CONNECTION"]) >= applied
        host.start()

    wait_until(lambda: is_equal(settings), "both sides are equal")


@pytest.fixture
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Postgres:
    """A PostgreSQL server that a test may stop, with durable commits."""
    return Postgres(durable=True)


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "crashed"])
def test_changes_made_while_postgres_is_away_arrive_when_it_is_back(
    cosmos: CosmosServer, tmp_path: Path, own_postgres: Postgres, *, crash: bool
) -> None:
    """PostgreSQL ends in the middle of the feed, more changes come, and it starts again."""
    sample = Sample(seed=4)
    with own_postgres as server:
        settings = prepare(make_settings(cosmos.connection_string, server.dsn()))
        with (
            closing(Source.open(settings["COSMOS_CONNECTION"], settings["COSMOS_DATABASE"])) as source,
            running_host(settings),
        ):
            for document in sample.create(DOCUMENTS):
                source.write(*document)
            wait_until(lambda: count_applied(server.dsn()) > 0, "a batch is committed")

            if crash:
                server.kill()
            else:
                server.stop(keep_data=True)
            for _ in range(30):
                source.write(*sample.change())
            for document in sample.create(10):
                source.write(*document)
            server.start()

            wait_until(lambda: is_equal(settings), "both sides are equal")
            assert count_applied(server.dsn()) == DOCUMENTS + 10
