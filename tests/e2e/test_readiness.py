"""Readiness says no for the right reason, and yes when that is mended, on one running stack for all checks."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from azure.cosmos import CosmosClient

from cdc.config.settings import Settings
from cdc.runtime import Runtime
from local.cosmos import CosmosServer
from local.operator import Operator
from local.postgres import Postgres
from local.sample import Source
from local.stack import make_settings
from mappers import APPLICATION_SQL, MAPPERS
from tests.builders import a_profile, a_score, a_session, an_account
from tests.commands import prepare, run_command
from tests.e2e.conftest import let_age, running_host, wait_until

RUNS = 2
EACH = {mapper.container for mapper in MAPPERS}


@dataclass
class World:
    """The running stack, and what an operator sees of it."""

    settings: dict[str, str]
    cosmos: CosmosServer
    source: Source
    operator: Operator
    connection: psycopg.Connection[Any]
    at_first: dict[str, set[str | None]] = field(default_factory=dict)

    def fails(self, to: int = 2, *, anew: bool = True, **changed: str) -> dict[str, set[str | None]]:
        """Return the names of the failed checks with their containers, with these settings changed."""
        runtime = Runtime(Settings.read(self.settings | changed), MAPPERS, APPLICATION_SQL)
        try:
            failed: dict[str, set[str | None]] = {}
            for check in runtime.readiness.check(to, anew=anew):
                assert check.passed == (check.remedy is None), check
                if not check.passed:
                    failed.setdefault(check.name, set()).add(check.container)
            return failed
        finally:
            runtime.close()

    def write(self, container: str, document: dict[str, Any]) -> None:
        """Write a document, and wait until the feed has brought it."""
        etag = self.source.write(container, document)["_etag"]
        arrived = "select from cdc.document where etag = %s union all select from cdc.dead_letter where etag = %s"
        wait_until(lambda: bool(self.connection.execute(arrived, [etag, etag]).fetchall()), "it has arrived")

    def reconcile(self, **request: object) -> None:
        """Run a reconcile of everything that is old enough by now, to its end."""
        let_age(self.cosmos, self.settings, 10)
        status, accepted = self.operator.ask("POST", "reconciliations", request)
        assert status == 202, accepted
        path = f"reconciliations/{accepted['id']}"
        wait_until(lambda: self.operator.ask("GET", path)[1]["state"] != "running", "the reconcile is over")
        assert self.operator.ask("GET", path)[1]["state"] == "completed"


@pytest.fixture(scope="module")
def world(postgres_server: Postgres) -> Iterator[World]:
    """A stack that was empty, is filled and copied, and is ready for phase 2."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as server:
        server.execute(f'create database "{name}" template migrated')
    with (
        CosmosServer(port=0, physical_partitions=2) as cosmos,
        psycopg.connect(postgres_server.dsn(name), autocommit=True) as connection,
    ):
        settings = make_settings(cosmos.connection_string, postgres_server.dsn(name)) | {
            "READINESS_CLEAN_RUNS": str(RUNS),
            "READINESS_SETTLE_SECONDS": "0",
            "RECONCILE_INTERVAL_SECONDS": "86400",
        }
        prepare(settings)
        source = Source.open(settings["COSMOS_CONNECTION"], settings["COSMOS_DATABASE"])
        with running_host(settings) as host:
            world = World(settings, cosmos, source, Operator(host.url, "key"), connection)
            _make_ready(world)
            yield world
        source.close()


def _make_ready(world: World) -> None:
    """Write a document of each container, note what is missing at first, and do it."""
    world.write("Accounts", an_account("a"))
    world.write("UserProfiles", a_profile("p", AccountId="a"))
    world.write("GameSessions", a_session("s", accountId="a"))
    world.write("PlayerScenarioScores", a_score("c", GameSessionId="s"))
    world.at_first = world.fails(anew=False)
    backfill = world.operator.ask("POST", "backfills", {"unlimited": True})[1]["status_url"].removeprefix("/api/")
    wait_until(lambda: world.operator.ask("GET", backfill)[1]["state"] == "completed", "everything is copied")
    for _ in range(RUNS):
        world.reconcile(mode="keys")
    assert world.fails() == {}


@contextmanager
def spoiled(world: World, statement: str, mend: str) -> Iterator[None]:
    """Change the database by hand, and change it back."""
    world.connection.execute(statement)
    yield
    world.connection.execute(mend)


@contextmanager
def ledger_locked(world: World) -> Iterator[None]:
    """Let nobody write to the ledger."""
    with world.connection.transaction():
        world.connection.execute("lock cdc.document in exclusive mode")
        yield


def test_what_was_never_done_is_missing(world: World) -> None:
    """Before the backfill and the first reconcile: each container lacks them, and no rule was measured."""
    rules = {f"rule {rule.name}": {mapper.container} for mapper in MAPPERS for rule in mapper.rules}
    done_by_somebody = ("backfill", "drift", "clean runs", "unclaimed rows", "full comparison")
    coverage = world.at_first.pop("feed coverage", set())

    assert world.at_first == rules | dict.fromkeys(done_by_somebody, EACH)
    assert coverage <= EACH


def test_a_backfill_that_is_not_finished(world: World) -> None:
    """What it is still to copy may be missing."""
    with ledger_locked(world):
        started = world.operator.ask(
            "POST", "backfills", {"containers": ["Accounts"], "reapply": True, "unlimited": True}
        )[1]["id"]
        assert world.fails() == {"backfill": {"Accounts"}}

    wait_until(lambda: world.operator.ask("GET", f"backfills/{started}")[1]["state"] == "completed", "it is over")
    assert world.fails() == {"full comparison": {"Accounts"}}
    world.reconcile(containers=["Accounts"], mode="keys")
    assert world.fails() == {}


def test_lag(world: World) -> None:
    """A batch cannot be written: its changes stay in the feed, and grow old."""
    with ledger_locked(world):
        world.source.write("Accounts", an_account("late", Email="late@example.com"))
        world.cosmos.controls.clock.advance(600)
        assert world.fails(anew=False) == {"lag": {"Accounts"}}

    wait_until(lambda: world.fails(anew=False) == {}, "the feed has caught up")


def test_a_parked_document(world: World) -> None:
    """Until a right version of it arrives, or somebody accepts that it is missing."""
    world.write("Accounts", an_account("parked", Email=None))
    assert world.fails() == {"dead letters": {"Accounts"}}

    letter = world.operator.ask("GET", "dead-letters")[1]["items"][0]["id"]
    assert world.operator.ask("DELETE", f"dead-letters/{letter}")[0] == 200
    assert world.fails() == {}

    world.write("Accounts", an_account("parked", Email="parked@example.com"))
    assert world.fails() == {}


def test_drift_and_the_clean_runs_after_it(world: World) -> None:
    """Unresolved drift; then resolved, but too few clean runs and no comparison of all keys since; then enough."""
    world.connection.execute("update accounts set display_name = 'by hand' where id = 'a'")
    world.reconcile(containers=["Accounts"], mode="deep", repair=False)
    assert world.fails() == {name: {"Accounts"} for name in ("drift", "clean runs", "full comparison")}

    world.reconcile(containers=["Accounts"], mode="deep")
    assert world.fails() == {"clean runs": {"Accounts"}}

    world.reconcile(containers=["Accounts"])
    assert world.fails() == {}


def test_a_row_that_no_document_claims(world: World) -> None:
    """Found by the next reconcile, and gone in the one after it was deleted."""
    insert = "insert into accounts (id, email) values ('by hand', 'x@example.com')"
    with spoiled(world, insert, "delete from accounts where id = 'by hand'"):
        world.reconcile(containers=["Accounts"])
        assert world.fails() == {"unclaimed rows": {"Accounts"}}

    world.reconcile(containers=["Accounts"])
    assert world.fails() == {}


def test_an_unmapped_type(world: World) -> None:
    """Somebody accepts it by a setting, for this container alone; or it is gone."""
    order = an_account("order", **{"$type": "SalesOrder"})
    world.write("Accounts", order)
    assert world.fails() == {"unmapped types": {"Accounts"}}
    assert world.fails(READINESS_ACCEPTED_TYPES="UserProfiles:SalesOrder") == {"unmapped types": {"Accounts"}}
    assert world.fails(READINESS_ACCEPTED_TYPES="Other:X, Accounts:SalesOrder") == {}

    world.write("Accounts", an_account("order", Email="order@example.com"))
    assert world.fails() == {}


def test_a_part_of_the_feed_without_a_lease(world: World) -> None:
    """The lag is not known then, either."""
    with CosmosClient.from_connection_string(world.settings["COSMOS_CONNECTION"]) as client:
        database = client.get_database_client(world.settings["LEASE_DATABASE"])
        leases = database.get_container_client(world.settings["LEASE_CONTAINER"])
        rid = world.source.containers["UserProfiles"].read()["_rid"]
        lease = next(each for each in leases.read_all_items() if each["id"].endswith(f"_{rid}..0"))
        leases.delete_item(lease["id"], lease["id"])
        assert world.fails() == {"feed coverage": {"UserProfiles"}, "lag": {"UserProfiles"}}

        leases.upsert_item({name: value for name, value in lease.items() if not name.startswith("_")})
    wait_until(lambda: world.fails() == {}, "the lease is there again")


def test_a_duplicate_email(world: World) -> None:
    """Cosmos allows it, a unique index does not."""
    world.write("Accounts", an_account("twin", Email=an_account("a")["Email"]))
    assert world.fails() == {"rule ix_accounts_email": {"Accounts"}}

    world.write("Accounts", an_account("twin", Email="twin@example.com"))
    assert world.fails(anew=False) == {"rule ix_accounts_email": {"Accounts"}}
    assert world.fails() == {}


def test_an_orphaned_session(world: World) -> None:
    """Its account is gone, or not there yet."""
    world.write("GameSessions", a_session("orphan", accountId="later"))
    assert world.fails() == {"rule fk_game_sessions_accounts": {"GameSessions"}}

    world.write("Accounts", an_account("later", Email="later@example.com"))
    assert world.fails() == {}


def test_a_missing_index(world: World) -> None:
    """The remedy is the statement that makes it."""
    query = "select pg_get_indexdef('ix_accounts_lower_email'::regclass)"
    ((definition,),) = world.connection.execute(query).fetchall()
    with spoiled(world, "drop index ix_accounts_lower_email", definition):
        assert world.fails() == {"look-ups": {"Accounts"}}

    assert world.fails() == {}


def test_a_paused_container(world: World) -> None:
    """Nothing of it arrives."""
    pause = "insert into cdc.pause (container, reason, source, positions) values ('Accounts', 'why', 'operator', '{}')"
    with spoiled(world, pause, "delete from cdc.pause"):
        assert world.fails() == {"pause": {"Accounts"}}

    assert world.fails() == {}


def test_a_phase_that_began_just_now(world: World) -> None:
    """Its faults may show only later."""
    hour = {"READINESS_SETTLE_SECONDS": "3600"}
    assert world.fails(**hour) == {"settle time": {None}}

    with spoiled(world, "update cdc.phase set since = now() - interval '1 hour'", "update cdc.phase set since = now()"):
        assert world.fails(**hour) == {}


def test_a_measurement_that_is_too_old(world: World) -> None:
    """What was true yesterday proves nothing."""
    world.connection.execute("update cdc.measurement set measured_at = now() - interval '1 day' where name ~ 'email'")
    assert world.fails(anew=False) == {"rule ix_accounts_email": {"Accounts"}}

    world.connection.execute(
        "update cdc.maintenance set done_at = now() - interval '1 day' where part = 'measurements'"
    )
    wait_until(lambda: world.fails(anew=False) == {}, "the timer has measured")


def test_a_reconcile_that_is_too_old(world: World) -> None:
    """Since then both sides may have come apart."""
    ago = "update cdc.reconciliation set finished_at = finished_at {} interval '1 day' where container = 'Accounts'"
    with spoiled(world, ago.format("-"), ago.format("+")):
        assert world.fails() == {"drift": {"Accounts"}, "unclaimed rows": {"Accounts"}}

    assert world.fails() == {}


def test_a_reconcile_that_stopped_because_too_much_differs(world: World) -> None:
    """It did not look at the rest, whatever it has repaired."""
    stopped = "update cdc.reconciliation set report = report {} where container = 'GameSessions' and report ? 'keys'"
    mend = stopped.format("- 'ended_early'")
    with spoiled(world, stopped.format("""|| '{"ended_early": "too_much_differs"}'"""), mend):
        assert world.fails() == {name: {"GameSessions"} for name in ("drift", "clean runs", "full comparison")}

    assert world.fails() == {}


def test_a_container_that_was_adopted_needs_all_of_it_again(world: World) -> None:
    """The copy and the comparison are of another container's documents."""
    changed = "update cdc.container set mode_changed_at = {} where container = 'UserProfiles'"
    with spoiled(world, changed.format("now()"), changed.format("null")):
        failed = world.fails()
        assert failed == {"backfill": {"UserProfiles"}, "full comparison": {"UserProfiles"}}

    assert world.fails() == {}


def test_a_setup_that_fails(world: World) -> None:
    """It is needed in phase 1 already; the leases of another name are none of ours."""
    with spoiled(world, "alter table user_badges rename to other", "alter table other rename to user_badges"):
        assert world.fails(to=1) == {"setup": {None}}

    assert world.fails(to=1) == {}
    assert world.fails(to=0) == {}


def test_a_store_that_does_not_answer_hides_what_nobody_can_know(world: World) -> None:
    """Only the setup is told: the rest would be guesses."""
    assert world.fails(COSMOS_CONNECTION="AccountEndpoint=http://127.0.0.1:9/;AccountKey=c2VjcmV0;") == {
        "setup": {None}
    }


def test_it_is_told_over_http_and_on_the_command_line(world: World) -> None:
    """The same checks; the exit code is for a script."""
    status, report = world.operator.ask("GET", "readiness")

    assert (status, report["to"], report["phase"]) == (200, 2, "dual_write_postgres_read")
    assert report["ready"], [check for check in report["checks"] if not check["passed"]]
    assert world.operator.ask("GET", "readiness?to=4")[0] == 400
    assert "cut-over" in world.operator.ask("GET", "readiness?to=3")[1]["note"]
    with spoiled(world, "delete from cdc.measurement", "select"):
        assert not world.operator.ask("GET", "readiness?to=2")[1]["ready"]
        assert _run(world) == (1, "not ready for phase 2, dual_write_postgres_read")
    assert _run(world, "--anew") == (0, "ready for phase 2, dual_write_postgres_read")


def _run(world: World, *arguments: str) -> tuple[int, str]:
    """Run the command; return its exit code and last line."""
    done = run_command("readiness", *arguments, settings=world.settings)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()[-1]
