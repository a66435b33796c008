"""Tables and columns whose names need quotes, as Entity Framework makes them."""

import pytest
from pydantic import BaseModel
from sqlalchemy import Column, MetaData, Table, Text

from cdc.core.documents import State
from cdc.core.errors import ProblemKind
from cdc.core.mapping import Mapper, Read, Rows
from cdc.core.writes import Outcome, map_change
from cdc.operations.table_check import check_tables
from cdc.reconcile.tables_side import PostgresTablesSide
from cdc.replication.batch import replicate
from tests.builders import a_change, a_version

SCHEMA = MetaData(schema="Shop")
owners = Table("Owners", SCHEMA, Column("Id", Text, primary_key=True), Column("E-mail", Text))
pets = Table("Pets", SCHEMA, Column("Id", Text, primary_key=True), Column("OwnerId", Text))
CREATE = """
create schema "Shop";
create table "Shop"."Owners" ("Id" text primary key, "E-mail" text unique);
create table "Shop"."Pets" ("Id" text primary key, "OwnerId" text references "Shop"."Owners");
grant usage on schema "Shop" to public;
grant select, insert, update, delete on all tables in schema "Shop" to public
"""


class Thing(BaseModel):
    """A document."""

    id: str
    other: str | None = None


class ThingReader:
    """Reads every document."""

    types = frozenset({"thing"})

    def read(self, body):
        """Return a document as its model."""
        return Read(Thing.model_validate(body))


OWNERS = Mapper(
    container="owners", reader=ThingReader(), tables=(owners,), rows=lambda it: Rows({"Id": it.id, "E-mail": it.other})
)
PETS = Mapper(
    container="pets", reader=ThingReader(), tables=(pets,), rows=lambda it: Rows({"Id": it.id, "OwnerId": it.other})
)


@pytest.fixture
def shop(observer):
    """The tables."""
    observer.connection.execute(CREATE)
    return observer


def a_thing(container, id_, ts, other=None):
    """Build a version of a document."""
    return a_change(id_, container=container, version=a_version(ts), body={"id": id_, "other": other})


def test_rows_are_written_checked_compared_and_deleted(shop, sink, database):
    """As in any other table."""
    assert check_tables(database, OWNERS) == []
    change = a_thing("owners", "a", 1, "x")
    assert replicate(OWNERS, [change], sink) == Outcome(applied=1)
    side = PostgresTablesSide(database, OWNERS)
    assert (side.find_lost(9), side.find_unclaimed(9)) == ([], [])
    assert side.find_different([map_change(OWNERS, change)]) == (1, [])
    gone = a_change("a", container="owners", version=a_version(2), body=None)
    assert replicate(OWNERS, [gone], sink) == Outcome(deleted=1)
    assert shop.rows('"Shop"."Owners"') == []


def test_conflicts_and_missing_parents_name_the_row_that_they_wait_for(shop, sink):
    """And are woken when it comes."""
    outcome = replicate(OWNERS, [a_thing("owners", "a", 1, "x"), a_thing("owners", "b", 1, "x")], sink)
    assert [(it.kind, it.wanted and it.wanted.table) for it in outcome.problems] == [
        (ProblemKind.CONFLICT, "Shop.Owners")
    ]
    (problem,) = replicate(PETS, [a_thing("pets", "p", 1, "c")], sink).problems
    assert (problem.kind, problem.wanted.table, problem.wanted.values) == (
        ProblemKind.MISSING_PARENT,
        "Shop.Owners",
        '["c"]',
    )


def test_a_trigger_that_drops_a_row_is_seen(shop, sink):
    """Its document is parked."""
    shop.connection.execute(
        "create function drop_row() returns trigger language plpgsql as 'begin return null; end';"
        'create trigger drop_row before insert on "Shop"."Pets" for each row execute function drop_row()'
    )
    outcome = replicate(PETS, [a_thing("pets", "p", 1)], sink)
    assert (outcome.applied, len(outcome.problems)) == (0, 1)
    assert shop.states() == {"p": State.PARKED}
