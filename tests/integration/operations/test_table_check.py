"""The tables that are there are compared with the tables that the mappers write."""

from decimal import Decimal

import pytest
from pydantic import BaseModel
from sqlalchemy import CHAR, TIMESTAMP, BigInteger, Column, MetaData, Numeric, String, Table, Text

from cdc.core.errors import FatalError
from cdc.core.mapping import Mapper, Read, Rows
from cdc.operations.table_check import check_tables
from cdc.postgres.refusals import find_refusals
from cdc.replication.batch import replicate
from mappers import EXTRA_MAPPERS, MAPPERS
from mappers.accounts import ACCOUNTS
from tests.builders import a_change

OURS = [each for each in (*MAPPERS, *EXTRA_MAPPERS) if not any(table.info.get("adopted") for table in each.tables)]


@pytest.mark.parametrize("mapper", OURS, ids=lambda mapper: mapper.container)
def test_our_own_tables_fit(database, mapper):
    """The migrations make what the mappers declare."""
    assert check_tables(database, mapper) == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("alter table accounts drop column role", "table public.accounts has no column role"),
        (
            "alter table accounts alter created_at type timestamp",
            "column created_at of table public.accounts is timestamp without time zone",
        ),
        (
            "drop index ix_accounts_lower_email; alter table accounts alter email type bytea using null",
            "column email of table public.accounts is bytea",
        ),
        ("alter table accounts alter email type char(9)", "column email of table public.accounts is character"),
        ("drop table completed_scenarios", "table public.completed_scenarios is missing"),
        (
            "alter table accounts add tenant text not null",
            "column tenant of table public.accounts must not be null",
        ),
        ("alter table accounts drop constraint accounts_pkey", "table public.accounts has the primary key ()"),
        (
            "alter table completed_scenarios drop constraint completed_scenarios_pkey, add primary key (scenario_id)",
            "table public.completed_scenarios has the primary key (scenario_id)",
        ),
    ],
    ids=lambda value: value if value.startswith(("alter", "drop")) else "",
)
def test_a_table_that_does_not_fit_is_named(database, observer, statement, words):
    """What is wrong is one sentence with table and column."""
    observer.connection.execute(statement)

    problems = check_tables(database, ACCOUNTS)

    assert [problem for problem in problems if words in problem] == problems
    assert len(problems) == 1


COPIED = (
    "create table copies (id text primary key);"
    "create rule copied as on insert to orders do also insert into copies values ('x') on conflict do nothing"
)
PLAIN = "create table orders (id text primary key, total numeric(12, 2), name varchar(40))"
REFUSING = [
    (PLAIN.replace("key", "key deferrable"), "its primary key orders_pkey is deferrable"),
    (
        PLAIN.replace("key", "key deferrable initially deferred") + "; create unique index own on orders (id)",
        "its primary key orders_pkey is deferrable",
    ),
    (f"{PLAIN}; create rule noted as on insert to orders do also select 1", "the rewrite rule noted is on insert or"),
    (
        f"{PLAIN}; create rule noted as on update to orders do also select 1; alter table orders disable rule noted",
        "the rewrite rule noted is on insert or update",
    ),
    (f"{PLAIN}; {COPIED}", "the rewrite rule copied is on insert or update"),
    (
        f"{PLAIN}; create rule idle as on update to orders do also nothing",
        "the rewrite rule idle is on insert or update",
    ),
    (PLAIN.replace("(40)", "(40) generated always as ('x') stored"), "its column name is generated always"),
]


@pytest.mark.parametrize(("statement", "words"), REFUSING, ids=[words for _, words in REFUSING])
def test_a_table_that_refuses_every_row_is_named(database, observer, sink, statement, words):
    """PostgreSQL says so at the first row, and then not of which table."""
    observer.connection.execute(f"{statement}; grant all on orders to public")
    mapper, change = an_order_mapper(), a_change("a", container="Orders", body={"id": "a", "total": "1.25"})

    with pytest.raises(FatalError):
        replicate(mapper, [change], sink)
    (problem,) = check_tables(database, mapper)

    assert problem.startswith("table public.orders takes no upsert, because ")
    assert words in problem


def test_the_remedy_of_a_deferrable_key_can_be_typed(database, observer, sink):
    """What the sentence says of the key holds for names with capitals, and for several columns."""
    make = (
        'create table "Orders" (id text, "No" text, primary key (id, "No") deferrable); grant all on "Orders" to public'
    )
    observer.connection.execute(make)
    table = Table("Orders", MetaData(schema="public"), Column("id", Text, primary_key=True))
    table.append_column(Column("No", Text, primary_key=True))
    mapper = Mapper(
        container="Orders",
        reader=OrderReader(),
        tables=(table,),
        rows=lambda order: Rows(root={"id": order.id, "No": "1"}),
    )

    (problem,) = check_tables(database, mapper)
    observer.connection.execute(problem.partition(", with ")[2])

    assert check_tables(database, mapper) == []
    assert replicate(mapper, [a_change("a", container="Orders", body={"id": "a"})], sink).applied == 1


def test_a_key_of_periods_is_named(observer):
    """PostgreSQL calls it a primary key, but it is an exclusion."""
    observer.connection.execute(
        "create extension btree_gist;"
        "create table stays (room int, at tstzrange, primary key (room, at without overlaps))"
    )

    (problem,) = find_refusals(observer.connection, "stays", ["room", "at"])

    assert "its primary key stays_pkey is one of periods" in problem


@pytest.mark.parametrize(
    "more",
    [
        "create rule kept as on delete to orders do also select 1",
        "create rule off as on insert to orders do also select 1; alter table orders disable rule off",
        "create rule idle as on insert to orders do also nothing",
        "create rule few as on insert to orders where new.total < 0 do instead nothing",
        "alter table orders add column number bigint generated always as identity",
        "alter table orders add unique (name) deferrable",
    ],
)
def test_what_only_looks_like_a_refusal_is_none(database, observer, sink, more):
    """Rows are written all the same."""
    observer.connection.execute(f"{PLAIN}; {more}; grant all on orders to public")
    mapper, change = an_order_mapper(), a_change("a", container="Orders", body={"id": "a", "total": "1.25"})

    assert check_tables(database, mapper) == []
    assert replicate(mapper, [change], sink).applied == 1


def test_a_key_whose_index_includes_more_is_the_same_key(database, observer):
    """PostgreSQL lists the columns that an index only carries behind those of the key."""
    observer.connection.execute(
        "alter table completed_scenarios drop constraint completed_scenarios_pkey;"
        "alter table completed_scenarios add column note text, add primary key (account_id, scenario_id) include (note)"
    )

    assert check_tables(database, ACCOUNTS) == []


def test_a_missing_table_that_the_application_makes_is_not_ours_to_migrate(database):
    """The sentence names the migrations that make it."""
    table = Table("things", MetaData(schema="shop"), Column("id", Text, primary_key=True), info={"adopted": True})
    mapper = Mapper(container="Things", reader=OrderReader(), tables=(table,), rows=lambda _: Rows())

    assert check_tables(database, mapper) == ["table shop.things is missing: the application's own migrations make it"]


@pytest.mark.parametrize(
    "statement",
    [
        "alter table accounts alter email type varchar(256), alter id type varchar(36)",
        "alter table accounts add tenant text not null default 'mystira'",
        "alter table accounts add tenant text",
        "alter table accounts add number bigint not null generated always as identity",
        "alter table accounts drop column role, add role text",
    ],
)
def test_a_table_that_the_application_made_is_adopted(database, observer, sink, statement):
    """Shorter text types, more columns and another order of columns do not hinder the rows from being written."""
    observer.connection.execute(statement)

    assert check_tables(database, ACCOUNTS) == []
    assert replicate(ACCOUNTS, [a_change()], sink).applied == 1
    assert observer.ids() == ["a"]


def test_every_problem_is_named(database, observer):
    """All that is wrong comes at once, not one by one."""
    observer.connection.execute("alter table accounts drop column role, drop column email, add tenant text not null")
    observer.connection.execute("drop table completed_scenarios")

    assert len(check_tables(database, ACCOUNTS)) == 4


class Order(BaseModel):
    """A document whose columns have modifiers."""

    id: str
    total: Decimal | None = None
    name: str | None = None


class OrderReader:
    """Takes every order."""

    types = ("Order",)

    def read(self, body):
        """Return the order."""
        return Read(Order.model_validate({name: body.get(name) for name in Order.model_fields}))


def an_order_mapper(total=None, name=None):
    """Build a mapper of orders whose columns have these types."""
    table = Table(
        "orders",
        MetaData(schema="public"),
        Column("id", Text, primary_key=True),
        Column("total", total or Numeric(12, 2)),
        Column("name", name or String(40)),
    )
    return Mapper(
        container="Orders", reader=OrderReader(), tables=(table,), rows=lambda order: Rows(root=order.model_dump())
    )


@pytest.mark.parametrize(
    ("total", "column"),
    [
        (Numeric(12, 2), "numeric(12, 2)"),
        (Numeric(12, 2), "numeric"),
        (Numeric(12, 2), "numeric(14, 3)"),
        (Numeric(12), "numeric(12)"),
        (String(40), "varchar(40)"),
        (String(40), "varchar(50)"),
        (String(40), "varchar"),
        (String(40), "text"),
        (Text(), "varchar(40)"),
        (BigInteger(), "bigint"),
        (TIMESTAMP(timezone=True), "timestamptz"),
        (TIMESTAMP(timezone=True), "timestamptz(6)"),
    ],
    ids=str,
)
def test_a_type_with_a_modifier_fits_a_column_that_holds_as_much(database, observer, total, column):
    """PostgreSQL writes both types."""
    observer.connection.execute(f"create table orders (id text primary key, total {column}, name text)")

    assert check_tables(database, an_order_mapper(total)) == []


@pytest.mark.parametrize(
    ("total", "column", "found", "wanted"),
    [
        (Numeric(12, 2), "numeric(12, 1)", "numeric(12,1)", "numeric(12,2)"),
        (Numeric(12, 2), "numeric(12, 3)", "numeric(12,3)", "numeric(12,2)"),
        (Numeric(12, 2), "numeric(10, 2)", "numeric(10,2)", "numeric(12,2)"),
        (Numeric(), "numeric(12, 2)", "numeric(12,2)", "numeric"),
        (Numeric(12, 2), "double precision", "double precision", "numeric(12,2)"),
        (String(40), "varchar(39)", "character varying(39)", "character varying(40)"),
        (String(40), "char(40)", "character(40)", "character varying(40)"),
        (CHAR(4), "char(3)", "character(3)", "character(4)"),
        (TIMESTAMP(timezone=True), "timestamptz(3)", "timestamp(3) with time zone", "timestamp with time zone"),
        (TIMESTAMP(timezone=True), "timestamp(6)", "timestamp(6) without time zone", "timestamp with time zone"),
    ],
    ids=str,
)
def test_a_column_that_holds_less_than_its_mapper_writes_is_named(database, observer, total, column, found, wanted):
    """Values would be refused, or rounded without a word."""
    observer.connection.execute(f"create table orders (id text primary key, total {column}, name text)")

    problems = check_tables(database, an_order_mapper(total))

    assert problems == [f"column total of table public.orders is {found}, but its mapper writes {wanted}"]


@pytest.mark.parametrize("name", [String(5), CHAR(5)])
def test_a_value_that_is_too_long_for_its_type_is_parked_and_never_cut(sink, observer, name):
    """The neighbours go on, also those without a value."""
    mapper = an_order_mapper(name=name)
    type_ = "varchar(5)" if isinstance(name, String) and not isinstance(name, CHAR) else "char(5)"
    observer.connection.execute(
        f"create table orders (id text primary key, total numeric(12, 2), name {type_}); grant all on orders to public"
    )
    bodies = [{"id": "a"}, {"id": "b", "total": "1.25", "name": "short"}, {"id": "bad", "name": "much too long"}]
    changes = [a_change(body["id"], container="Orders", body=body) for body in bodies]

    outcome = replicate(mapper, changes, sink)

    assert (outcome.applied, outcome.parked) == (2, 1)
    found = {row["id"]: (row["total"], row["name"]) for row in observer.rows("orders")}
    assert found == {"a": (None, None), "b": (Decimal("1.25"), "short")}
