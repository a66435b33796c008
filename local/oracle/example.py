"""What each column of the example of another application must hold: the orders, refunds and visits of tests/example."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from local.oracle.fields import Expected, Json, same
from local.oracle.json_columns import as_it_is
from local.oracle.types import Child, Habits, Type

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HABITS = Habits(same("type"), lambda document: document.get("deletedAt") not in (None, False, ""))


def _number(name: str) -> Expected:
    """Read a number, which may be in a text."""

    def read(document: Json) -> Decimal | None:
        value = document.get(name)
        return None if value is None else Decimal(value if isinstance(value, str) else repr(value))

    return read


def _uuid(name: str) -> Expected:
    return lambda document: UUID(document[name])


def _seconds(name: str) -> Expected:
    """Read an instant that is a number of seconds since 1970."""

    def read(document: Json) -> datetime | None:
        value = document.get(name)
        return None if value is None else _EPOCH + timedelta(microseconds=int(Decimal(repr(value)) * 1_000_000))

    return read


def _iso(name: str) -> Expected:
    """Read an instant of any precision; PostgreSQL keeps microseconds."""

    def read(document: Json) -> datetime | None:
        text = document.get(name)
        if text is None:
            return None
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

    return read


_LINE: Mapping[str, Expected] = {"line_id": _uuid("lineId"), "price": _number("price")}
_ORDER_LINES = Child("order_lines", "order_id", "line_id", lambda document: document.get("lines") or [], _LINE)

TYPES = (
    Type(
        "orders",
        "order",
        "orders",
        {
            "id": same("id"),
            "customer_id": same("customerId"),
            "total": _number("total"),
            "status": same("status"),
            "labels": same("labels"),
            "payment": as_it_is("payment", re.compile("cardnumber")),
            "placed_at": _seconds("placedAt"),
        },
        (_ORDER_LINES,),
        habits=_HABITS,
    ),
    Type(
        "orders",
        "refund",
        "refunds",
        {"id": same("id"), "order_id": same("orderId"), "amount": _number("amount"), "paid_at": _iso("paidAt")},
        habits=_HABITS,
    ),
    Type(
        "visits",
        "Visit",
        "visits",
        {"tenant_id": same("tenantId"), "id": same("id"), "seconds": _number("seconds")},
        key=("tenant_id", "id"),
        habits=_HABITS,
    ),
)
