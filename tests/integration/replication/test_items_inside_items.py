"""Items inside items, in tables that refer to each other: as Prisma makes them, a row with rows below stays."""

import pytest
from pydantic import BaseModel
from sqlalchemy import Column, Integer, MetaData, Table, Text

from cdc.core.documents import Reading
from cdc.core.mapping import Mapper, Read, Rows
from cdc.core.writes import Outcome
from cdc.repair.reread import Ending, retry
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from tests.builders import TS, a_change, a_version

SCHEMA = MetaData(schema="public")
orders = Table("orders", SCHEMA, Column("id", Text, primary_key=True))
KEY = ("order_id", "line_id", "part_id")
lines, parts = (
    Table(
        name,
        SCHEMA,
        *(Column(column, Text, primary_key=True) for column in KEY[:width]),
        Column("size", Integer),
    )
    for name, width in (("lines", 2), ("parts", 3))
)
CREATE = """
create table orders (id text primary key);
create table lines (
    order_id text, line_id text, size int, primary key (order_id, line_id),
    foreign key (order_id) references orders on delete restrict
);
create table parts (
    order_id text, line_id text, part_id text, size int, primary key (order_id, line_id, part_id),
    foreign key (order_id, line_id) references lines on delete restrict
);
grant select, insert, update, delete on orders, lines, parts to public
"""


class Order(BaseModel):
    """A document: the parts of each line."""

    id: str
    lines: dict[str, list[str]] = {}


class OrderReader:
    """Reads every document."""

    types = frozenset({"order"})

    def read(self, body):
        """Return a document as its model."""
        return Read(Order.model_validate(body))


def map_order(order):
    """Return the rows of a document."""
    named = [(order.id, line) for line in order.lines]
    inner = [(order.id, line, part) for line, found in order.lines.items() for part in found]
    return Rows(
        {"id": order.id},
        {
            "lines": [dict(zip(KEY, key, strict=False)) | {"size": 1} for key in named],
            "parts": [dict(zip(KEY, key, strict=True)) | {"size": 1} for key in inner],
        },
    )


ORDERS = Mapper(container="orders", reader=OrderReader(), tables=(orders, lines, parts), rows=map_order)


@pytest.fixture
def shop(observer):
    """The tables."""
    observer.connection.execute(CREATE)
    return observer


def order(id_, ts, **lines):
    """Build a version of an order."""
    return a_change(id_, container="orders", version=a_version(ts), body={"id": id_, "lines": lines})


def test_an_item_goes_with_all_that_is_inside_it(shop, sink):
    """What is below goes first, what is above comes first, in one batch and for several documents."""
    changes = [order("a", 1, x=["1", "2"], y=["1"]), order("b", 1, x=["1"])]
    assert replicate(ORDERS, changes, sink) == Outcome(applied=2)

    assert replicate(ORDERS, [order("a", 2, y=["2"], z=["1"]), order("b", 2)], sink) == Outcome(applied=2)

    assert [tuple(row.values())[:3] for row in shop.rows("parts")] == [("a", "y", "2"), ("a", "z", "1")]
    assert [tuple(row.values())[:2] for row in shop.rows("lines")] == [("a", "y"), ("a", "z")]
    gone = a_change("a", container="orders", version=a_version(3), body=None)
    assert replicate(ORDERS, [gone], sink) == Outcome(deleted=1)
    assert [shop.rows(table) for table in ("lines", "parts")] == [[], []]


class Source:
    """Answers with one document."""

    def __init__(self, change):
        self.body = change.body | {"_ts": change.version.ts, "_etag": change.version.etag}

    def read_document(self, _):
        """Return it as it is now."""
        return Reading(self.body, TS + 1_000)


@pytest.mark.parametrize("action", ["no action", "restrict", "cascade"])
def test_an_item_moves_to_another_item_when_its_own_goes(shop, sink, database, action):
    """Its key says nothing of that: without a cascade, it is written before the other goes, when it is read again."""
    moving = Table(
        "moving",
        MetaData(schema="public"),
        *(Column(name, Text, primary_key=True) for name in ("order_id", "part_id")),
        Column("line_id", Text),
    )
    shop.connection.execute(
        "create table moving (order_id text, part_id text, line_id text, primary key (order_id, part_id),"
        f" foreign key (order_id, line_id) references lines on delete {action});"
        "create unique index on moving (order_id, line_id); grant all on moving to public"
    )

    def map_moving(order):
        parts = [(line, part) for line, found in order.lines.items() for part in found]
        return Rows(
            {"id": order.id},
            {
                "lines": [{"order_id": order.id, "line_id": line, "size": 1} for line in order.lines],
                "moving": [{"order_id": order.id, "part_id": part, "line_id": line} for line, part in parts],
            },
        )

    mapper = Mapper(container="orders", reader=OrderReader(), tables=(orders, lines, moving), rows=map_moving)
    assert replicate(mapper, [order("a", 1, x=["1"], y=["2"])], sink) == Outcome(applied=1)
    newest = order("a", 2, y=["2"], z=["1"])

    outcome = replicate(mapper, [newest], sink)
    repairs = PostgresRereadStore(database, backoff_seconds=0, settle_seconds=0)
    shop.connection.execute("update cdc.dead_letter set next_attempt_at = now()")
    endings = dict(retry([mapper], Source(newest), repairs))

    assert (outcome.applied, endings) == ((1, {}) if action == "cascade" else (0, {Ending.APPLIED: 1}))
    assert [tuple(row.values()) for row in shop.rows("moving")] == [("a", "1", "z"), ("a", "2", "y")]
    assert [row["line_id"] for row in shop.rows("lines")] == ["y", "z"]
    assert shop.letters() == {}
