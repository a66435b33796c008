"""Root tables whose primary key has several columns, the partition key among them."""

from dataclasses import replace
from uuid import UUID

import pytest
from pydantic import BaseModel
from sqlalchemy import Column, ForeignKeyConstraint, Integer, MetaData, Table, Text, Uuid

from cdc.core import row_keys
from cdc.core.documents import Identity, Reading
from cdc.core.mapping import Mapper, Read, Rows
from cdc.core.writes import Outcome, map_change
from cdc.reconcile.tables_side import PostgresTablesSide
from cdc.repair.reread import Ending, repair_document
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from tests.builders import a_change, a_version

ONE, TWO = "11111111-1111-4111-8111-11111111aaaa", "22222222-2222-4222-8222-22222222bbbb"
_METADATA = MetaData(schema="public")
tickets = Table(
    "tickets",
    _METADATA,
    Column("tenant", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("title", Text),
)
notes = Table(
    "notes",
    _METADATA,
    Column("tenant", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("text", Text),
    ForeignKeyConstraint(["tenant", "number"], ["public.tickets.tenant", "public.tickets.number"]),
)
narrow = Table("narrow", _METADATA, Column("number", Integer, primary_key=True), Column("title", Text))
TABLES = """
create table tickets (tenant uuid, number integer, title text, primary key (tenant, number));
create table notes (
    tenant uuid, number integer, place integer, text text, primary key (tenant, number, place),
    foreign key (tenant, number) references tickets
);
create table narrow (number integer primary key, title text);
grant select, insert, update, delete on tickets, notes, narrow to migrated_writer
"""


class Ticket(BaseModel):
    """A document; its tenant is the partition key."""

    id: str
    tenant: str
    title: str = ""
    notes: list[str] = []


class TicketReader:
    """Reads every document."""

    types = frozenset({"ticket"})

    def read(self, body):
        """Return a document as its model."""
        return Read(Ticket.model_validate(body))


def map_ticket(ticket):
    """Return the rows under a key with the tenant; the tenant is written as the document has it."""
    key = {"tenant": ticket.tenant, "number": int(ticket.id)}
    children = [{**key, "place": place, "text": text} for place, text in enumerate(ticket.notes)]
    return Rows(root={**key, "title": ticket.title}, children={"notes": children})


def map_narrow(ticket):
    """Return a row under a key without the tenant."""
    return Rows(root={"number": int(ticket.id), "title": ticket.title})


WIDE = Mapper(container="tickets", reader=TicketReader(), tables=(tickets, notes), rows=map_ticket)
NARROW = Mapper(container="tickets", reader=TicketReader(), tables=(narrow,), rows=map_narrow)


@pytest.fixture(autouse=True)
def tables(connection):
    """The tables of both mappers."""
    connection.execute(TABLES)


def a_ticket(id_="1", tenant=ONE, ts=0, **properties):
    """Build a version of a ticket."""
    body = {"id": id_, "tenant": tenant, **properties}
    return a_change(id_, container="tickets", partition_key=tenant, version=a_version(ts), body=body)


def a_delete(id_, tenant, ts):
    """Build the delete of a ticket."""
    return a_change(id_, container="tickets", partition_key=tenant, version=a_version(ts), body=None)


def read(connection, table):
    """Return the rows of a table."""
    return connection.execute(f"select * from {table} order by 1, 2").fetchall()


def test_one_id_in_two_partitions_has_two_rows(sink, connection):
    """Documents of one id live side by side, change, swap nothing, and go alone."""
    outcome = replicate(WIDE, [a_ticket(notes=["a", "b"]), a_ticket(tenant=TWO, title="second", notes=["c"])], sink)

    assert outcome == Outcome(applied=2)
    assert read(connection, "tickets") == [(UUID(ONE), 1, ""), (UUID(TWO), 1, "second")]

    replicate(WIDE, [a_ticket(ts=1, title="new", notes=["b"]), a_delete("1", TWO, 1)], sink)

    assert read(connection, "tickets") == [(UUID(ONE), 1, "new")]
    assert read(connection, "notes") == [(UUID(ONE), 1, 0, "b")]


def test_one_id_in_two_partitions_is_explained(sink, connection):
    """Where the key lacks the partition key, the letter says so."""
    first, second = sorted([a_ticket(), a_ticket(tenant=TWO)], key=lambda change: change.key)

    replicate(NARROW, [first, second, a_ticket("2")], sink)

    letters = connection.execute("select key, kind, path, message, wanted_table, wanted_key from cdc.dead_letter")
    ((key, kind, path, message, *wanted),) = letters.fetchall()
    assert (key, kind, path, wanted) == (second.key, "conflict", "document_row_key_unique", ["public.narrow", "[1]"])
    assert "the same id in another partition" in message
    assert "public.narrow" in message
    assert "primary key" in message


def test_two_spellings_of_a_uuid_are_one_row(sink, connection):
    """PostgreSQL knows one value of a UUID: documents that write it differently claim one row."""
    one, other = a_ticket("1"), a_ticket("01", ONE.upper())

    replicate(WIDE, [one], sink)
    replicate(WIDE, [other], sink)

    states = connection.execute("select key, state from cdc.document").fetchall()
    assert dict(states) == {one.key: "applied", other.key: "parked"}
    assert read(connection, "tickets") == [(UUID(ONE), 1, "")]


def test_a_container_that_holds_the_row_is_named(sink, database, connection):
    """A container was made anew under another name: what it holds of the table stands in the way until it is let go."""
    replicate(WIDE, [a_ticket()], sink)
    moved = replace(WIDE, container="tickets-2")
    ticket = replace(a_ticket(), identity=replace(a_ticket().identity, container="tickets-2"))

    (problem,) = replicate(moved, [ticket], sink).problems

    assert "a document of container tickets" in problem.message
    store = PostgresRereadStore(database, backoff_seconds=60, settle_seconds=0)
    assert store.find_holder(moved, problem.wanted) is None
    connection.execute("delete from cdc.document where container = 'tickets'")
    assert replicate(moved, [replace(ticket, version=a_version(1))], sink) == Outcome(applied=1)


@pytest.mark.parametrize("tenant", [TWO, TWO.upper(), TWO.replace("-", "")])
def test_a_missing_parent_is_awaited_however_its_key_is_written(sink, connection, tenant):
    """The row that comes wakes the document."""
    connection.execute(
        "create table tenants (id uuid primary key, title text);"
        "alter table tickets add foreign key (tenant) references tenants (id);"
        "grant select, insert, update, delete on tenants to migrated_writer"
    )
    tenants = Table("tenants", MetaData(schema="public"), Column("id", Uuid, primary_key=True), Column("title", Text))
    parent = Mapper(
        container="tenants", reader=TicketReader(), tables=(tenants,),
        rows=lambda it: Rows(root={"id": it.tenant, "title": it.title}),
    )  # fmt: skip
    replicate(WIDE, [a_ticket(tenant=tenant)], sink)
    due = "select next_attempt_at <= now() from cdc.dead_letter"
    assert connection.execute(due).fetchall() == [(False,)]

    tenant_document = a_ticket(tenant=TWO)
    replicate(parent, [replace(tenant_document, identity=replace(tenant_document.identity, container="tenants"))], sink)

    assert connection.execute(due).fetchall() == [(True,)]


@pytest.mark.parametrize("tenant", [ONE, ONE.upper()])
def test_reconcile_finds_wide_keys(sink, database, connection, tenant):
    """Rows that are lost, changed, or belong to nobody are found by all columns of the key."""
    changes = [a_ticket(tenant=tenant, notes=["a"]), a_ticket(tenant=TWO), a_ticket("2", tenant=TWO)]
    replicate(WIDE, changes, sink)
    side = PostgresTablesSide(database, WIDE)
    writes = [map_change(WIDE, change) for change in changes]
    assert (side.find_lost(9), side.find_unclaimed(9), side.find_different(writes)) == ([], [], (3, []))

    connection.execute("update notes set text = 'x'")
    connection.execute("update tickets set number = 3 where number = 2")

    assert side.find_lost(9) == [changes[2].identity]
    assert side.find_unclaimed(9) == [row_keys.by_key(tickets)([UUID(TWO), 3])]
    assert set(side.find_different(writes)[1]) == {changes[0].identity, changes[2].identity}


class Source:
    """A source that answers with these bodies."""

    def __init__(self, *changes):
        self.bodies = {change.identity: change.body for change in changes}

    def read_document(self, identity: Identity):
        """Return the document as it is now."""
        return Reading(self.bodies[identity] | {"_ts": a_version(5).ts, "_etag": '"5"'}, a_version(6).ts)


def test_a_swap_of_wide_keys_is_solved_by_reading_both(sink, database, connection):
    """A document that waits for the row of another one gets it when the other has moved."""

    def rows(ticket):
        return map_ticket(ticket.model_copy(update={"id": ticket.title or ticket.id}))

    mapper = Mapper(container="tickets", reader=TicketReader(), tables=(tickets, notes), rows=rows)
    replicate(mapper, [a_ticket("1"), a_ticket("2")], sink)
    replicate(mapper, [a_ticket("1", ts=1, title="2")], sink)
    assert connection.execute("select wanted_key from cdc.dead_letter").fetchall() == [(f'["{ONE}",2]',)]
    source = Source(a_ticket("1", title="2"), a_ticket("2", title="1"))
    store = PostgresRereadStore(database, backoff_seconds=60, settle_seconds=0)

    ending = repair_document(mapper, a_ticket("1").identity, source, store)

    assert ending is Ending.APPLIED
    assert read(connection, "tickets") == [(UUID(ONE), 1, "1"), (UUID(ONE), 2, "2")]
    assert connection.execute("select count(*) from cdc.dead_letter").fetchone() == (0,)
