"""The mappers of another application: one module, so that it can also be imported as a part of the tests."""

from collections.abc import Collection, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from sqlalchemy import BigInteger, Column, MetaData, Numeric, Table, Text

from cdc.core.documents import JsonObject
from cdc.core.mapping import Mapper, Read, Rows
from cdc.core.team_metrics import TeamMetric

_METADATA = MetaData(schema="public")


class Order(BaseModel):
    """A document of the container orders."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")

    id: str
    customer_id: str
    total: Decimal
    placed_at: int | None = None


class OrderReader:
    """Reads documents whose property `type` says order, or nothing."""

    types: Final[Collection[str]] = frozenset({"order"})

    def read(self, body: JsonObject) -> Read[Order]:
        """Return a document as its model."""
        type_ = body.get("type", "order")
        return Read(Order.model_validate(body)) if type_ == "order" else Read(None, unmapped_type=str(type_))


orders = Table(
    "orders",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("total", Numeric(12, 2), nullable=False),
    Column("placed_at", BigInteger),
)


def map_order(order: Order) -> Rows:
    """Return an order's row."""
    return Rows(root=dict(order))


ORDERS = Mapper(container="orders", reader=OrderReader(), tables=(orders,), rows=map_order)
MAPPERS: tuple[Mapper[Any], ...] = (ORDERS,)
EXTRA_MAPPERS: tuple[Mapper[Any], ...] = ()
EXTRA_CONTAINERS: tuple[str, ...] = ()
METRICS: tuple[TeamMetric, ...] = ()
APPLICATION_SQL = Path(__file__).parents[1] / "sql" / "application"


def choose_mappers(_: Sequence[str]) -> tuple[Mapper[Any], ...]:
    """Return the mappers of all replicated containers."""
    return MAPPERS
