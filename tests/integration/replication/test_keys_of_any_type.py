"""Root rows whose primary key is of any type: claimed once, found, changed and deleted by its value."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from pydantic import BaseModel
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
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

from cdc.core.mapping import Mapper, Read, Rows
from cdc.core.writes import Outcome, map_change
from cdc.reconcile.tables_side import PostgresTablesSide
from cdc.replication.batch import replicate
from tests.builders import a_change, a_version

NOON = datetime(2026, 1, 9, 12, 0, 0, 500, tzinfo=UTC)
# A type, and two values of it.
KEYS = [
    (Numeric(12, 2), Decimal("12.50"), Decimal("1E+3")),
    (Numeric, 5, 2**70),
    (SmallInteger, 5, -5),
    (Double, 0.1, 1e23),
    (Double, 3.0, 7),
    (Boolean, True, False),
    (
        Numeric(40, 0),
        Decimal(1234567890123456789012345678901234567890),
        Decimal(1234567890123456789012345678901234567891),
    ),
    (Double, 1e-7, -0.0),
    (Uuid, UUID("0b5c3bd4-8a0e-4b8c-9d0a-3f1e5a6b7c8d"), UUID(int=1)),
    (Uuid, "0b5c3bd4-8a0e-4b8c-9d0a-3f1e5a6b7c8d", "1B5C3BD4-8A0E-4B8C-9D0A-3F1E5A6B7C8D"),
    (Date, date(2026, 1, 9), date(999, 1, 9)),
    (DateTime(timezone=True), NOON, datetime(2026, 1, 9, tzinfo=UTC)),
    (DateTime, NOON.replace(tzinfo=None), datetime(2026, 1, 9)),  # noqa: DTZ001
    (Time, time(12, 30, 1, 5), time(0)),
    (Interval, timedelta(days=1, seconds=3, microseconds=5), timedelta(days=-400, seconds=2)),
    (String(9), "a'b\\", "é"),
]


class Thing(BaseModel):
    """A document; its `place` says which of two keys its row has."""

    id: str
    place: int
    value: str = ""


class ThingReader:
    """Reads every document."""

    types = frozenset({"thing"})

    def read(self, body):
        """Return a document as its model."""
        return Read(Thing.model_validate(body))


def a_mapper(type_, values):
    """Return a mapper of a root and a child table whose keys have this type."""
    metadata = MetaData(schema="public")
    root = Table("things", metadata, Column("key", type_, primary_key=True), Column("value", Text))
    child = Table(
        "parts",
        metadata,
        Column("key", type_, primary_key=True),
        Column("part", type_, primary_key=True),
        Column("value", Text),
    )

    def rows(thing):
        key = values[thing.place]
        parts = [{"key": key, "part": part, "value": thing.value} for part in values]
        return Rows(root={"key": key, "value": thing.value}, children={"parts": parts})

    return Mapper(container="things", reader=ThingReader(), tables=(root, child), rows=rows)


def a_thing(id_, ts, place, **properties):
    """Build a version of a document, or its delete."""
    body = None if place is None else {"id": id_, "place": place, **properties}
    return a_change(id_, container="things", version=a_version(ts), body=body)


@pytest.mark.parametrize(("type_", "one", "other"), KEYS, ids=str)
def test_a_row_is_named_by_the_value_of_its_key(observer, sink, database, type_, one, other):
    """Written, compared, moved to another key, refused to a second document, and deleted."""
    mapper = a_mapper(type_, [one, other])
    name = (type_() if isinstance(type_, type) else type_).compile(dialect=postgresql.dialect())
    observer.connection.execute(
        f"create table things (key {name} primary key, value text);"
        f"create table parts (key {name}, part {name}, value text, primary key (key, part));"
        "grant select, insert, update, delete on things, parts to public"
    )
    side = PostgresTablesSide(database, mapper)
    first = a_thing("a", 1, 0)

    assert replicate(mapper, [first], sink) == Outcome(applied=1)
    assert side.find_different([map_change(mapper, first)]) == (1, [])
    assert (side.find_lost(9), side.find_unclaimed(9)) == ([], [])
    observer.connection.execute("update things set value = 'x'")
    assert side.find_different([map_change(mapper, first)]) == (1, [first.identity])

    assert len(replicate(mapper, [a_thing("b", 1, 0)], sink).problems) == 1
    moved = a_thing("a", 2, 1, value="moved")
    assert replicate(mapper, [moved], sink) == Outcome(applied=1)
    assert [row["value"] for row in observer.rows("things")] == ["moved"]
    assert len(observer.rows("parts")) == 2
    assert (side.find_lost(9), side.find_unclaimed(9)) == ([], [])
    observer.connection.execute("update parts set value = 'x'")
    assert side.find_different([map_change(mapper, moved)]) == (1, [moved.identity])

    assert replicate(mapper, [a_thing("a", 3, None)], sink) == Outcome(deleted=1)
    assert (observer.rows("things"), observer.rows("parts")) == ([], [])


@pytest.mark.parametrize(
    "bad", ["\ud800", datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))], ids=["text", "time"]
)
def test_a_key_that_has_no_text_parks_its_document_alone(observer, sink, bad):
    """A mapper of somebody's own may take a value from anywhere: its neighbours are applied."""
    observer.connection.execute(
        "create table things (key text primary key, value text);"
        "create table parts (key text, part text, value text, primary key (key, part));"
        "grant select, insert, update, delete on things, parts to public"
    )
    mapper = a_mapper(Text, ["good", bad])
    mapper.rows = lambda thing: Rows(root={"key": ["good", bad][thing.place], "value": ""})

    outcome = replicate(mapper, [a_thing("a", 1, 0), a_thing("b", 1, 1)], sink)

    assert (outcome.applied, len(outcome.problems)) == (1, 1)
    assert [row["key"] for row in observer.rows("things")] == ["good"]
