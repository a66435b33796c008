"""Columns of every type that an application has: written, compared, checked and deleted by what they hold."""

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import pytest
from sqlalchemy import ARRAY, BigInteger, Column, Date, MetaData, Numeric, String, Table, Text
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import ENUM, JSONB

from cdc.core import fields
from cdc.core.conventions import Conventions, Naming
from cdc.core.document_models import DocumentModel, RootDocument
from cdc.core.document_reader import DocumentReader
from cdc.core.fields import Choice, LongNumber, Uuid
from cdc.core.instants import Day
from cdc.core.json_columns import JsonValue
from cdc.core.mapping import Mapper, Rows
from cdc.core.writes import map_change
from cdc.operations.table_check import check_tables
from cdc.reconcile.tables_side import PostgresTablesSide
from cdc.replication.batch import replicate
from tests.builders import a_change, a_version

KEY = "0b5c3bd4-8a0e-4b8c-9d0a-3f1e5a6b7c8d"
OTHER = "1b5c3bd4-8a0e-4b8c-9d0a-3f1e5a6b7c8d"
CREATE = """
create type "OrderStatus" as enum ('open', 'paid, in part');
create table sales (
    id uuid primary key, total numeric(12, 2), ratio numeric, labels text[], tags varchar(9)[], marks uuid[],
    state "OrderStatus", stages "OrderStatus"[], delivered date, number bigint, anything jsonb
);
create table sale_lines (sale_id uuid, line uuid, price numeric(6, 3), primary key (sale_id, line));
grant select, insert, update, delete on sales, sale_lines to public;
"""
CAMEL = Conventions(naming=Naming.CAMEL)
STATUS = ENUM("open", "paid, in part", name="OrderStatus", schema="public")
METADATA = MetaData(schema="public")
sales = Table(
    "sales",
    METADATA,
    Column("id", UuidType, primary_key=True),
    Column("total", Numeric(12, 2)),
    Column("ratio", Numeric),
    Column("labels", ARRAY(Text)),
    Column("tags", ARRAY(String(9))),
    Column("marks", ARRAY(UuidType)),
    Column("state", STATUS),
    Column("stages", ARRAY(STATUS)),
    Column("delivered", Date),
    Column("number", BigInteger),
    Column("anything", JSONB),
)
lines = Table(
    "sale_lines",
    METADATA,
    Column("sale_id", UuidType, primary_key=True),
    Column("line", UuidType, primary_key=True),
    Column("price", Numeric(6, 3)),
)
NAMES = [column.name for column in sales.columns]
State = Annotated[str, Choice("open", "paid, in part")]


class Line(DocumentModel):
    """A line of a sale."""

    conventions = CAMEL
    line: Uuid
    price: Annotated[Decimal, fields.Numeric(6, 3)]


class Sale(RootDocument):
    """A document with a column of every type."""

    conventions = CAMEL
    id: Uuid
    total: Annotated[Decimal, fields.Numeric(12, 2)] | None = None
    ratio: Annotated[Decimal, fields.Numeric(400, 300)] | None = None
    labels: list[fields.Text | None] | None = None
    tags: list[fields.Text] | None = None
    marks: list[Uuid] | None = None
    state: State | None = None
    stages: list[State] | None = None
    delivered: Day = None
    number: LongNumber | None = None
    anything: JsonValue | None = None
    lines: list[Line] | None = None


def map_sale(sale):
    """Return a sale's rows."""
    found = vars(sale)
    children = [{"sale_id": sale.id, **vars(line)} for line in sale.lines or ()]
    return Rows(root={name: found[name] for name in NAMES}, children={"sale_lines": children})


SALES = Mapper(container="sales", reader=DocumentReader(Sale), tables=(sales, lines), rows=map_sale)
WHOLE = {
    "total": "9999999999.99",
    "ratio": "0.1234567890123456789012345678901234567890",
    "labels": ['a"b', "c\\d", "e,f", "{}", "", " ", "NULL", None, "größer 👩‍👧"],
    "tags": [],
    "marks": [KEY.upper(), OTHER],
    "state": "paid, in part",
    "stages": ["open", "paid, in part"],
    "delivered": "2026-02-28T23:59:59-11:00",
    "number": "9223372036854775807",
    "anything": [1, {"a": None}],
    "lines": [{"line": OTHER, "price": 1.125}, {"line": KEY, "price": 2}],
}
EMPTY = dict.fromkeys(WHOLE)


@pytest.fixture
def tables(observer):
    """The tables with these types."""
    observer.connection.execute(CREATE)
    return observer


def a_sale(id_=KEY, version=None, **properties):
    """Build a change of a sale."""
    return a_change(id_, container="sales", version=version or a_version(), body={"id": id_} | properties)


def find_different(database, *changes):
    """Return how many documents were compared, and how many differ."""
    compared, different = PostgresTablesSide(database, SALES).find_different([map_change(SALES, it) for it in changes])
    return compared, len(different)


def test_a_row_of_every_type_is_written_compared_and_deleted(tables, sink, database):
    """Beside one that has null in every column, and one with the same key in capitals."""
    one, two = a_sale(**WHOLE), a_sale(OTHER, **EMPTY)

    assert check_tables(database, SALES) == []
    assert replicate(SALES, [one, two], sink).applied == 2
    first, second = sorted(tables.rows("sales"), key=lambda row: row["id"])
    assert (first["id"], first["total"], first["number"]) == (UUID(KEY), Decimal("9999999999.99"), 2**63 - 1)
    assert (first["labels"], first["tags"]) == (WHOLE["labels"], [])
    assert first["marks"] == [UUID(KEY), UUID(OTHER)]
    assert first["ratio"] == Decimal(WHOLE["ratio"])
    assert first["delivered"] == date(2026, 2, 28)
    assert tables.rows("sales", "state::text, stages::text[]")[0] == {
        "state": "paid, in part",
        "stages": ["open", "paid, in part"],
    }
    assert set(second.values()) == {UUID(OTHER), None}
    assert find_different(database, one, two) == (2, 0)

    newer = a_sale(KEY, a_version(1), **WHOLE | {"lines": WHOLE["lines"][:1]})
    gone = a_change(OTHER, container="sales", version=a_version(1), body=None)
    replicate(SALES, [newer, gone], sink)
    assert [row["line"] for row in tables.rows("sale_lines")] == [UUID(OTHER)]
    assert [row["id"] for row in tables.rows("sales")] == [UUID(KEY)]


@pytest.mark.parametrize(
    "change",
    [
        "update sales set total = total - 0.01",
        "update sales set labels = labels || ''::text",
        "update sales set labels[9] = null",
        "update sales set marks = null",
        "update sales set state = 'open'",
        "update sales set stages = '{}'",
        "update sales set number = number - 1",
        "update sales set ratio = round(ratio, 38)",
        "update sales set anything = '[1, {}]'",
        "delete from sale_lines where line = (select max(line::text)::uuid from sale_lines)",
        "update sale_lines set price = price + 0.001",
    ],
)
def test_a_difference_in_any_type_is_found_and_mended(tables, sink, database, change):
    """However small it is; and writing the document again ends it."""
    sale = a_sale(**WHOLE)
    replicate(SALES, [sale], sink)
    tables.connection.execute(change)

    assert find_different(database, sale) == (1, 1)
    newer = a_sale(KEY, a_version(1), **WHOLE)
    replicate(SALES, [newer], sink)
    assert find_different(database, newer) == (1, 0)


@pytest.mark.parametrize(
    ("properties", "path"),
    [
        ({"total": 1.005}, "$.total"),
        ({"total": "12345678901"}, "$.total"),
        ({"id": "not-a-uuid"}, "$.id"),
        ({"labels": ["a", 1]}, "$.labels[1]"),
        ({"labels": "a,b"}, "$.labels"),
        ({"state": "shut"}, "$.state"),
        ({"stages": ["open", None]}, "$.stages[1]"),
        ({"number": 2**63}, "$.number"),
        ({"delivered": "28.02.2026"}, "$.delivered"),
        ({"lines": [{"line": KEY, "price": 0.0001}]}, "$.lines[0].price"),
        ({"tags": ["0123456789"]}, "$"),
    ],
)
def test_what_does_not_fit_is_parked_and_its_neighbour_is_not(tables, sink, properties, path):
    """With the path of the value; never null, never rounded."""
    outcome = replicate(SALES, [a_sale(OTHER), a_sale(**WHOLE | properties)], sink)

    assert outcome.applied == 1
    assert [problem.path for problem in outcome.problems] == [path]
    assert [row["id"] for row in tables.rows("sales")] == [UUID(OTHER)]


@pytest.mark.parametrize(
    ("column", "value"),
    [("total", 12.34), ("total", True), ("total", "12.34"), ("state", 5.5j), ("labels", [object()]), ("marks", [b"x"])],
)
def test_a_value_of_another_class_parks_its_document(tables, sink, column, value):
    """A mapper of somebody's own may compute in floats: those have lost digits before they come here."""
    spoilt = Mapper(
        container="sales",
        reader=SALES.reader,
        tables=(sales, lines),
        rows=lambda sale: Rows(root={**map_sale(sale).root, column: value if str(sale.id) == KEY else None}),
    )

    outcome = replicate(spoilt, [a_sale(OTHER), a_sale()], sink)

    assert (outcome.applied, [problem.path for problem in outcome.problems]) == (1, [column])


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("alter table sales alter total type numeric(11, 2)", "total of table public.sales is numeric(11,2)"),
        ("alter table sales alter labels type text using ''", "labels of table public.sales is text"),
        ("alter table sales alter tags type varchar(8)[]", "tags of table public.sales is character varying(8)[]"),
        ("alter table sales alter marks type text[]", "marks of table public.sales is text[]"),
        ("alter table sales alter state type text", "state of table public.sales is text"),
    ],
)
def test_a_column_of_another_type_is_named(tables, database, statement, words):
    """The check tells before a document does."""
    tables.connection.execute(statement)

    (problem,) = check_tables(database, SALES)

    assert words in problem
