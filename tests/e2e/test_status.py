"""The one look on the running stack: each planted fault is the right problem, and gone once it is mended."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from azure.cosmos import ContainerProxy, CosmosClient
from psycopg.conninfo import make_conninfo

from cdc.config.settings import Settings
from cdc.operations.status import StatusReport
from cdc.runtime import Runtime
from local.cosmos.auth import EMULATOR_KEY
from local.freezing import frozen, frozen_postgres
from local.operator import Operator
from local.patience import PATIENCE_SECONDS
from local.postgres import Postgres
from local.sample import Source
from local.stack import Part, make_settings
from mappers import APPLICATION_SQL, MAPPERS
from tests.builders import an_account
from tests.commands import prepare, run_command
from tests.conftest import create_database
from tests.e2e.conftest import read_status, running_host, wait_until

NOWHERE = "127.0.0.1:1"


@dataclass
class World:
    """A stack of which nothing is wrong, and what somebody sees of it."""

    settings: Mapping[str, str]
    cosmos: Part
    host: Part
    source: Source
    connection: psycopg.Connection[Any]

    @property
    def operator(self) -> Operator:
        """Somebody who works the app, wherever it listens now."""
        return Operator(self.host.url, "key")

    def look(self, operator: Operator | None = None) -> tuple[str, set[tuple[str, str | None]]]:
        """Return the verdict, and the codes and containers of the problems."""
        code, status = (operator or self.operator).ask("GET", "status")
        assert code == 200
        assert all(each["since"] and each["remedy"] for each in status["problems"])
        return status["verdict"], {(each["code"], each["container"]) for each in status["problems"]}

    def read(self, **changed: str) -> StatusReport:
        """Look with other settings, as a process of its own would."""
        runtime = Runtime(Settings.read({**self.settings, **changed}), MAPPERS, APPLICATION_SQL)
        with closing(runtime):
            return runtime.status.read(PATIENCE_SECONDS)

    def shows(self, code: int, text: str) -> bool:
        """Run the command; tell whether it ends with this exit code, and prints this and the containers."""
        done = run_command("status", settings=self.settings)
        return done.returncode == code and text in done.stdout and "\nAccounts  " in done.stdout

    def write(self, id_: str, **changes: object) -> None:
        """Write an account, and wait until the feed has brought it."""
        etag = self.source.write("Accounts", an_account(id_, **changes))["_etag"]
        arrived = "select from cdc.document where etag = %s"
        wait_until(lambda: bool(self.connection.execute(arrived, [etag]).fetchall()), "it has arrived")

    def wait_for(self, *problems: tuple[str, str | None], verdict: str) -> None:
        """Wait until these are the problems, and until `health/ready` agrees."""
        wait_until(lambda: self.look() == (verdict, set(problems)), f"{problems} are the problems")
        wait_until(lambda: self.is_ready() == (verdict != "stopped"), "ready agrees")

    def is_ready(self) -> bool:
        """Return whether the app says that it is ready."""
        return self.operator.ask("GET", "health/ready")[0] == 200


@pytest.fixture(scope="module")
def world(postgres_server: Postgres) -> Iterator[World]:
    """One stack for all of these tests; each leaves it as it was."""
    cosmos = Part(["local.cosmos", "--physical-partitions", "2"], {})
    databases = create_database(postgres_server, "migrated")
    dsn = next(databases)
    settings = prepare(make_settings(f"AccountEndpoint={cosmos.url};AccountKey={EMULATOR_KEY};", dsn))
    source = Source.open(settings["COSMOS_CONNECTION"], settings["COSMOS_DATABASE"])
    with psycopg.connect(dsn, autocommit=True) as connection, running_host(settings) as host:
        world = World(settings, cosmos, host, source, connection)
        world.write("a")
        world.wait_for(verdict="healthy")
        yield world
    source.close()
    cosmos.stop()
    next(databases, None)


@pytest.fixture(autouse=True)
def healthy(world: World) -> Iterator[None]:
    """Nothing is wrong after each test."""
    yield
    world.wait_for(verdict="healthy")


def test_a_feed_in_which_nothing_is_written_is_not_late(world: World) -> None:
    """Nothing new is applied, and the lag is 0: the command says so, too."""
    accounts = read_status(world.operator)["containers"][0]

    assert (accounts["lag_seconds"], accounts["backlog"], accounts["lag_unknown"]) == (0.0, 0, None)
    assert accounts["last_applied_at"] is not None
    wait_until(lambda: world.shows(0, "HEALTHY at "), "the command says so, too")


def test_a_dead_host_is_told_from_an_idle_feed(world: World) -> None:
    """With nothing to deliver it is a note. While writes go on, another host and the command say how many wait."""
    with running_host({**world.settings, "MIGRATION_PHASE": "0", "DataMigration__Phase": "0"}) as other, killed(world):
        watcher = Operator(other.url, "key")
        idle = ("lease_unrenewed", "Accounts")
        wait_until(lambda: idle in world.look(watcher)[1], "nobody renews the leases")
        assert world.look(watcher)[0] == "degraded"  # the other host's phase differs
        wait_until(lambda: world.shows(0, "NOTE  lease_unrenewed Accounts"), "the command says so")

        for number in range(30):
            world.source.write("Accounts", an_account(f"dead{number}"))

        dead = ("feed_dead", "Accounts")
        wait_until(lambda: dead in world.look(watcher)[1], "changes wait for too long")
        verdict, problems = world.look(watcher)
        assert (verdict, idle in problems) == ("stopped", False)
        assert watcher.ask("GET", "health/ready")[0] == 503
        wait_until(lambda: world.shows(1, "STOPPED  feed_dead Accounts, since"), "the command says so")
        (accounts,) = [each for each in world.read().containers if each.container == "Accounts"]
        assert accounts.backlog == 30


@contextmanager
def killed(world: World) -> Iterator[None]:
    """Kill the host, and start it again at the end of the block."""
    world.host.kill()
    try:
        yield
    finally:
        world.host.start()


def test_cosmos_that_is_frozen(world: World) -> None:
    """Both answer while it is frozen, and name it."""
    with frozen(world.cosmos.pid):
        assert world.look() == ("stopped", {("cosmos_unreachable", None)})
        assert not world.is_ready()


def test_postgres_that_is_frozen(world: World, postgres_server: Postgres) -> None:
    """Then there is nothing to say of the containers, but why."""
    with frozen_postgres(postgres_server):
        code, status = world.operator.ask("GET", "status")
        assert not world.is_ready()

    if code == 200:  # on a busy machine the request may end before PostgreSQL is blamed
        assert [each["code"] for each in status["problems"]] == ["postgres_unreachable"]
        assert (status["verdict"], status["containers"]) == ("stopped", [])


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"COSMOS_CONNECTION": f"AccountEndpoint=http://{NOWHERE}/;AccountKey={EMULATOR_KEY};"}, "cosmos_unreachable"),
        ({"COSMOS_CONNECTION": "AccountEndpoint={cosmos};AccountKey=c2VjcmV0;"}, "cosmos_refused"),
        ({"POSTGRES_CONNECTION": f"postgresql://app@{NOWHERE}/app?sslmode=disable"}, "postgres_unreachable"),
        ({"POSTGRES_CONNECTION": "{unknown}"}, "postgres_refused"),
        ({"LEASE_CONTAINER": "gone"}, "setup_incomplete"),
        ({"MIGRATION_PHASE": "3", "DataMigration__Phase": "3"}, "phase_mismatch"),
    ],
    ids=["cosmos away", "wrong key", "postgres away", "no such database", "no lease container", "phase 3"],
)
def test_settings_that_are_wrong(world: World, changed: dict[str, str], code: str) -> None:
    """Each is one problem, and stops all."""
    places = {"cosmos": world.cosmos.url, "unknown": make_conninfo(world.settings["POSTGRES_CONNECTION"], dbname="x")}
    status = world.read(**{name: value.format(**places) for name, value in changed.items()})

    assert status.verdict == "stopped"
    assert [each.code for each in status.problems] == [code]


def test_a_lease_that_is_deleted(world: World) -> None:
    """Its part of the feed has no lease, until there is one again."""
    with CosmosClient.from_connection_string(world.settings["COSMOS_CONNECTION"]) as client:
        leases = open_leases(world, client)
        rid = world.source.containers["Accounts"].read()["_rid"]
        lease = dict(next(each for each in leases.read_all_items() if f"_{rid}.." in each["id"]))
        leases.delete_item(lease["id"], lease["id"])

        world.wait_for(("lease_missing", "Accounts"), verdict="stopped")

        leases.create_item({name: value for name, value in lease.items() if not name.startswith("_")})


def open_leases(world: World, client: CosmosClient) -> ContainerProxy:
    """Open the lease container."""
    return client.get_database_client(world.settings["LEASE_DATABASE"]).get_container_client(
        world.settings["LEASE_CONTAINER"]
    )


def test_a_batch_that_keeps_failing(world: World) -> None:
    """A session holds a lock, and the statement that waits for it fails: that is told before the feed is late."""
    waiting = "select pg_cancel_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = %s"
    name = world.connection.info.dbname
    with psycopg.connect(world.connection.info.dsn) as other:
        other.execute("lock table accounts")
        world.source.write("Accounts", an_account("locked"))
        wait_until(lambda: bool(world.connection.execute(waiting, [name]).fetchall()), "a batch waits")

        world.wait_for(("feed_failing", "Accounts"), verdict="degraded")
        assert "(57014)" in world.read().problems[0].message


def test_a_container_that_is_paused(world: World) -> None:
    """It is no failure, but somebody must end it."""
    assert world.operator.ask("POST", "containers/Accounts/pause", {"reason": "a rehearsal"})[0] == 200

    world.wait_for(("paused", "Accounts"), verdict="degraded")

    assert world.operator.ask("POST", "containers/Accounts/resume")[0] == 200


def test_a_letter_of_a_day(world: World) -> None:
    """A parked document is a problem, and another one when nobody has cared for it for a day."""
    world.write("poison", Email=None)
    world.wait_for(("letters", "Accounts"), verdict="degraded")

    (number,) = world.connection.execute("select number from cdc.dead_letter").fetchone() or ()
    wait_until(lambda: world.shows(1, f"Dead letter {number}: mapping at $.Email: "), "the command says why")
    world.connection.execute("update cdc.dead_letter set parked_at = parked_at - interval '25 hours'")

    world.wait_for(("letters", "Accounts"), ("letter_old", "Accounts"), verdict="degraded")
    world.write("poison")


def test_a_type_that_no_mapper_takes(world: World) -> None:
    """Its documents have no rows."""
    world.write("order", **{"$type": "SalesOrder"})

    world.wait_for(("unmapped_type", "Accounts"), verdict="degraded")

    world.write("order")
