"""Child tables whose primary key is the item's own, as Prisma makes them: another column names the parent."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy import Column, Integer, MetaData, Table, Text

from cdc.core.application import ParentRule
from cdc.core.documents import Reading
from cdc.core.errors import ProblemKind
from cdc.core.mapping import Mapper, Read, Rows
from cdc.core.writes import Outcome, map_change
from cdc.operations.table_check import check_tables
from cdc.postgres import rows
from cdc.postgres.breaches import count_breaches
from cdc.reconcile.tables_side import PostgresTablesSide
from cdc.repair.reread import Ending, retry
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from tests.builders import TS, a_change, a_version
from tests.integration.test_convergence import REAL_DATABASE, cut

SCHEMA = MetaData(schema="public")
orders = Table("Order", SCHEMA, Column("id", Text, primary_key=True))
items = Table(
    "OrderItem",
    SCHEMA,
    Column("orderId", Text, nullable=False),
    Column("id", Text, primary_key=True),
    Column("size", Integer),
    info={"parent": ("orderId",)},
)
CREATE = """
create table "Order" ("id" text not null, constraint "Order_pkey" primary key ("id"));
create table "OrderItem" (
    "id" text not null,
    "size" integer,
    "orderId" text not null,
    constraint "OrderItem_pkey" primary key ("id")
);
alter table "OrderItem" add constraint "OrderItem_orderId_fkey"
    foreign key ("orderId") references "Order" ("id") on delete restrict on update cascade;
grant select, insert, update, delete on "Order", "OrderItem" to public
"""


class Item(BaseModel):
    """An item of an order."""

    id: str | None = None
    size: int | None = None


class Order(BaseModel):
    """A document."""

    id: str
    items: list[Item] = []


class OrderReader:
    """Reads every document."""

    types = frozenset({"order"})

    def read(self, body):
        """Return a document as its model."""
        return Read(Order.model_validate(body))


ORDERS = Mapper(
    container="orders",
    reader=OrderReader(),
    tables=(orders, items),
    rows=lambda it: Rows(
        {"id": it.id},
        {"OrderItem": [{"orderId": it.id, "id": item.id, "size": item.size} for item in it.items]},
    ),
)


class Source:
    """Answers with what was put in."""

    def __init__(self):
        self.documents = {}

    def read_document(self, identity):
        """Return a document as it is now."""
        return Reading(self.documents.get(identity.id.strip('"')), TS + 1_000)


@pytest.fixture
def shop(observer):
    """The tables."""
    observer.connection.execute(CREATE)
    return observer


@pytest.fixture
def run_timer(database):
    """Read due letters again, in a source that holds the newest versions of these documents."""
    repairs = PostgresRereadStore(database, backoff_seconds=0, settle_seconds=0)

    def run(*changes):
        source = Source()
        for change in (each for each in changes if each.body is not None):
            name = change.identity.id.strip('"')
            source.documents[name] = change.body | {"_ts": change.version.ts, "_etag": change.version.etag}
        return dict(retry([ORDERS], source, repairs))

    return run


def order(id_, ts, **sizes):
    """Build a version of an order, with items of these ids and sizes."""
    body = {"id": id_, "items": [{"id": item, "size": size} for item, size in sizes.items()]}
    return a_change(id_, container="orders", version=a_version(ts), body=body)


def held(shop):
    """Return the items of each order, with their sizes."""
    found = {}
    for row in shop.rows('"OrderItem"'):
        found.setdefault(row["orderId"], {})[row["id"]] = row["size"]
    return found


def test_items_are_written_changed_and_deleted_with_their_document(shop, sink, database):
    """Rows of other documents stay; a row that does not differ is not written again."""
    assert check_tables(database, ORDERS) == []
    first = [order("a", 1, x=1, y=2), order("b", 1, z=3)]
    assert replicate(ORDERS, first, sink) == Outcome(applied=2)
    assert held(shop) == {"a": {"x": 1, "y": 2}, "b": {"z": 3}}
    before = shop.rows('"OrderItem"', "xmin::text, ctid::text, id")

    assert replicate(ORDERS, [order("a", 2, x=1, w=5)], sink) == Outcome(applied=1)
    assert held(shop) == {"a": {"x": 1, "w": 5}, "b": {"z": 3}}
    kept = [row for row in shop.rows('"OrderItem"', "xmin::text, ctid::text, id") if row["id"] != "w"]
    assert kept == [row for row in before if row["id"] != "y"]

    assert replicate(ORDERS, [order("a", 3, x=9), order("b", 3)], sink) == Outcome(applied=2)
    assert held(shop) == {"a": {"x": 9}}
    gone = a_change("a", container="orders", version=a_version(4), body=None)
    assert replicate(ORDERS, [gone], sink) == Outcome(deleted=1)
    assert (held(shop), [row["id"] for row in shop.rows('"Order"')]) == ({}, ["b"])


@pytest.mark.parametrize("together", [True, False])
def test_two_documents_with_an_item_of_one_id_do_not_fight(shop, sink, database, together):
    """The second is parked and keeps its last rows; it is written when the first gives the item up."""
    replicate(ORDERS, [order("b", 1, old=1)], sink)
    a, b = order("a", 2, x=1), order("b", 2, x=2, y=3)

    outcomes = [replicate(ORDERS, [a, b], sink)] if together else [replicate(ORDERS, [it], sink) for it in (a, b)]

    (problem,) = [problem for outcome in outcomes for problem in outcome.problems]
    assert (problem.kind, problem.path) == (ProblemKind.CONFLICT, "OrderItem_pkey")
    assert problem.message.startswith("another document has an item of this key in public.OrderItem: ")
    assert (problem.wanted.table, problem.wanted.values) == ("public.Order", '["a"]')
    assert held(shop) == {"a": {"x": 1}, "b": {"old": 1}}
    # Delivered again, in any order, nothing changes.
    replicate(ORDERS, [b, a], sink)
    assert held(shop) == {"a": {"x": 1}, "b": {"old": 1}}

    assert replicate(ORDERS, [order("a", 3, w=4)], sink) == Outcome(applied=1)
    source = Source()
    source.documents["b"] = b.body | {"_ts": b.version.ts, "_etag": b.version.etag}
    repairs = PostgresRereadStore(database, backoff_seconds=60, settle_seconds=60)
    assert dict(retry([ORDERS], source, repairs, rounds=1)) == {Ending.APPLIED: 1}
    assert held(shop) == {"a": {"w": 4}, "b": {"x": 2, "y": 3}}
    assert shop.letters() == {}


@pytest.mark.parametrize("sizes", [{"x": 7}, {}], ids=["claimed", "given up"])
def test_whoever_comes_second_waits_for_the_first(shop, sink, sizes):
    """An item that another transaction is writing, or giving up, is refused or taken when that one has ended."""
    replicate(ORDERS, [order("a", 1, **({} if sizes else {"x": 1}))], sink)
    with ThreadPoolExecutor() as pool:
        second = []

        def begin_second(*_):
            second.append(pool.submit(replicate, ORDERS, [order("b", 1, x=2)], sink))
            shop.wait_until_blocked()

        replicate(ORDERS, [order("a", 2, **sizes)], sink, begin_second)
        outcome = second[0].result()

    assert [problem.path for problem in outcome.problems] == (["OrderItem_pkey"] if sizes else [])
    assert held(shop) == ({"a": {"x": 7}} if sizes else {"b": {"x": 2}})


def test_an_item_moves_to_another_document(shop, sink):
    """In one batch, whichever document comes first, and back; two documents may also exchange their items."""
    replicate(ORDERS, [order("a", 1, x=1), order("b", 1, y=2)], sink)

    assert replicate(ORDERS, [order("b", 2, x=1, y=2), order("a", 2)], sink).parked == 0
    assert held(shop) == {"b": {"x": 1, "y": 2}}
    assert replicate(ORDERS, [order("a", 3, x=1), order("b", 3, y=2)], sink).parked == 0
    assert held(shop) == {"a": {"x": 1}, "b": {"y": 2}}
    assert replicate(ORDERS, [order("a", 4, y=2), order("b", 4, x=1)], sink).parked == 0
    assert held(shop) == {"a": {"y": 2}, "b": {"x": 1}}


def test_two_documents_exchange_their_items_one_by_one(shop, sink, run_timer):
    """Each alone is refused; read again, both are written in one transaction."""
    replicate(ORDERS, [order("a", 1, x=1, p=1), order("b", 1, y=2, q=1)], sink)
    a, b = order("a", 2, y=3, p=2), order("b", 2, x=4, q=2)
    assert [replicate(ORDERS, [it], sink).parked for it in (a, b)] == [1, 1]
    shop.connection.execute("update cdc.dead_letter set next_attempt_at = now()")

    run_timer(a, b)

    assert held(shop) == {"a": {"y": 3, "p": 2}, "b": {"x": 4, "q": 2}}
    assert shop.letters() == {}


# Whose each item is at a time: of one document or of none; a document without items may be gone.
OWNERS = st.tuples(st.fixed_dictionaries({item: st.sampled_from("abn") for item in "wxyz"}), st.booleans())


def a_moment(ts, owners, *, stays):
    """Build the versions of both documents at a time."""
    for id_ in "ab":
        sizes = {item: ts for item, owner in owners.items() if owner == id_}
        gone = a_change(id_, container="orders", version=a_version(ts), body=None)
        yield order(id_, ts, **sizes) if sizes or stays else gone


@REAL_DATABASE
@given(moments=st.lists(OWNERS, min_size=2, max_size=4), randomness=st.randoms(use_true_random=False))
def test_items_end_with_the_documents_that_have_them_last(shop, sink, database, run_timer, moments, randomness):
    """Whatever was delivered, in any order and batches, any number of times: no row belongs to two, or to nobody."""
    shop.empty()
    shop.connection.execute('truncate "Order", "OrderItem"')
    versions = [list(a_moment(ts, owners, stays=stays)) for ts, (owners, stays) in enumerate(moments)]
    deliveries = [change for moment in versions for change in moment]
    deliveries += randomness.choices(deliveries, k=randomness.randint(0, 4))
    randomness.shuffle(deliveries)

    for batch in cut(deliveries, randomness):
        replicate(ORDERS, batch, sink)
    for _ in range(3):
        shop.connection.execute("update cdc.dead_letter set next_attempt_at = now()")
        run_timer(*versions[-1])

    last = {id_: {item: len(moments) - 1 for item, owner in moments[-1][0].items() if owner == id_} for id_ in "ab"}
    assert held(shop) == {id_: sizes for id_, sizes in last.items() if sizes}
    assert shop.letters() == {}
    side = PostgresTablesSide(database, ORDERS)
    writes = [map_change(ORDERS, change) for change in versions[-1] if change.body is not None]
    assert (side.find_different(writes)[1], side.find_unclaimed(9), side.find_lost(9)) == ([], [], [])


def test_an_item_of_nothing_but_its_key_may_be_there_twice(shop, sink):
    """Rows that are equal are one row, as in every child table."""
    tags = Table(
        "Tag",
        MetaData(schema="public"),
        Column("orderId", Text, nullable=False),
        Column("id", Text, primary_key=True),
        info={"parent": ("orderId",)},
    )
    shop.connection.execute(
        'create table "Tag" (id text primary key, "orderId" text not null references "Order");'
        'grant select, insert, update, delete on "Tag" to public'
    )
    mapper = Mapper(
        container="orders",
        reader=OrderReader(),
        tables=(orders, tags),
        rows=lambda it: Rows({"id": it.id}, {"Tag": [{"orderId": it.id, "id": item.id} for item in it.items]}),
    )
    body = {"id": "a", "items": [{"id": "x"}, {"id": "y"}, {"id": "x"}]}

    for ts in (1, 2):
        change = a_change("a", container="orders", version=a_version(ts), body=body)
        assert replicate(mapper, [change], sink) == Outcome(applied=1)

    assert [row["id"] for row in shop.rows('"Tag"')] == ["x", "y"]


def test_rows_may_refer_to_items(shop, sink, connection):
    """A rule of the cut-over finds an item by its own key."""
    replicate(ORDERS, [order("a", 1, x=1)], sink)
    shipments = Table(
        "shipments", MetaData(schema="public"), Column("id", Text, primary_key=True), Column("item", Text)
    )
    shop.connection.execute("create table shipments (id text primary key, item text)")
    shop.connection.execute("insert into shipments values ('1', 'x'), ('2', 'gone'), ('3', null)")

    assert count_breaches(connection, ParentRule("fk_shipments_items", shipments, "item", items)) == 1


def test_two_items_of_one_id_park_their_document(shop, sink):
    """As in every child table."""
    body = {"id": "a", "items": [{"id": "x", "size": 1}, {"id": "x", "size": 2}]}
    (problem,) = replicate(ORDERS, [a_change("a", container="orders", body=body)], sink).problems

    assert (problem.kind, problem.message) == (ProblemKind.DATA, "two items of it have one key in this table")
    assert held(shop) == {}


def test_an_item_without_a_key_parks_its_document(shop, sink):
    """Its neighbours go on, and its last rows stay."""
    replicate(ORDERS, [order("a", 1, x=1)], sink)
    body = {"id": "a", "items": [{"id": "x", "size": 2}, {"size": 3}]}
    bad = a_change("a", container="orders", version=a_version(2), body=body)

    (problem,) = replicate(ORDERS, [bad, order("b", 1, y=1)], sink).problems

    assert (problem.kind, problem.path) == (ProblemKind.DATA, "id")
    assert held(shop) == {"a": {"x": 1}, "b": {"y": 1}}


def test_a_reconcile_compares_such_rows(shop, sink, database):
    """A value that was edited, a row that is missing, one too many, one of another document, and one of none."""
    names = ("edited", "lost", "more", "stolen", "right")
    changes = [order(name, 1, **{f"{name}1": 1, f"{name}2": 2}) for name in names]
    replicate(ORDERS, changes, sink)
    shop.connection.execute("""
        update "OrderItem" set size = 9 where id = 'edited1';
        delete from "OrderItem" where id = 'lost2';
        insert into "OrderItem" values ('new', 3, 'more');
        update "OrderItem" set "orderId" = 'more' where id = 'stolen1';
        alter table "OrderItem" drop constraint "OrderItem_orderId_fkey";
        insert into "OrderItem" values ('nobody', 3, 'gone');
    """)
    side = PostgresTablesSide(database, ORDERS)

    compared, differing = side.find_different([map_change(ORDERS, change) for change in changes])

    assert (compared, {each.id.strip('"') for each in differing}) == (5, {"edited", "lost", "more", "stolen"})
    assert [key.values for key in side.find_unclaimed(9)] == ['["gone","nobody"]']


@pytest.mark.usefixtures("way")
def test_new_rows_are_found_without_reading_the_table(shop, database, connection):
    """The key is probed for each row, whatever PostgreSQL knows of the table."""
    connection.execute("""
        alter table "OrderItem" drop constraint "OrderItem_orderId_fkey";
        create index on "OrderItem" ("orderId");
        insert into "OrderItem" select o || '-' || i, 1, o::text
        from generate_series(1, 20000) o, generate_series(1, 5) i
    """)
    parents = [(str(number),) for number in range(1, 101)]
    left = [(parent, f"{parent}-{item}", 1) for (parent,) in parents for item in ("1", "new")]

    with database.transaction() as writer:
        rows.write_children(writer, orders, parents, [(items, left)])
        found = writer.execute(
            "select seq_scan, n_tup_ins, n_tup_upd, n_tup_del from pg_stat_xact_user_tables where relname = 'OrderItem'"
        ).fetchone()

    assert found == (0, 100, 0, 400)


def test_a_unique_rule_of_a_child_table_names_the_document_that_has_the_value(shop, sink):
    """Its letter waits for that document, as with a rule of the root's table; a rule over expressions names nobody."""
    shop.connection.execute('create unique index one_size on "OrderItem" (size)')
    outcome = replicate(ORDERS, [order("a", 1, x=1, y=2), order("b", 1, v=3, z=2)], sink)
    assert [(it.path, it.wanted and it.wanted.values) for it in outcome.problems] == [("one_size", '["a"]')]

    shop.connection.execute('drop index one_size; create unique index one_half on "OrderItem" ((size / 2))')
    outcome = replicate(ORDERS, [order("c", 1, w=2)], sink)
    assert [(it.path, it.wanted) for it in outcome.problems] == [("one_half", None)]


def test_a_new_item_takes_a_unique_value_that_another_item_has_left(shop, sink):
    """What is there is changed first, whatever the ids are."""
    shop.connection.execute('create unique index of_order on "OrderItem" ("orderId", size)')
    replicate(ORDERS, [order("a", 1, m=1)], sink)

    assert replicate(ORDERS, [order("a", 2, m=2, b=1, z=3)], sink) == Outcome(applied=1)

    assert held(shop) == {"a": {"m": 2, "b": 1, "z": 3}}
