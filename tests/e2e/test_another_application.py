"""The app with the mappers and migrations of another application: the engine brings nothing of ours."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from local.cosmos import CosmosServer
from local.oracle.compare import compare_settings
from local.patience import PATIENCE_SECONDS
from local.sample import Source
from local.stack import Part, make_settings, prepare
from tests.e2e.conftest import Query, running_host, wait_until
from tests.e2e.test_reconcile import run as reconcile
from tests.example import CONTAINERS, make_app

ORDER = {"id": "one", "customerId": "c", "type": "order", "total": 12.5, "placedAt": 1_766_000_000, "labels": ["a,b"]}
REFUND = {"id": "three", "customerId": "c", "type": "refund", "amount": "0.50", "paidAt": "2026-01-09T12:00+02:00"}
VISIT = {"id": "v", "tenantId": "s", "visitorId": "x", "seconds": 9007199254740993}
LINE = {"lineId": "0B5C3BD48A0E4B8C9D0A3F1E5A6B7C8D", "price": 1.25}
# What is changed by hand, and what the comparison says of it.
DIFFERENCES = {
    "update orders set placed_at = placed_at + interval '1 microsecond'": "edited   orders one: orders.placed_at",
    "update order_lines set price = 1.26": (
        "child    orders one: order_lines.price of 0b5c3bd4-8a0e-4b8c-9d0a-3f1e5a6b7c8d"
    ),
    "update refunds set amount = 0.51 where id = 'three'": "edited   orders three: refunds.amount",
    "insert into refunds (id, amount) values ('one', 1)": (
        "extra    orders one: a row in refunds that no document maps to"
    ),
    "insert into order_lines values ('two', gen_random_uuid(), 1)": (
        "extra    orders two: a row in order_lines that no document maps to"
    ),
    "delete from visits where tenant_id = 's'": "missing  visits v: no row in visits",
    "insert into visits (tenant_id, id) values ('u', 'v')": (
        "extra    visits u, v: a row in visits that no document maps to"
    ),
    "update cdc.document set state = 'applied', unmapped_type = null where id = '\"x\"'": (
        "type     orders x: the ledger has another opinion whether it is mapped"
    ),
}


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


def test_its_documents_arrive_in_its_tables_and_none_of_ours_is_made(
    app: Path, settings: Mapping[str, str], source: Source, host: Part, query: Query
) -> None:
    """Setup, check, two types in one container, one that changes its type, a poison document, and an unmapped one.

    The comparison says that its list has no fields of these containers; the list of the example has them.
    """
    for document in (
        ORDER | {"lines": [LINE]},
        ORDER | {"id": "two"},
        ORDER | {"id": "bad", "total": 12.345},
        ORDER | {"id": "x", "type": "y"},
        REFUND,
    ):
        source.write("orders", document)
    for tenant in ("s", "t"):
        source.write("visits", VISIT | {"tenantId": tenant})
    wait_until(lambda: query("select count(*) from cdc.document") == [(7,)], "all are in the ledger")
    source.write("orders", ORDER | {"total": 13, "lines": [LINE]})
    source.write("orders", REFUND | {"id": "two"})
    wait_until(lambda: query("select total::text from orders") == [("13.00",)], "the changes are there")

    states = dict(query("select id, state from cdc.document where container = 'orders'"))
    assert states == {
        **dict.fromkeys(('"one"', '"two"', '"three"'), "applied"), '"bad"': "parked", '"x"': "unmapped"
    }  # fmt: skip
    assert query("select id, labels, extract(epoch from placed_at)::bigint from orders") == [
        ("one", ["a,b"], 1_766_000_000)
    ]
    assert query("select id, amount::text from refunds order by id") == [("three", "0.50"), ("two", "0.50")]
    assert query("select tenant_id, id from visits order by 1") == [("s", "v"), ("t", "v")]
    assert query("select path from cdc.dead_letter") == [("$.total",)]
    tables = query("select tablename from pg_tables where schemaname = 'public' order by 1")
    assert tables == [("order_lines",), ("orders",), ("refunds",), ("visits",)]
    assert query("select number, name from cdc.application_migration") == [(1, "0001_orders")]

    checked = run(app, settings, "cdc", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "ok    tables of orders" in checked.stdout
    assert "note  orders: unmapped documents of type y: 1; no mapper takes them" in checked.stdout
    status = run(app, settings, "cdc", "status").stdout
    assert "orders: applied by type: 1 in public.orders, 2 in public.refunds" in status

    reconciled = reconcile(host, mode="deep")
    assert {each["container"]: sum(each["drift"].values()) for each in reconciled["containers"]} == {
        "orders": 0, "visits": 0,
    }  # fmt: skip
    query("update refunds set amount = 1 where id = 'two' returning 1")
    found = []

    def is_found() -> bool:  # a document that changed within the settle time is not judged yet
        (orders,) = reconcile(host, mode="deep", repair=True, containers=["orders"])["containers"]
        found.append((orders["drift"]["different"], orders["drift_by_table"]))
        return found[-1][0] > 0

    wait_until(is_found, "the reconcile has found the changed row")
    assert found[-1] == (1, {"public.refunds": 1})
    assert query("select distinct amount::text from refunds") == [("0.50",)]

    compared = compare_settings(settings)
    done = run(Path(), settings, "local.compare")
    assert (compared.containers, compared.unlisted) == (0, ["orders", "visits"])
    assert done.returncode == 2, done.stdout + done.stderr
    assert "orders was not compared" in done.stdout
    done = run(Path(), settings, "local.compare", "--mappers", "example")
    assert (done.returncode, done.stdout) == (
        0, "compare: 7 documents in 2 containers, 6 rows, 1 parked, 0 differences\n"
    )  # fmt: skip
    for statement in DIFFERENCES:
        query(f"{statement} returning 1")
    assert sorted(map(str, compare_settings(settings, "example").differences)) == sorted(DIFFERENCES.values())
    query("select 1; drop table refunds")
    with pytest.raises(psycopg.errors.UndefinedTable):  # the other type of the container is not left out in silence
        compare_settings(settings, "example")
