"""The app with the mappers and migrations of another application: the engine brings nothing of ours."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from local.cosmos import CosmosServer
from local.oracle.compare import compare_settings
from local.patience import PATIENCE_SECONDS
from local.sample import Source
from local.stack import Part, make_settings, prepare
from tests.e2e.conftest import Query, running_host, wait_until
from tests.example import CONTAINERS, make_app

ORDER = {"id": "one", "customerId": "c", "type": "order", "total": 12.5, "placedAt": 1_766_000_000}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The folder of the other application."""
    return make_app(tmp_path)


@pytest.fixture
def settings(cosmos: CosmosServer, empty_dsn: str, app: Path) -> Mapping[str, str]:
    """The app's settings; roles, leases, tables and the one container are there."""
    return prepare(make_settings(cosmos.connection_string, empty_dsn), folder=app, containers=CONTAINERS)


@pytest.fixture
def dsn(empty_dsn: str) -> str:
    """Nothing of ours is in the database."""
    return empty_dsn


@pytest.fixture
def source(settings: Mapping[str, str]) -> Iterator[Source]:
    """The source database."""
    source = Source.open(settings["COSMOS_CONNECTION"], settings["COSMOS_DATABASE"], CONTAINERS)
    yield source
    source.close()


@pytest.fixture
def host(settings: Mapping[str, str], app: Path) -> Iterator[Part]:
    """The Functions host with the other application."""
    with running_host(settings, folder=app) as part:
        yield part


def run(app: Path, settings: Mapping[str, str], *command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in the folder of the app."""
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=app, env={**os.environ, **settings}, capture_output=True, text=True,
        check=False, timeout=PATIENCE_SECONDS,
    )  # fmt: skip


def test_its_documents_arrive_in_its_table_and_none_of_ours_is_made(
    app: Path, settings: Mapping[str, str], source: Source, host: Part, query: Query
) -> None:
    """Setup, check, a change, a poison document, and an unmapped one: all with its own mapper.

    The comparison keeps a list of its own: it says that it has no fields of this container.
    """
    for document in (
        ORDER,
        ORDER | {"id": "two"},
        ORDER | {"id": "bad", "total": "much"},
        ORDER | {"id": "x", "type": "y"},
    ):
        source.write("orders", document)
    wait_until(lambda: query("select count(*) from cdc.document") == [(4,)], "all four are in the ledger")
    source.write("orders", ORDER | {"total": 13})
    wait_until(lambda: query("select total::text from orders where id = 'one'") == [("13.00",)], "the change is there")

    states = dict(query("select id, state from cdc.document"))
    assert states == {'"one"': "applied", '"two"': "applied", '"bad"': "parked", '"x"': "unmapped"}
    assert query("select id, customer_id, total::text, placed_at from orders order by id") == [
        ("one", "c", "13.00", 1_766_000_000),
        ("two", "c", "12.50", 1_766_000_000),
    ]
    tables = query("select tablename from pg_tables where schemaname = 'public'")
    assert tables == [("orders",)]
    assert query("select number, name from cdc.application_migration") == [(1, "0001_orders")]

    checked = run(app, settings, "cdc", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "ok    tables of orders" in checked.stdout
    assert "note  orders: " in checked.stdout

    compared = compare_settings(settings)
    done = run(Path(), settings, "local.compare")
    assert (compared.containers, compared.unlisted) == (0, ["orders"])
    assert done.returncode == 2, done.stdout + done.stderr
    assert "orders was not compared" in done.stdout
