"""Several types in one container: each has its own root table, and a document belongs to the type that it names."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Numeric, Table, Text

from cdc.core import fields
from cdc.core.conventions import Conventions
from cdc.core.document_models import RootDocument
from cdc.core.document_reader import DocumentReader
from cdc.core.documents import Reading
from cdc.core.errors import DocumentError, ProblemKind
from cdc.core.mapper_groups import by_container
from cdc.core.mapping import Mapper, Rows
from cdc.core.writes import Outcome, map_change
from cdc.operations.counts import Counts
from cdc.operations.table_check import check_tables
from cdc.reconcile.tables_side import PostgresTablesSide
from cdc.repair.reread import Ending, repair_document
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from mappers.accounts import ACCOUNTS
from tests.builders import a_change, a_version
from tests.example import APPLICATION_SQL
from tests.example.mappers import MAPPERS, ORDERS, REFUNDS
from tests.integration.test_convergence import REAL_DATABASE

SHOP, VISITS = by_container(MAPPERS)
TABLES = ("orders", "order_lines", "refunds", "visits")
ORDER = {"type": "order", "customerId": "c", "total": 12.5, "placedAt": 1_766_000_000}
REFUND = {"type": "refund", "customerId": "c", "amount": "0.50"}
LINES = [{"lineId": f"{number}b5c3bd4-8a0e-4b8c-9d0a-3f1e5a6b7c8d", "price": 1} for number in range(3)]


def as_it_is(document):
    """Return a row with the document's own fields."""
    return Rows(root=vars(document))


def read_strictly(mapper, document, name):
    """Return the mapper with conventions that park unknown types."""
    model = type(mapper.reader.read({"id": "a"} | document).document)
    strict = replace(model.conventions, parks_unknown_types=True)
    return replace(mapper, reader=DocumentReader(type(name, (model,), {"conventions": strict, "type_name": name})))


class TheSource:
    """A source of one document."""

    def __init__(self, body):
        self.body = body

    def read_document(self, _):
        """Return the document as it is now."""
        return Reading(self.body, self.body["_ts"])


@pytest.fixture
def shop(observer):
    """The tables of the other application."""
    observer.connection.execute(APPLICATION_SQL.read_text())
    for table in TABLES:
        observer.connection.execute(f"grant select, insert, update, delete on {table} to public")
    return observer


def a_document(id_, ts, properties, container="orders"):
    """Build a version of a document, or a delete."""
    body = None if properties is None else {"id": id_} | properties
    return a_change(id_, container=container, version=a_version(ts, ts), body=body)


def ids(shop):
    """Return the ids in each table of orders."""
    return {table: [row["id"] for row in shop.rows(table)] for table in ("orders", "refunds")}


@pytest.mark.parametrize("price", [1, 2], ids=["the same price", "another price"])
def test_a_line_that_comes_twice_parks_its_order_also_where_its_row_is_there(shop, sink, price):
    """Nobody knows which one is meant, whatever rows the order has, and however the second one spells the key."""
    replicate(SHOP, [a_document("o", 1, ORDER | {"lines": LINES})], sink)
    twice = [*LINES, {"lineId": LINES[0]["lineId"].upper(), "price": price}]

    for id_, ts in (("o", 2), ("new", 1)):
        assert replicate(SHOP, [a_document(id_, ts, ORDER | {"lines": twice})], sink).parked == 1

    assert [(row["order_id"], row["price"]) for row in shop.rows("order_lines")] == [("o", 1)] * 3
    assert shop.letters()["o"][0] == shop.letters()["new"][0] == "data"


def test_keys_that_postgresql_takes_for_one_are_one():
    """A mapper that yields texts of a UUID yields two rows of one key."""
    ids = (LINES[0]["lineId"], LINES[0]["lineId"].replace("-", "").upper())
    lines = [{"order_id": "o", "line_id": id_, "price": None} for id_ in ids]
    careless = replace(ORDERS, rows=lambda order: replace(ORDERS.rows(order), children={"order_lines": lines}))

    with pytest.raises(DocumentError, match="have one key"):
        careless.map({"id": "o"} | ORDER)


def test_a_batch_of_five_types_lands_in_five_roots(shop, sink, database):
    """Whole or in pieces; and each is found equal, counted and checked in its own table."""
    conventions = Conventions(type_properties=("kind",))
    metadata = MetaData(schema="public")
    mappers = []
    for number in range(5):
        name = f"kind_{number}"
        shop.connection.execute(f"create table {name} (id text primary key, value numeric)")
        shop.connection.execute(f"grant select, insert, update, delete on {name} to public")
        table = Table(name, metadata, Column("id", Text, primary_key=True), Column("value", Numeric))
        model = type(
            name, (RootDocument,),
            {"conventions": conventions, "__annotations__": {"value": fields.LongNumber}, "__module__": __name__},
        )  # fmt: skip
        mappers.append(
            Mapper(
                container="things", reader=DocumentReader(model), tables=(table,), rows=lambda it: Rows(root=vars(it))
            )
        )
    (things,) = by_container(mappers)
    changes = [
        a_document(f"d{number}", 1, {"kind": f"kind_{number % 5}", "value": number}, "things") for number in range(20)
    ]

    assert check_tables(database, things) == []
    assert replicate(things, changes, sink) == Outcome(applied=20)

    for number in range(5):
        found = {row["id"]: row["value"] for row in shop.rows(f"kind_{number}")}
        assert found == {f"d{each}": each for each in range(number, 20, 5)}
    side = PostgresTablesSide(database, things)
    assert side.find_different([map_change(things, it) for it in changes]) == (20, [])
    assert (side.find_lost(9), side.find_unclaimed(9)) == ([], [])
    ledger = Counts(database, ["things"]).read_ledger()
    assert ledger.by_table("things") == {f"public.kind_{number}": 4 for number in range(5)}
    assert ledger.of("things")["applied"] == 20
    assert Counts(database).read_ledger().by_table("things") == {}


@pytest.mark.parametrize("reapplied", [False, True])
def test_a_document_that_changes_its_type_leaves_no_row_behind(shop, sink, database, reapplied):
    """Nor a child row: one root row in the new table, and back again; a replay of the old version revives nothing."""
    sink = PostgresSink(database, reapplies=True) if reapplied else sink
    was_order, is_refund = a_document("a", 1, ORDER | {"lines": LINES}), a_document("a", 2, REFUND)
    replicate(SHOP, [was_order, a_document("b", 1, ORDER | {"lines": LINES})], sink)
    assert len(shop.rows("order_lines")) == 6

    replicate(SHOP, [is_refund], sink)
    assert ids(shop) == {"orders": ["b"], "refunds": ["a"]}
    assert {row["order_id"] for row in shop.rows("order_lines")} == {"b"}

    replicate(SHOP, [was_order], sink)
    assert ids(shop) == {"orders": ["b"], "refunds": ["a"]}
    replicate(SHOP, [a_document("a", 3, ORDER)], sink)
    assert ids(shop) == {"orders": ["a", "b"], "refunds": []}


@pytest.mark.parametrize("repaired", [False, True])
def test_a_document_changes_its_type_before_the_ledger_knows_its_table(shop, sink, database, repaired):
    """While the ledger is rewritten, a row without a table is of the container's root: it is given up, too."""
    replicate(SHOP, [a_document("a", 1, ORDER | {"lines": LINES})], sink)
    shop.connection.execute(
        "create or replace function cdc.root_table(container text) returns text language sql immutable"
        " as $$ select case container when 'orders' then 'public.orders' end $$;"
        "alter table cdc.document disable trigger user;"
        "update cdc.document set row_table = null, row_hash = null;"
        "alter table cdc.document enable trigger user"
    )

    if repaired:
        source = TheSource({"id": "a", "_ts": a_version(2).ts, "_etag": "new"} | REFUND)
        store = PostgresRereadStore(database, backoff_seconds=60, settle_seconds=0)
        assert repair_document(SHOP, a_document("a", 2, REFUND).identity, source, store) is Ending.APPLIED
    else:
        replicate(SHOP, [a_document("a", 2, REFUND)], sink)

    assert ids(shop) == {"orders": [], "refunds": ["a"]}
    assert shop.rows("order_lines") == []


@pytest.mark.parametrize(
    ("after", "state"),
    [
        ({"type": "invoice"}, "unmapped"),
        ({}, "unmapped"),
        ({"type": ""}, "unmapped"),
        (ORDER | {"deletedAt": "2026-01-09T12:00Z"}, "applied"),
        ({"type": "refund", "deletedAt": 1}, "applied"),
        ({"type": ["order"], "deletedAt": 1}, "unmapped"),
        (None, "deleted"),
    ],
)
def test_a_document_that_is_nobodys_gives_up_its_rows(shop, sink, after, state):
    """It names another type or none, is marked as deleted, or is deleted."""
    replicate(SHOP, [a_document("a", 1, ORDER | {"lines": LINES})], sink)

    replicate(SHOP, [a_document("a", 2, after)], sink)

    assert shop.states() == {"a": state}
    assert [shop.rows(table) for table in TABLES] == [[], [], [], []]


def test_two_documents_of_two_types_may_have_one_key(shop, sink):
    """A row belongs to its table; within one table two documents may not claim one row."""
    outcome = replicate(SHOP, [a_document("a", 1, ORDER), a_document("b", 1, REFUND | {"id": "a"})], sink)
    assert outcome == Outcome(applied=2)
    assert ids(shop) == {"orders": ["a"], "refunds": ["a"]}

    outcome = replicate(SHOP, [a_document("c", 1, REFUND | {"id": "a"})], sink)
    assert [problem.kind for problem in outcome.problems] == [ProblemKind.CONFLICT]
    assert outcome.problems[0].wanted.table == "public.refunds"

    swapped = [a_document("a", 2, REFUND | {"id": "a"}), a_document("b", 2, ORDER | {"id": "a"})]
    assert replicate(SHOP, swapped, sink) == Outcome(applied=2)
    assert (len(shop.rows("orders")), len(shop.rows("refunds"))) == (1, 1)


def test_a_type_that_changes_to_what_cannot_be_read_keeps_its_rows(shop, sink):
    """A parked document keeps the rows last applied, whatever type it names now; then it gives them up."""
    replicate(SHOP, [a_document("a", 1, ORDER)], sink)

    outcome = replicate(SHOP, [a_document("a", 2, REFUND | {"amount": 0.001})], sink)
    assert [problem.path for problem in outcome.problems] == ["$.amount"]
    assert ids(shop) == {"orders": ["a"], "refunds": []}

    replicate(SHOP, [a_document("a", 3, REFUND)], sink)
    assert ids(shop) == {"orders": [], "refunds": ["a"]}


def test_unknown_types_are_parked_where_the_container_says_so(shop, sink):
    """With the property that names the type; a container of one type can say so, too."""
    one, two = read_strictly(ORDERS, ORDER, "order"), read_strictly(REFUNDS, REFUND, "refund")
    for mappers in ([one, two], [one]):
        (group,) = by_container(mappers)
        batch = [a_document("a", 1, ORDER), a_document("b", 1, {"type": "invoice"}), a_document("c", 1, {"type": [1]})]
        outcome = replicate(group, batch, sink)
        assert (outcome.applied + outcome.stale, outcome.unmapped) == (1, 0) or outcome.stale == 3
    assert {path for _, path, _ in shop.letters().values()} == {"$.type"}
    assert shop.states() == {"a": "applied", "b": "parked", "c": "parked"}
    (lone,) = by_container([one])
    assert lone.map({"id": "a"} | ORDER | {"type": None}).root is not None


def test_a_difference_is_found_in_the_table_of_each_type(shop, sink, database):
    """Changed, lost, and claimed by nobody: of every root and child."""
    changes = [a_document("a", 1, ORDER | {"lines": LINES}), a_document("b", 1, REFUND), a_document("c", 1, ORDER)]
    replicate(SHOP, changes, sink)
    side, writes = PostgresTablesSide(database, SHOP), [map_change(SHOP, it) for it in changes]

    shop.connection.execute("update refunds set amount = 1; update order_lines set price = 2")
    assert {it.id for it in side.find_different(writes)[1]} == {'"a"', '"b"'}
    shop.connection.execute("delete from refunds; delete from orders where id = 'c'")
    assert {it.id for it in side.find_lost(9)} == {'"b"', '"c"'}
    assert len(side.find_lost(1)) == 1
    shop.connection.execute("insert into refunds values ('c', null, 1)")
    shop.connection.execute("insert into order_lines values ('x', %s)", [LINES[0]["lineId"]])
    assert {(row.table, row.values) for row in side.find_unclaimed(9)} == {
        ("public.refunds", '["c"]'),
        ("public.order_lines", f'["x","{LINES[0]["lineId"]}"]'),
    }


@pytest.mark.parametrize(
    ("mappers", "words"),
    [
        ([ORDERS, replace(REFUNDS, reader=ORDERS.reader)], "the type order"),
        ([ORDERS, replace(REFUNDS, tables=ORDERS.tables)], "the table public.orders"),
        ([ORDERS, replace(ACCOUNTS, container="orders")], "the same conventions"),
        ([ACCOUNTS, replace(ACCOUNTS, container="other")], "the table public.accounts"),
    ],
)
def test_mappers_that_cannot_share_are_refused_at_import(mappers, words):
    """Before anything is read: nobody could tell whose document it is."""
    with pytest.raises(ValueError, match=words):
        by_container(mappers)


def test_a_key_of_several_columns_is_one_for_each_tenant(shop, sink, database):
    """Two documents of one id in two partitions have a row each; a delete takes its own."""
    changes = [
        a_change(
            "v", container="visits", partition_key=[tenant, "x"], version=a_version(1),
            body={"id": "v", "tenantId": tenant, "visitorId": "x", "seconds": 2**60},
        )
        for tenant in "st"
    ]  # fmt: skip
    assert replicate(VISITS, changes, sink) == Outcome(applied=2)
    gone = a_change("v", container="visits", partition_key=["s", "x"], version=a_version(2), body=None)
    assert replicate(VISITS, [gone], sink) == Outcome(deleted=1)
    assert shop.rows("visits") == [{"tenant_id": "t", "id": "v", "seconds": 2**60}]
    assert PostgresTablesSide(database, VISITS).find_different([map_change(VISITS, changes[1])]) == (1, [])


KINDS = {
    "order": lambda order: ORDER | {"total": order, "labels": [f"l{order}"], "lines": LINES[: order % 4]},
    "refund": lambda order: REFUND | {"amount": f"{order}.25"},
    "other": lambda _: {"type": "invoice"},
    "marked": lambda _: ORDER | {"deletedAt": 5},
    "bad": lambda _: REFUND | {"amount": 0.001},
    "gone": lambda _: None,
}


@REAL_DATABASE
@given(
    histories=st.lists(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5), min_size=1, max_size=5),
    randomness=st.randoms(use_true_random=False),
)
def test_any_delivery_of_any_types_ends_in_the_rows_of_the_newest_versions(shop, sink, histories, randomness):
    """Documents that change type, forth and back, shuffled, repeated and cut: as if only the newest had come."""
    versions = [
        [a_document(f"d{number}", order + 1, KINDS[kind](order)) for order, kind in enumerate(kinds)]
        for number, kinds in enumerate(histories)
    ]
    every = [change for history in versions for change in history]
    deliveries = every + randomness.choices(every, k=randomness.randint(0, len(every)))
    randomness.shuffle(deliveries)
    parked = {f"d{number}" for number, kinds in enumerate(histories) if kinds[-1] == "bad"}
    places = sorted(randomness.sample(range(len(deliveries) + 1), randomness.randint(0, len(deliveries))))

    ends = []
    for batches in (
        [[history[-1] for history in versions]],
        [deliveries[a:b] for a, b in pairwise([0, *places, len(deliveries)])],
    ):
        for table in (*TABLES, "cdc.document", "cdc.dead_letter"):
            shop.connection.execute(f"delete from {table}")
        for batch in batches:
            replicate(SHOP, batch, sink)
        rows = {
            table: [row for row in shop.rows(table) if (row.get("order_id") or row["id"]) not in parked]
            for table in ("orders", "order_lines")
        }
        rows["refunds"] = [row for row in shop.rows("refunds") if row["id"] not in parked]
        ends.append((rows, shop.states(), shop.letters()))

    assert ends[0] == ends[1]
    assert {id_ for id_, state in ends[0][1].items() if state == "parked"} == parked
