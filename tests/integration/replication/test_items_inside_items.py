"""Items inside items, in tables that refer to each other: as Prisma makes them, a row with rows below stays."""

import pytest
from pydantic import BaseModel
from sqlalchemy import Column, Integer, MetaData, Table, Text

from cdc.core.mapping import Mapper, Read, Rows
from cdc.core.writes import Outcome
from cdc.replication.batch import replicate
from tests.builders import a_change, a_version

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
