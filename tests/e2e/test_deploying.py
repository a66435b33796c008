"""What docs/deploying.md says of roles works, word for word, for everything that the app does."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from azure.cosmos import PartitionKey
from psycopg.conninfo import make_conninfo

from local.cosmos import CosmosServer
from local.operator import Operator
from local.postgres import Postgres
from local.sample import CONTAINERS, PARTITION_KEYS, Source
from local.stack import ROOT, make_settings
from tests.builders import an_account
from tests.commands import run_command
from tests.e2e.conftest import let_age, read_status, running_host, wait_until
from tests.e2e.test_reconcile import drift_of, run

PAGE = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
# As on a managed server: no superuser, but one that may create roles and owns the database.
MANAGED = ("create role manager login createrole", "create database mystiraapp owner manager")


class Site:
    """An empty server, deployed to as the page says; `app` is what the app connects with."""

    def __init__(self, server: Postgres, cosmos: CosmosServer) -> None:
        self.server = server
        with psycopg.connect(server.dsn(), autocommit=True) as superuser:
            for statement in MANAGED:
                superuser.execute(statement)
        self.superuser = server.dsn("mystiraapp")
        self.settings = make_settings(cosmos.connection_string, self.address_of("cdc_app"))
        self.run_script()
        self.create_logins()

    def address_of(self, login: str) -> str:
        """Return the database's address for a login."""
        return make_conninfo(self.superuser, user=login, password="...")

    def run_script(self) -> None:
        """Run what the command prints."""
        script = run_command("roles", settings={}).stdout
        with psycopg.connect(self.address_of("manager"), autocommit=True) as manager:
            manager.execute(script.encode())

    def create_logins(self) -> None:
        """Run the page's own statements."""
        (block,) = re.findall(r"^```\n(create role migrator .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        with psycopg.connect(self.address_of("manager"), autocommit=True) as manager:
            for statement in filter(str.strip, block.split(";")):
                manager.execute(statement)

    def command(self, *words: str, login: str = "cdc_app") -> list[str]:
        """Run a command of the app as a login; return its lines."""
        done = run_command(*words, settings={**self.settings, "POSTGRES_CONNECTION": self.address_of(login)})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    def ask(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        """Ask the database, past all roles."""
        with psycopg.connect(self.superuser) as superuser:
            return superuser.execute(query.encode(), parameters).fetchall()


@pytest.fixture
def site(cosmos: CosmosServer) -> Iterator[Site]:
    """The page followed up to the first start."""
    with Postgres() as server:
        site = Site(server, cosmos)
        Source.open(cosmos.connection_string, site.settings["COSMOS_DATABASE"]).close()
        site.command("setup", login="migrator")
        site.run_script()
        assert {line[:2] for line in site.command("check")} == {"ok"}
        yield site


@pytest.fixture
def source(site: Site) -> Iterator[Source]:
    """The source database."""
    source = Source.open(site.settings["COSMOS_CONNECTION"], site.settings["COSMOS_DATABASE"])
    yield source
    source.close()


def test_everything_that_the_app_does_works_in_the_documented_roles(
    cosmos: CosmosServer, site: Site, source: Source
) -> None:
    """Backfill, feed, letters, replay, resync, reconcile, status, adopt: as the writer, on the owner's tables."""
    for id_ in "abc":
        source.write("Accounts", an_account(id_))
    cosmos.controls.clock.advance(2)
    site.settings["CHANGE_FEED_START"] = datetime.fromtimestamp(cosmos.controls.clock(), UTC).isoformat()
    with running_host(site.settings) as host:
        operator = Operator(host.url, "key")
        _copy(operator)
        _replicate(site, source)
        _mend(site, source, operator)
        assert operator.resync("Accounts", "a", "a") == "already_applied"
        source.delete("Accounts", {"id": "b"})
        let_age(cosmos, site.settings, 60)
        report = run(host, mode="keys")
        assert (report["state"], drift_of(report)["orphaned"]) == ("completed", 1)
        assert site.ask("select id from accounts order by 1") == [("a",), ("c",), ("d",), ("e",)]
        assert operator.ask("GET", "health/ready")[0] == 200
        status = read_status(operator)
        assert {each["container"] for each in status["containers"]} == set(CONTAINERS)
        _check_sessions(site)
    _adopt(site, source)


def _copy(operator: Operator) -> None:
    status, accepted = operator.ask("POST", "backfills", {"max_request_units_per_second": 400})
    assert status == 202
    path = f"backfills/{accepted['id']}"
    wait_until(lambda: operator.ask("GET", path)[1]["state"] == "completed", "the backfill is over")
    assert operator.ask("GET", path)[1]["totals"]["applied"] == 3


def _replicate(site: Site, source: Source) -> None:
    source.write("Accounts", an_account("d"))
    wait_until(lambda: site.ask("select 1 from accounts where id = 'd'") != [], "the live feed has brought it")


def _mend(site: Site, source: Source, operator: Operator) -> None:
    """Park a document, show it, mend it, replay it."""
    source.write("Accounts", an_account("e", CreatedAt="yesterday"))
    wait_until(lambda: operator.ask("GET", "dead-letters")[1]["items"] != [], "it is parked")
    letters = operator.ask("GET", "dead-letters")[1]["items"]
    assert 'id "e"' in site.command("show", str(letters[0]["id"]))[0]
    source.write("Accounts", an_account("e"))
    operator.ask("POST", f"dead-letters/{letters[0]['id']}/replay")
    wait_until(lambda: site.ask("select 1 from accounts where id = 'e'") != [], "it is mended")


def _check_sessions(site: Site) -> None:
    """The app's sessions are of a login that is neither superuser nor owner, and owns nothing."""
    found = site.ask(
        "select distinct usename, rolsuper, pg_has_role(usename, 'mystiraapp_cdc_owner', 'member'),"
        " exists (select from pg_class where relowner = r.oid)"
        " from pg_stat_activity join pg_roles r on rolname = usename"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    assert found == [("cdc_app", False, False, False)]


def _adopt(site: Site, source: Source) -> None:
    """Replace a container in Cosmos and accept it."""
    database = source.client.get_database_client(site.settings["COSMOS_DATABASE"])
    database.delete_container("Accounts")
    database.create_container("Accounts", PartitionKey(PARTITION_KEYS["Accounts"]))
    assert site.command("adopt", "Accounts")[0].startswith("adopted Accounts")
    assert {line[:2] for line in site.command("check")} == {"ok"}
