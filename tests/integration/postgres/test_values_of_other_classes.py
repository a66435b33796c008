"""A mapper of somebody's own gives values of another class than the column's: its document is parked, alone."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    Interval,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    Uuid,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

from cdc.core.mapping import Mapper, Rows
from cdc.core.writes import map_change
from cdc.reconcile.tables_side import PostgresTablesSide
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from tests.builders import a_change, a_version
from tests.integration.replication.test_keys_of_any_type import ThingReader

TYPES = {
    "smallint": (SmallInteger, 1),
    "integer": (Integer, 1),
    "bigint": (BigInteger, 1),
    "real": (REAL, 0.5),
    "double": (Double, 0.5),
    "numeric": (Numeric, Decimal("0.5")),
    "boolean": (Boolean, True),
    "uuid": (Uuid, UUID(int=5)),
    "date": (Date, date(2026, 1, 9)),
    "timestamptz": (DateTime(timezone=True), datetime(2026, 1, 9, tzinfo=UTC)),
    "timestamp": (DateTime, datetime(2026, 1, 9)),  # noqa: DTZ001
    "time": (Time, time(12)),
    "interval": (Interval, timedelta(days=1)),
    "varchar": (String(9), "a"),
    "text": (Text, "a"),
    "jsonb": (JSONB, {"a": 1}),
    "boolean[]": (ARRAY(Boolean), [True, False, None]),
    "double[]": (ARRAY(Double), [0.1, 1e-7, None, 1e300]),
    "date[]": (ARRAY(Date), [date(2026, 1, 9), None]),
}
OTHERS = [
    *(True, 7, 0.5, float("nan"), Decimal("NaN"), "x", b"x", [1], [True]),
    *({"a": object()}, object(), date(2026, 1, 9), timedelta(9), 2**80),
]


@pytest.mark.parametrize("name", TYPES)
def test_a_value_of_another_class_stops_no_neighbour(observer, database, name):
    """Written if PostgreSQL has the same value, else parked; never an error of the batch."""
    type_, good = TYPES[name]
    column = (type_() if isinstance(type_, type) else type_).compile(dialect=postgresql.dialect())
    observer.connection.execute(
        f"create table things (id text primary key, value {column});"
        "grant select, insert, update, delete on things to public"
    )
    things = Table("things", MetaData(schema="public"), Column("id", Text, primary_key=True), Column("value", type_))
    values = [good, *OTHERS]
    mapper = Mapper(
        container="things", reader=ThingReader(), tables=(things,),
        rows=lambda it: Rows(root={"id": it.id, "value": values[it.place]}),
    )  # fmt: skip
    changes = [
        a_change(str(place), container="things", version=a_version(1), body={"id": str(place), "place": place})
        for place in range(len(values))
    ]

    outcome = replicate(mapper, changes, PostgresSink(database))

    assert outcome.applied + len(outcome.problems) == len(values)
    assert "0" in observer.ids("things")
    assert PostgresTablesSide(database, mapper).find_different([map_change(mapper, changes[0])]) == (1, [])
