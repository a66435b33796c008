"""docs/schema-changes.md, word for word: columns are added, renamed, split and retyped while documents change."""

import re
import threading
import time
from collections import Counter
from decimal import Decimal
from itertools import count
from pathlib import Path
from random import Random

import psycopg
import pytest
from pydantic import BaseModel
from sqlalchemy import Column, MetaData, Numeric, Table, Text

from cdc.config.settings import Phase, Settings
from cdc.core.errors import TransientError
from cdc.core.mapping import Mapper, Read, Rows
from cdc.operations.migrations import find_missing, migrate, read_migrations
from cdc.operations.table_check import check_tables
from cdc.postgres.database import Database
from cdc.postgres.gate import record_first
from cdc.runtime import Runtime
from local import roles
from local.patience import PATIENCE_SECONDS
from local.sample import DATABASE, Source
from local.stack import make_settings
from tests.integration.backfill.test_copying import ask, work

PAGE = (Path(__file__).parents[2] / "docs/schema-changes.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```sql sql/application/NNNN_(\w+)\.sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
FIRST = """
create table public.orders (id text primary key, buyer text not null, full_name text not null, total text not null)
"""
OLD = {"buyer": Text, "full_name": Text, "total": Text}
NEW = {"currency": Text, "customer_id": Text, "first_name": Text, "last_name": Text, "amount": Numeric(12, 2)}
DOCUMENTS = 60
DELIVERIES = 6


class Order(BaseModel):
    """An order as a document."""

    id: str
    buyer: str
    name: str
    total: str
    currency: str


class OrderReader:
    """Reads every document as an order."""

    types = frozenset({"Order"})

    def read(self, body):
        """Return the document as its model."""
        return Read(Order.model_validate(body))


def values_of(order):
    """Return every column that an order ever had."""
    first, last = order.name.split(" ")
    return {
        "buyer": order.buyer,
        "full_name": order.name,
        "total": order.total,
        "currency": order.currency,
        "customer_id": order.buyer,
        "first_name": first,
        "last_name": last,
        "amount": Decimal(order.total),
    }


def a_mapper(columns):
    """Return the mapper of a version that writes these columns."""
    table = Table(
        "orders",
        MetaData(schema="public"),
        Column("id", Text, primary_key=True),
        *(Column(name, type_) for name, type_ in columns.items()),
    )

    def rows(order):
        values = values_of(order)
        return Rows(root={"id": order.id, **{name: values[name] for name in columns}})

    return Mapper(container="orders", reader=OrderReader(), tables=(table,), rows=rows)


class World:
    """Cosmos, PostgreSQL, and whoever writes and reads all the time; `hosts` are the running versions."""

    def __init__(self, cosmos, dsn, folder):
        self.folder = folder
        self.numbers = count(1)
        self.cosmos = cosmos
        self.logins = roles.create(dsn)
        self.owner = Database(self.logins.owner)
        self.release("orders", FIRST)
        record_first(self.owner, Phase.DUAL_WRITE_COSMOS_READ)
        roles.grant(self.logins)
        self.source = Source.open(cosmos.connection_string, DATABASE, {"orders": "/buyer"})
        self.random = Random(7)
        self.hosts, self.opened = [], []
        self.query = "select id, buyer, full_name, total from orders"
        self.delivered, self.reads, self.failures = Counter(), 0, []
        self.documents = {}
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._try, args=[act]) for act in (self._write, self._read)]

    def release(self, name, statements):
        """Add a migration, and apply it as the owner."""
        (self.folder / f"{next(self.numbers):04}_{name}.sql").write_text(statements, encoding="utf-8")
        migrate(self.owner, read_migrations(self.folder))

    def start(self, columns):
        """Start a host of a version beside those that run; its checks must pass."""
        settings = make_settings(self.cosmos.connection_string, self.logins.writer)
        mapper = a_mapper(columns)
        runtime = Runtime(Settings.read(settings), [mapper], self.folder)
        self.opened.append(runtime)
        self.hosts = [*self.hosts, (runtime, mapper)]
        self.check()

    def check(self):
        """Look at what every running version demands of the database."""
        database = Database(self.logins.writer)
        assert find_missing(database, read_migrations(self.folder)) == []
        assert [problem for _, mapper in self.hosts for problem in check_tables(database, mapper)] == []
        database.close()

    def stop_oldest(self):
        """Stop the version that runs longest, between two of its batches."""
        self.hosts = self.hosts[1:]
        self.let_go_on()

    def let_go_on(self):
        """Wait until every running version has written, and the reader has read, several times."""
        hosts, reads, before = self.hosts, self.reads, self.delivered.copy()
        end = time.monotonic() + PATIENCE_SECONDS
        while not self.failures and (
            self.reads < reads + DELIVERIES
            or any(self.delivered[id(runtime)] < before[id(runtime)] + DELIVERIES for runtime, _ in hosts)
        ):
            assert time.monotonic() < end
            time.sleep(0.02)
        assert self.failures == []

    def reapply(self):
        """Run the backfill of the page with the newest version."""
        runtime, _ = self.hosts[-1]
        done = work(runtime, ask(runtime, containers=["orders"], reapply=True))
        assert (done["state"], done["totals"]["parked"]) == ("completed", 0)

    def find_differences(self, columns):
        """Compare every document with its row, once nobody writes."""
        with psycopg.connect(self.logins.administrator) as connection, connection.cursor() as cursor:
            cursor.execute(f"select id, {', '.join(columns)} from orders")
            rows = {row[0]: row[1:] for row in cursor.fetchall()}
            assert connection.execute("select count(*) from cdc.dead_letter").fetchone() == (0,)
        wanted = {
            id_: tuple(values_of(Order.model_validate(body))[name] for name in columns)
            for id_, body in self.documents.items()
        }
        return [id_ for id_ in wanted.keys() | rows.keys() if wanted.get(id_) != rows.get(id_)]

    def end(self):
        """Stop whoever writes and reads."""
        self.over.set()
        for thread in self.threads:
            thread.join()
        assert self.failures == []

    def close(self):
        """Close everything."""
        self.over.set()
        for thread in self.threads:
            if thread.is_alive():
                thread.join()
        for runtime in self.opened:
            runtime.close()
        self.owner.close()
        self.source.close()

    def _try(self, act):
        try:
            act()
        except Exception as error:  # noqa: BLE001 - the test says so
            self.failures.append(error)

    def _write(self):
        """Change documents, read the feed, and let one of the running versions apply what it brings."""
        container, continuation = self.source.containers["orders"], None
        while not self.over.is_set():
            for _ in range(3):
                self._change()
            where = {"start_time": "Beginning"} if continuation is None else {"continuation": continuation}
            items = list(container.query_items_change_feed(**where))
            continuation = container.client_connection.last_response_headers["etag"]
            runtime, mapper = self.random.choice(self.hosts)
            outcome = runtime.delivery.apply(mapper, items)
            if outcome.problems:
                self.failures.append(outcome.problems)
            self.delivered[id(runtime)] += 1

    def _change(self):
        number = self.random.randrange(DOCUMENTS)
        document = {
            "id": f"o{number}",
            "buyer": f"b{number}",
            "name": f"{self.random.choice(['Ada', 'Grace'])} {self.random.choice(['Lovelace', 'Hopper'])}",
            "total": f"{self.random.randrange(10_000) / 100:.2f}",
            "currency": self.random.choice(["EUR", "ZAR"]),
        }
        self.documents[document["id"]] = self.source.write("orders", document)

    def _read(self):
        """Ask the same prepared query again and again, on one connection."""
        with psycopg.connect(self.logins.reader, autocommit=True) as connection:
            while not self.over.is_set():
                for row in connection.execute(self.query, prepare=True).fetchall():
                    if None in row:
                        self.failures.append(f"a reader sees no value in {row}")
                self.reads += 1
                time.sleep(0.005)


@pytest.fixture
def world(cosmos, empty_dsn, tmp_path):
    """The world before the first change."""
    world = World(cosmos, empty_dsn, tmp_path)
    yield world
    world.close()


def test_columns_change_under_live_writes(world):
    """Expand, reapply, contract: no batch fails, no reader sees an error or a null, and no row differs."""
    world.start(OLD)
    for thread in world.threads:
        thread.start()
    world.let_go_on()

    world.release("expand_orders", BLOCKS["expand_orders"])
    world.check()
    world.let_go_on()
    world.start(OLD | NEW)
    world.let_go_on()
    world.stop_oldest()
    world.reapply()
    world.query = f"select id, {', '.join(NEW)} from orders"
    world.let_go_on()

    world.release("release_old_columns", BLOCKS["release_old_columns"])
    world.check()
    world.start(NEW)
    world.let_go_on()
    world.stop_oldest()

    world.release("drop_old_columns", BLOCKS["drop_old_columns"])
    world.check()
    world.let_go_on()
    world.end()
    assert len(world.documents) > DOCUMENTS / 2
    assert world.find_differences(NEW) == []


def test_without_the_reapply_rows_of_the_old_version_lack_the_new_columns(world):
    """Why the page demands it, after the last host of the old version."""
    world.start(OLD)
    for thread in world.threads:
        thread.start()
    world.let_go_on()
    world.release("expand_orders", BLOCKS["expand_orders"])
    world.start(OLD | NEW)
    world.let_go_on()
    world.end()

    assert world.find_differences(OLD) == []
    assert world.find_differences(NEW) != []
    world.hosts = world.hosts[1:]
    world.reapply()
    assert world.find_differences(OLD | NEW) == []


def test_a_migration_that_waits_for_somebody_gives_up_and_stops_nobody(world):
    """The table is busy for long: within a second `migrate` says so, nothing is changed, and a second run works."""
    world.start(OLD)
    for thread in world.threads:
        thread.start()
    world.let_go_on()
    with psycopg.connect(world.logins.reader) as busy:
        busy.execute("select from orders")
        with pytest.raises(TransientError, match="55P03"):
            world.release("expand_orders", BLOCKS["expand_orders"])
        world.let_go_on()

    migrate(world.owner, read_migrations(world.folder))

    world.check()
    world.let_go_on()
    world.end()
    assert world.find_differences(OLD) == []
