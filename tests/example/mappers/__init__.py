"""The mappers of another application: one module, so that it can also be imported as a part of the tests.

Its habits are not ours: camel case, seconds since 1970, a time of deletion, money, UUIDs, arrays, an enum, two types in
one container, and a container with a hierarchical partition key.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from sqlalchemy import ARRAY, Column, DateTime, MetaData, Numeric, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ENUM, JSONB

from cdc.core import fields
from cdc.core.conventions import ANYTHING, Conventions, DeleteMark, Instants, Naming, Secrets
from cdc.core.document_models import DocumentModel, RootDocument
from cdc.core.document_reader import DocumentReader
from cdc.core.instants import Instant, Written
from cdc.core.json_columns import JsonValue
from cdc.core.mapping import Mapper, Rows
from cdc.core.team_metrics import TeamMetric

SHOP = Conventions(
    naming=Naming.CAMEL,
    instants=Instants.EPOCH_SECONDS,
    type_properties=("type",),
    delete_mark=DeleteMark("deletedAt", ANYTHING),
    secrets=Secrets(frozenset({"cardNumber"})),
)
_METADATA = MetaData(schema="public")
_INSTANT = DateTime(timezone=True)
_MONEY = Numeric(12, 2)
_STATUS = ENUM("open", "paid", name="OrderStatus", schema="public")
Money = Annotated[Decimal, fields.Numeric(12, 2)]

orders = Table(
    "orders",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("total", _MONEY, nullable=False),
    Column("status", _STATUS),
    Column("labels", ARRAY(Text)),
    Column("payment", JSONB),
    Column("placed_at", _INSTANT),
)
order_lines = Table(
    "order_lines",
    _METADATA,
    Column("order_id", Text, primary_key=True),
    Column("line_id", Uuid, primary_key=True),
    Column("price", _MONEY),
)
refunds = Table(
    "refunds",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("order_id", Text),
    Column("amount", _MONEY, nullable=False),
    Column("paid_at", _INSTANT),
)
visits = Table(
    "visits",
    _METADATA,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("seconds", Numeric(20, 0)),
)


class Line(DocumentModel):
    """A line of an order."""

    conventions = SHOP

    line_id: fields.Uuid
    price: Money | None = None


class Order(RootDocument):
    """An order, in the container orders."""

    conventions = SHOP
    type_name = "order"

    customer_id: fields.Text
    total: Money
    status: Annotated[str, fields.Choice("open", "paid")] | None = None
    labels: list[fields.Text] | None = None
    payment: JsonValue | None = None
    placed_at: Instant = None
    lines: list[Line] | None = None


class Refund(RootDocument):
    """A refund, in the container orders."""

    conventions = SHOP
    type_name = "refund"
    unmapped = ("customerId",)

    order_id: fields.Text | None = None
    amount: Money
    paid_at: Annotated[datetime, Written(Instants.ISO)] | None = None


class Visit(RootDocument):
    """A document of the container visits; its id is unique only within a tenant."""

    conventions = SHOP
    unmapped = ("visitorId",)

    tenant_id: fields.Text
    seconds: Annotated[Decimal, fields.Numeric(20, 0)] | None = None


def map_order(order: Order) -> Rows:
    """Return an order's rows."""
    lines = [{"order_id": order.id, **vars(line)} for line in order.lines or ()]
    root = {name: value for name, value in vars(order).items() if name != "lines"}
    return Rows(root=root, children={"order_lines": lines})


def map_refund(refund: Refund) -> Rows:
    """Return a refund's row."""
    return Rows(root=vars(refund))


def map_visit(visit: Visit) -> Rows:
    """Return a visit's row."""
    return Rows(root=vars(visit))


ORDERS = Mapper(container="orders", reader=DocumentReader(Order), tables=(orders, order_lines), rows=map_order)
REFUNDS = Mapper(container="orders", reader=DocumentReader(Refund), tables=(refunds,), rows=map_refund)
VISITS = Mapper(container="visits", reader=DocumentReader(Visit), tables=(visits,), rows=map_visit)
MAPPERS: tuple[Mapper[Any], ...] = (ORDERS, REFUNDS, VISITS)
EXTRA_MAPPERS: tuple[Mapper[Any], ...] = ()
EXTRA_CONTAINERS: tuple[str, ...] = ()
METRICS: tuple[TeamMetric, ...] = ()
APPLICATION_SQL = Path(__file__).parents[1] / "sql" / "application"


def choose_mappers(_: Sequence[str]) -> tuple[Mapper[Any], ...]:
    """Return the mappers of all replicated containers."""
    return MAPPERS
