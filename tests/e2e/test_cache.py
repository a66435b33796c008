"""The real app removes keys from a real Redis, whichever way a row changes."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from local.cosmos import CosmosServer
from local.operator import Operator
from local.sample import Source
from tests.builders import an_account
from tests.e2e.conftest import Query, let_age, running_host, wait_until
from tests.e2e.test_reconcile import run
from tests.redis_server import RedisServer, needs_redis

pytestmark = needs_redis


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    server = RedisServer(tmp_path)
    yield server
    server.stop()


def test_every_way_to_change_a_row_removes_its_keys(
    cosmos: CosmosServer,
    redis: RedisServer,
    settings: Mapping[str, str],
    source: Source,
    query: Query,
) -> None:
    """The live feed, a resync, a backfill, a reconcile, and a letter."""

    def is_clean() -> bool:
        return redis.keys() == {"dev:account:other"} and query("select count(*) from cdc.invalidation") == [(0,)]

    def fill() -> None:
        redis.fill("dev:account:other", "dev:account:a", "dev:account:email:old@example.com")

    ours = {"REDIS_CONNECTION": redis.connection, "REDIS_INSTANCE_NAME": "dev:"}
    with (
        running_host({**settings, **ours}) as host,
        psycopg.connect(settings["POSTGRES_CONNECTION"], autocommit=True) as postgres,
    ):
        operator = Operator(host.url, "key")
        fill()
        source.write("Accounts", an_account("a", Email="old@example.com"))
        wait_until(is_clean, "the live feed has removed the keys")

        fill()
        with cosmos.hold(operation="read_change_feed"):
            source.write("Accounts", an_account("a", Email="new@example.com"))
            assert operator.resync("Accounts", "a", "a") == "applied"
            wait_until(is_clean, "the resync has")

        fill()
        postgres.execute("update accounts set email = 'old@example.com'")
        options = {"containers": ["Accounts"], "reapply": True, "unlimited": True}
        assert operator.ask("POST", "backfills", options)[0] == 202
        wait_until(is_clean, "the backfill has")

        fill()
        let_age(cosmos, settings, 60)
        postgres.execute("update accounts set email = 'old@example.com'")
        run(host, mode="deep")
        wait_until(is_clean, "the reconcile has")

        source.write("Accounts", an_account("a", Email=None))
        wait_until(lambda: query("select kind from cdc.dead_letter") == [("mapping",)], "it is parked")
        fill()
        postgres.execute("update accounts set email = 'old@example.com'")
        with cosmos.hold(operation="read_change_feed"):
            source.write("Accounts", an_account("a", Email="last@example.com"))
            assert operator.ask("POST", "dead-letters/replay", {})[0] == 202
            wait_until(is_clean, "the letter has")
