"""Tables of every kind that exist, and what becomes of their columns, keys and rules."""

import re
import subprocess
import sys
from uuid import UUID

import psycopg
import pytest
import sqlalchemy
from pydantic import BaseModel
from sqlalchemy.dialects import postgresql

from cdc.core.conventions import Conventions, DeleteMark, Instants, Naming
from cdc.core.errors import RequestError
from cdc.core.mapper_groups import by_container
from cdc.core.mapping import Mapper, Read, Rows
from cdc.modelling.adopting import adopt
from cdc.modelling.module_text import write_module
from cdc.modelling.table_catalogue import read_table
from cdc.modelling.table_misfits import list_misfits
from cdc.modelling.table_profile import profile_tables
from cdc.modelling.tables_text import write_table
from cdc.operations.table_check import check_tables
from cdc.postgres.database import Database
from tests.builders import by_column
from tests.unit.modelling.generated import check_golden, load
from tests.unit.modelling.test_profiler import profile

TYPES = """
create type state as enum ('open', 'paid, in part', 'it''s "late"');
create domain mark as text;
create table things (
    id character varying(36) primary key, small smallint, whole integer not null, long bigint, part real, ratio float8,
    money numeric(12, 2), thousands numeric(6, -3), tiny numeric(2, 4), any_number numeric, flag boolean,
    name varchar(5), code char(3), note text, one_of state not null, stages state[], labels text[], tags varchar(9)[],
    marks uuid[],
    numbers integer[], ratios double precision[], at timestamptz, at_three timestamptz(3), at_second timestamp(0),
    at_plain timestamp, day date, span interval, anything jsonb not null, plain json, bytes bytea, a_mark mark,
    clock time, times timestamptz[], search tsvector generated always as (to_tsvector('simple', 'a')) stored
);
"""


class _AnyReader:
    """Reads nothing: only the tables of the mapper are looked at."""

    types = ()

    def read(self, _):
        return Read(BaseModel())


@pytest.fixture
def database(empty_dsn):
    """A pool on an empty database."""
    database = Database(empty_dsn)
    yield database
    database.close()


@pytest.fixture
def design(database, empty_dsn):
    """Return a function that makes tables, and designs a mapper for those that are named."""

    def make(statements, *names, documents=None, theirs=None, owners=None):
        with psycopg.connect(empty_dsn, autocommit=True) as connection:
            connection.execute(statements)
        with database.connection() as connection:
            tables = [read_table(connection, name) for name in names]
        found = profile(documents) if documents else profile_tables(tables, "Things", theirs)
        return adopt(found, "Things", tables, theirs, owners=owners)

    return make


def documents(count=12, **properties):
    """Return documents that have these properties."""
    return [{"id": f"d{number}", **properties} for number in range(count)]


def describe(table):
    """Return the columns' types and fields by name."""
    return {
        column.name: (column.type.declared, column.type.annotate(nullable=column.nullable))
        for column in table.all_columns
    }


def test_every_type_has_its_field_or_a_reason(database, design):
    """What is declared fits the table; what no field reads is left out, and said."""
    (type_,) = design(TYPES, "things").types

    columns = describe(type_.root)
    choice = r"""Annotated[str, Choice("open", "paid, in part", 'it\'s "late"')]"""
    enum = r"""ENUM("open", "paid, in part", 'it\'s "late"', name="state", schema="public")"""
    assert columns == {
        "id": ("String(36)", "Text"),
        "small": ("SmallInteger", "WholeNumber | None"),
        "whole": ("Integer", "WholeNumber"),
        "long": ("BigInteger", "LongNumber | None"),
        "part": ("REAL", "RealNumber | None"),
        "ratio": ("Double", "DoubleNumber | None"),
        "money": ("Numeric(12, 2)", "Annotated[Decimal, Numeric(12, 2)] | None"),
        "thousands": ("Numeric(6, -3)", "Annotated[Decimal, Numeric(6, -3)] | None"),
        "tiny": ("Numeric(2, 4)", "Annotated[Decimal, Numeric(2, 4)] | None"),
        "any_number": ("Numeric", "Annotated[Decimal, Numeric(147455, 16383)] | None"),
        "flag": ("Boolean", "bool | None"),
        "name": ("String(5)", "Text | None"),
        "code": ("CHAR(3)", "Text | None"),
        "note": ("Text", "Text | None"),
        "one_of": (enum, choice),
        "stages": (f"ARRAY({enum})", f"list[{choice}] | None"),
        "labels": ("ARRAY(Text)", "list[Text] | None"),
        "tags": ("ARRAY(Text)", "list[Text] | None"),
        "marks": ("ARRAY(Uuid)", "list[Uuid] | None"),
        "numbers": ("ARRAY(Integer)", "list[WholeNumber] | None"),
        "ratios": ("ARRAY(Double)", "list[DoubleNumber] | None"),
        "at": ("_INSTANT", "Instant"),
        "at_three": ("TIMESTAMP(timezone=True, precision=3)", "Annotated[Instant, Fraction(3)]"),
        "at_second": ("TIMESTAMP(precision=0)", "Annotated[Instant, Fraction(0)]"),
        "at_plain": ("DateTime", "Instant"),
        "day": ("Date", "Day"),
        "span": ("Interval", "Duration | None"),
        "anything": ("JSONB", "JsonValue"),
    }
    left = dict(type_.root.left)
    assert left.keys() == {"plain", "bytes", "a_mark", "clock", "times", "search"}
    assert left["plain"] == "json cannot be compared; change it to jsonb"
    assert left["search"] == "PostgreSQL computes it"
    names = vars(sqlalchemy) | vars(postgresql) | {"_INSTANT": sqlalchemy.DateTime(timezone=True)}
    names |= {"Table": sqlalchemy.Table, "_METADATA": sqlalchemy.MetaData(schema="public")}
    exec(write_table(type_.root), names)
    reader = _AnyReader()
    mapper = Mapper(container="Things", reader=reader, tables=(names["things"],), rows=lambda _: Rows())
    assert check_tables(database, mapper) == []


def test_many_labels_are_written_as_ruff_writes_them(design, tmp_path):
    """An enum, and an array of it, in the table and in the model."""
    labels = ", ".join(f"'a label that is long, {number}'" for number in range(9))
    kinds = f"create type kind as enum ({labels}); "
    found = design(f"{kinds} create table things (id text primary key, one kind not null, many kind[])", "things")

    (type_,) = found.types
    module, tables = tmp_path / "module.py", tmp_path / "tables.py"
    module.write_text(write_module(found, type_), encoding="utf-8")
    tables.write_text(write_table(type_.root), encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--no-cache", "--check", "--line-length", "120", module, tables]
    assert subprocess.run(command, check=False).returncode == 0
    assert "Choice(" in module.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("statements", "name", "words"),
    [
        ("create table things (id text)", "things", "public.things has no primary key"),
        ("create view things as select 1 as id", "things", "public.things is a view"),
        ("create schema shop", "shop.things", "There is no table shop.things"),
        ('create table "Things" (id text primary key); create table "thinGs" ()', "things", "write the name with its"),
        (
            "create table things (code bytea primary key)",
            "things",
            "code of the primary key of public.things is bytea, which holds no id: let it be a text",
        ),
        (
            "create table things (a text, b text, primary key (a, b))",
            "things",
            "Only one of the columns a and b of the primary key of public.things may be the documents' id",
        ),
        (
            "create table things (id int generated always as identity primary key)",
            "things",
            "alter table public.things alter id set generated by default; then run init again",
        ),
        (
            "create table things (id text generated always as ('a') stored primary key)",
            "things",
            "id of the primary key of public.things is computed by PostgreSQL, so that the documents' id cannot be",
        ),
        (
            "create table things (size bytea, id text, primary key (size, id))",
            "things",
            "The properties of the documents do not fit the primary key of public.things (size is bytea, id is text)",
        ),
        (
            "create table things (part_name text primary key)",
            "things",
            "part_name of the primary key of public.things is called like a property inside an object",
        ),
    ],
)
def test_a_table_that_no_document_can_fill_is_refused(design, statements, name, words):
    """One sentence says why."""
    with pytest.raises(RequestError, match=re.escape(words)):
        design(statements, name, documents=documents(size=1, part={"name": "n"}))


def test_capitals_need_no_quotes(design):
    """A name is found in any spelling; the one that is spelled so is taken first."""
    two = 'create schema "Shop"; create table "Shop"."Things" ("Id" text primary key); create table things (id text)'

    assert design(two, 'shop."things"').types[0].root.there == ("Shop", "Things")


def test_keys_of_a_whole_number_and_of_several_columns(design):
    """The id of a document is a text; the others of the key are properties, in the key's own order."""
    numbers = "create table things (id bigint generated by default as identity primary key, size int)"
    found = design(numbers, "things", documents=documents(size=1))
    assert describe(found.types[0].root) == {
        "id": ("BigInteger", "LongNumber"),
        "size": ("Integer", "WholeNumber | None"),
    }
    assert "PostgreSQL counts id, which the documents' id fills now" in found.needs[0]

    several = "create table visits (size int, id uuid, tenant_id text, primary key (tenant_id, id))"
    root = design(several, "visits", documents=documents(tenantId="t", size=1)).types[0].root
    assert [(column.name, column.field) for column in root.key] == [("tenant_id", "tenant_id"), ("id", "id")]
    assert [column.name for column in root.all_columns] == ["tenant_id", "id", "size"]

    included = "create table notes (id text, size int, primary key (id) include (size))"
    root = design(included, "notes", documents=documents(size=1)).types[0].root
    assert [column.name for column in root.key] == ["id"]


def test_the_id_is_a_column_also_beside_the_key(design, monkeypatch):
    """Another property may be the key of the table."""
    table = "create table things (number int primary key, id text not null, size int)"
    bodies = [{"id": f"d{number}", "number": number, "size": 1} for number in range(12)]
    found = design(table, "things", documents=bodies)

    (mapper,) = load(monkeypatch, found).values()

    assert (found.needs, found.types[0].root.left) == ([], ())
    assert by_column(mapper, mapper.map(bodies[3])).root == {"number": 3, "id": "d3", "size": 1}
    check_golden(found, {"Thing": mapper})


@pytest.mark.parametrize(("key", "is_told"), [("thing_id", False), ('"Id"', False), ("number", True)])
def test_a_key_that_is_called_like_nothing_has_the_id_and_says_so(design, key, is_told):
    """Nobody knows whether the number of a thing is the id of its document."""
    found = design(f"create table things ({key} text, size int, primary key (size, {key}))", "things",
                   documents=documents(size=1))  # fmt: skip

    assert [column.field for column in found.types[0].root.key] == ["size", "id"]
    told = "public.things: number of the primary key is called like no property, so it has the documents' id. "
    assert [need.startswith(told) for need in found.needs] == [True] * is_told


def test_values_that_become_null_are_told(design):
    """An empty text that is no UUID, and .NET's time that was never set, in columns that must not be null."""
    table = (
        "create table things (id text primary key, owner uuid not null, at timestamptz not null, note text not null)"
    )
    full = {"owner": str(UUID(int=1)), "at": "2026-01-09T15:20:31.8123456Z", "note": ""}
    bodies = [*documents(**full), {"id": "e", **full, "owner": ""}, {"id": "n", **full, "at": "0001-01-01T00:00:00"}]
    found = design(table, "things", documents=bodies)

    told = "must not be null, but {0} is empty or was never set in 1: documents with such are parked; correct them, or "
    told += "alter table public.things alter {0} drop not null;"
    assert [*list_misfits(found)] == [f"public.things: {name} {told.format(name)}" for name in ("owner", "at")]


LINES = """
create table things (id text primary key);
create table lines (thing_id text references things, line_id text, primary key (thing_id, line_id));
create table line_parts (
    thing_id text, line_id text, part int, size int,
    primary key (thing_id, line_id, part), foreign key (thing_id, line_id) references lines
);
create table notes (id text primary key, thing_id text references things (id) on delete cascade, text text);
create table note_tags (note_id text references notes on delete cascade, tag text, primary key (note_id, tag));
create table marks (
    thing_id text references things, number int generated always as identity, primary key (thing_id, number)
);
create table thing_kinds (thing_id text references things, kind text, primary key (thing_id, kind));
create table copies (id text primary key, thing_id text references things, other_id text references things);
create table visits (id text primary key, thing_id text references things);
"""


def test_tables_below_are_those_whose_rows_name_their_document(design):
    """By the beginning of their key, or by another column; the others are named, with what to do."""
    part = {"part": 1, "size": 2}
    line = {"lineId": "one", "parts": [part, {**part, "part": 2}]}
    note = {"id": "n", "text": "x", "tags": [{"tag": "a"}]}
    body = {"lines": [line, {**line, "lineId": "two"}], "notes": [note], "marks": [{"text": "m"}], "extras": [note]}
    found = design(LINES, "things", documents=documents(**body))

    (type_,) = found.types
    assert [(table.sql_name, table.primary_key) for table in type_.root.walk()] == [
        ("things", ("id",)),
        ("lines", ("thing_id", "line_id")),
        ("line_parts", ("thing_id", "line_id", "part")),
        ("notes", ("id",)),
    ]
    notes = type_.root.children[-1]
    assert [(column.name, column.nullable) for column in notes.all_columns] == [
        ("thing_id", False),
        ("id", False),
        ("text", True),
    ]
    assert 'info={"adopted": True, "parent": ("thing_id",)},' in write_table(notes)
    needs = "\n".join(found.needs)
    assert "public.marks is not mapped: number of its primary key is generated always, so that no value can" in needs
    assert "alter table public.marks alter number set generated by default; then run init again." in needs
    for name in ("thing_kinds", "visits"):
        assert f"public.{name} refers to public.things, and is not written with it: a document whose row they" in needs
        assert f"items of extras, call it so: alter table public.{name} rename to extras; then run init again." in needs
    assert needs.count("public.copies refers to public.things, and is not written with it: ") == 2
    assert "its primary key must begin with (other_id) and go on with what tells the items apart." in needs
    assert "public.note_tags refers to public.notes, and is not written with it: a document that is deleted" in needs
    assert "called like the array, or let both primary keys begin with (thing_id)." in needs
    assert "no index begins with thing_id, so that every document reads the whole table: create index on" in needs
    assert len(found.needs) == 8
    alone = "public.notes: its primary key is id alone. Of two documents that have an item of one key, the second is"
    assert found.needs[1].startswith(alone)
    assert "alter table public.notes drop constraint notes_pkey, add primary key (thing_id, id);" in found.needs[1]


@pytest.mark.parametrize(
    "key",
    [
        "id serial",
        "id int generated always as identity",
        "id uuid default gen_random_uuid()",
        "id text",  # a cuid, which Prisma's client makes
        "id int",
    ],
)
def test_a_key_that_nothing_in_a_document_fills(database, design, empty_dsn, monkeypatch, key):
    """The sentence has the statement after which the table is written, by the items' places."""
    tables = f"""
    create table "Thing" (id text primary key);
    create table "Note" (
        {key}, "thingId" text references "Thing" on delete cascade, "position" text,
        constraint "Note_pkey" primary key (id)
    );
    create table "Seen" (id text primary key, "noteId" {key.split()[1].replace("serial", "int")} references "Note");
    """
    bodies = documents(notes=[{"position": "a"}, {"position": "b"}])
    found = design(tables, "thing", documents=bodies)

    (table,) = found.types[0].root.walk()
    assert (table.sql_name, table.unmapped) == ("Thing", ("notes",))
    (need,) = found.needs
    assert need.startswith(
        'public."Note" is not mapped: no property of an item fills id of its primary key, so that a row'
    )
    statements = need.partition("be in the key: ")[2].removesuffix("; then run init again.")
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(statements)
    again = design("", "thing", documents=bodies)
    _, note = again.types[0].root.walk()
    assert (note.primary_key, note.own_key) == (("thingId", "position_2"), ())
    (mapper,) = load(monkeypatch, again).values()
    rows = by_column(mapper, mapper.map(bodies[0])).children["Note"]
    assert rows == [{"thingId": "d0", "position_2": place, "position": text} for place, text in enumerate("ab")]
    assert check_tables(database, mapper) == []
    check_golden(again, {"Thing": mapper})


def test_a_key_that_has_the_parent_in_another_place(database, design, monkeypatch):
    """The columns of the declaration are in the key's order; the item's place is unique there, and no id is shared."""
    tables = """
    create table things (id text primary key, tenant text);
    create table lines (number int, size int, thing_id text references things, primary key (number, thing_id));
    create index on lines (thing_id, size);
    """
    bodies = documents(lines=[{"size": 5}])
    found = design(tables, "things", documents=bodies)

    assert found.needs == []
    (mapper,) = load(monkeypatch, found).values()
    assert by_column(mapper, mapper.map(bodies[0])).children["lines"] == [{"thing_id": "d0", "number": 0, "size": 5}]
    assert check_tables(database, mapper) == []
    check_golden(found, {"Thing": mapper})


def test_a_key_of_the_items_own_below_a_key_of_several_columns(database, design, empty_dsn, monkeypatch):
    """Each column of the parent's key has its own column, whatever it is called, in the order of that key."""
    tables = """
    create table things (tenant_id text, id text, primary key (tenant_id, id));
    create table lines (
        id bigserial primary key, of_thing text, of_tenant text,
        foreign key (of_thing, of_tenant) references things (id, tenant_id)
    );
    create index on lines (of_tenant) where id > 0;
    """
    bodies = documents(tenantId="t", lines=[{"id": 7}])
    found = design(tables, "things", documents=bodies)

    counted, alone, index = found.needs
    assert counted.startswith(
        "public.lines: PostgreSQL counts id, which id of an item fills now. After the cut-over set"
    )
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute("insert into lines values (7)")
        connection.execute(counted.partition("greatest value: ")[2])
        assert connection.execute("insert into lines default values returning id").fetchone() == (8,)
    assert "add primary key (of_tenant, of_thing, id);" in alone
    assert index.endswith("create index on public.lines (of_tenant, of_thing);")
    (mapper,) = load(monkeypatch, found).values()
    rows = by_column(mapper, mapper.map(bodies[0])).children["lines"]
    assert rows == [{"of_tenant": "t", "of_thing": "d0", "id": 7}]
    assert mapper.tables[1].info["parent"] == ("of_tenant", "of_thing")
    assert check_tables(database, mapper) == []


def test_documents_of_another_container_are_no_items(design):
    """Without a profile nobody knows what a table with a key of its own has; another type has its own documents."""
    tables = """
    create table orders (id text primary key);
    create table refunds (id text primary key, order_id text references orders on delete set null);
    """
    alone = design(tables, "orders")
    assert [table.sql_name for table in alone.types[0].root.walk()] == ["orders"]
    (need,) = alone.needs
    assert need.startswith(
        "public.refunds refers to public.orders, and is not written with it: a document that is deleted sets these"
    )
    assert need.endswith("profile the documents, and name the profile with --profile.")

    copied = [
        {"id": f"{name}{number}", "$type": name, "refunds": [{"id": "r"}]}
        for number in range(12)
        for name in ("Order", "Refund")
    ]
    both = design("", "orders", "refunds", documents=copied)
    assert [[table.sql_name for table in each.root.walk()] for each in both.types] == [["orders"], ["refunds"]]
    assert both.needs[0].endswith("Its rows are those of another type.")
    owned = design("", "orders", documents=copied[::2], owners={("public", "refunds"): "Refunds"})
    assert [table.sql_name for table in owned.types[0].root.walk()] == ["orders"]
    assert owned.needs[0].endswith("Its rows are those of the container Refunds.")


def test_a_table_of_what_is_no_array_of_objects(design, empty_dsn):
    """An object, or a list of texts, that has a table of its own: the table of the documents can hold it itself."""
    tables = """
    create table "User" (id text primary key);
    create table "Profile" (id text primary key, bio text, "userId" text unique references "User");
    create table "Address" ("UserId" text primary key references "User", street text);
    create table "UserTag" ("userId" text references "User", tag text, primary key ("userId", tag));
    """
    body = {"profile": {"id": "p", "bio": "b"}, "addresses": [{"street": "s"}], "tags": ["a"]}
    found = design(tables, "user", documents=documents(**body))
    statements = re.findall("alter table[^;]+;", " ".join(found.needs))
    assert len(statements) == len(found.needs) == 3
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(" ".join(statements))

    (again,) = design("", "user", documents=documents(**body)).types
    columns = {column.name: column.type.sql for column in again.root.columns}
    assert columns == {"id": "text", "addresses": "jsonb", "profile": "jsonb", "tags": "jsonb"}
    assert again.root.children == ()


def test_objects_in_objects_have_columns_of_all_their_names(design, monkeypatch):
    """At any depth, whatever the spelling; what is less deep goes first, and a column may have an object whole."""
    table = """
    create table things (
        id text primary key, address_city text not null, address_geo_lat float8, address_geo_point_x int,
        "geoLat" float8, meta jsonb, "Home_Geo_Lat" float8
    )
    """
    geo = {"lat": 1.5, "point": {"x": 3}, "far": 1}
    bodies = documents(
        address={"city": "here", "geo": geo},
        geo_lat=2.5,
        geo={"lat": 9.5},
        meta={"size": 4},
        home={"geo": {"lat": 7.5}},
    )
    bodies[1] = bodies[1] | {"address": {"city": "there"}, "home": None}
    found = design(table, "things", documents=bodies)
    (mapper,) = load(monkeypatch, found).values()

    first, second = (by_column(mapper, mapper.map(body)).root for body in bodies[:2])
    assert first == {
        "id": "d0",
        "address_city": "here",
        "address_geo_lat": 1.5,
        "address_geo_point_x": 3,
        "geoLat": 2.5,
        "meta": {"size": 4},
        "Home_Geo_Lat": 7.5,
    }
    nothing = dict.fromkeys(("address_geo_lat", "address_geo_point_x", "Home_Geo_Lat"))
    assert second == {**first, "id": "d1", "address_city": "there", **nothing}
    root = found.types[0].root
    assert (root.parts[0].parts[0].unmapped, root.unmapped, root.left) == (("far",), ("geo",), ())
    check_golden(found, {"Thing": mapper})


def test_names_of_columns_say_which_objects_there_are(design):
    """Without a profile, each `_` of Entity Framework is an object, unless a column is called like that."""
    table = """
    create table "Orders" (
        "Id" text primary key, "Address_City" text, "Address_Geo_Lat" float8 not null, "Address_Geo_Lng" float8,
        "State" text, "State_Code" text, created_at timestamptz, "Odd__Name" text
    )
    """
    root = design(table, "orders").types[0].root

    (address,) = root.parts
    assert (address.source, [column.source for column in address.own_columns], address.nullable) == (
        "Address",
        ["City"],
        False,
    )
    (geo,) = address.parts
    assert (geo.source, [(column.source, column.nullable) for column in geo.own_columns]) == (
        "Geo",
        [("Lat", False), ("Lng", True)],
    )
    plain = [column.source for column in root.columns if column.part is None]
    assert plain == ["id", "State", "State_Code", "CreatedAt", "Odd__Name"]


def test_a_table_that_refers_to_two_above_it_is_written_once(design):
    """Where the array is; nothing is said of the other one."""
    tables = """
    create table things (id text primary key);
    create table lines (thing_id text references things, id text, primary key (thing_id, id));
    create table marks (
        thing_id text references things, line_id text, id text, primary key (thing_id, line_id, id),
        foreign key (thing_id, line_id) references lines
    );
    create table notes (
        id text primary key, thing_id text references things, mark text,
        other_thing_id text, line_id text, foreign key (other_thing_id, line_id) references lines
    );
    create index on notes (thing_id);
    """
    note = {"id": "n", "mark": "m"}
    line = {"id": "a", "marks": [{"id": "m"}], "notes": [note]}
    found = design(tables, "things", documents=documents(lines=[line], notes=[note]))

    names = [table.sql_name for table in found.types[0].root.walk()]
    assert names == ["things", "lines", "marks", "notes"]
    alone, index, reference = found.needs
    assert "add primary key (other_thing_id, line_id, id);" in alone
    assert index.endswith("create index on public.notes (other_thing_id, line_id);")
    assert reference.startswith("public.notes: thing_id refers to public.things.")


def test_a_table_that_refers_to_two_types_is_written_by_one(design):
    """No two mappers write one table: the second type is told."""
    tables = """
    create table orders (id text primary key);
    create table carts (id text primary key);
    create table items (id text primary key, order_id text references orders, cart_id text references carts);
    create index on items (order_id);
    """
    bodies = [
        {"id": f"{name}{n}", "$type": name, "items": [{"id": "i"}]} for n in range(12) for name in ("Order", "Cart")
    ]
    found = design(tables, "orders", "carts", documents=bodies)

    names = [[table.sql_name for table in type_.root.walk()] for type_ in found.types]
    assert sorted(map(len, names)) == [1, 2]
    assert [name for each in names for name in each].count("items") == 1
    assert any(need.endswith("Its rows are those of another type.") for need in found.needs)


def test_items_are_the_rows_of_one_table(design):
    """Two tables are called like the array, with the name of the parent and without it."""
    tables = """
    create table orders (id text primary key);
    create table lines (order_id text references orders, number int, primary key (order_id, number));
    create table order_lines (order_id text references orders, number int, primary key (order_id, number));
    """
    found = design(tables, "orders", documents=documents(lines=[{"number": 1}, {"number": 2}]))

    assert [table.sql_name for table in found.types[0].root.walk()] == ["orders", "lines"]
    (need,) = found.needs
    assert need.startswith("public.order_lines refers to public.orders, and is not written with it: ")
    assert "or another table has its items. There is nothing to do if the documents have no such items." in need


RULED = """
create table owners (id text primary key);
create table things (
    id text primary key, owner_id text, size int check (size > 0), name text, label text unique,
    constraint of_owner foreign key (owner_id) references owners deferrable
);
create unique index "IX_name" on things (lower(name));
create function noted() returns trigger language plpgsql as 'begin return new; end';
create trigger noted before insert on things for each row execute function noted();
create trigger off before insert on things for each row execute function noted();
alter table things disable trigger off;
create rule kept as on delete to things do instead nothing;
"""


def test_what_a_table_demands_is_told(design, empty_dsn):
    """References, unique rules, checks, triggers and rules, each with what happens, and a statement that ends it."""
    needs = design(RULED, "things", documents=documents(ownerId="o", size=1, name="n", label="l")).needs

    assert [need.partition(": ")[2].partition(" is ")[0].partition(".")[0] for need in needs] == [
        "owner_id refers to public",
        "things_size_check",
        "IX_name",
        "kept",
        "noted",
        "things_label_key",
    ]
    assert "That it is deferrable does not help" in needs[0]
    statements = re.findall(r"(?:alter table|drop index)[^;]+;", " ".join(needs))
    assert len(statements) == len(needs)
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(" ".join(statements))
    assert design("", "things", documents=documents(ownerId="o", size=1, name="n", label="l")).needs == []


@pytest.mark.parametrize(
    ("on_delete", "lost"),
    [
        ("cascade", "the row is deleted, too, although its document is still there"),
        ("set null", "owner_id becomes null, although the document still has it"),
        ("set default", "owner_id becomes its default, although the document still has another value"),
        ("restrict", None),
    ],
)
def test_what_a_reference_loses_is_told(design, on_delete, lost):
    """PostgreSQL deletes and changes rows by itself where Cosmos DB does not; Entity Framework's foreign keys do so."""
    tables = f"""
    create table owners (id text primary key);
    create table things (id text primary key, owner_id text references owners on delete {on_delete})
    """
    (need,) = design(tables, "things", documents=documents(ownerId="o")).needs

    assert (lost is not None) == ("When the row that it refers to is deleted" in need)
    assert lost is None or f"{lost}. Until the cut-over" in need


def test_a_padded_key_is_told(design):
    """PostgreSQL takes "a" and "a " for one, so that two documents would be one row."""
    padded = "create table things (size int, code char(3), name char(3), primary key (size, code))"

    (need,) = design(padded, "things", documents=documents(size=1, code="a", name="n")).needs

    assert need.startswith("public.things: code in the primary key is padded with spaces")


def test_missing_rights_come_with_the_statements_that_grant_them(database, design, empty_dsn):
    """They are those of the role that the app has."""
    design('create schema shop; create table shop."Things" ("Id" bigserial primary key, "Size" int)', "shop.things")
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute('create role "an app" login; grant usage on schema shop to "an app"')
        connection.execute('alter table shop."Things" enable row level security')
    app = Database(empty_dsn.replace("postgres@", "an%20app@", 1))
    try:
        with app.connection() as connection:
            table = read_table(connection, "shop.things")
        (_, rights, hidden) = adopt(profile_tables([table], "Things", None), "Things", [table]).needs
        grants = rights.partition("prints, or: ")[2]
        expected = [f'grant {each} on table shop."Things"' for each in ("delete", "insert", "select", "update")]
        expected.append('grant usage on sequence shop."Things_Id_seq"')
        assert grants == " ".join(f'{each} to "an app";' for each in expected)
        assert "row security" in hidden
        with psycopg.connect(empty_dsn, autocommit=True) as connection:
            connection.execute(grants)
        with app.connection() as connection:
            assert read_table(connection, "shop.things").missing_rights == ()
    finally:
        app.close()
        with psycopg.connect(empty_dsn, autocommit=True) as connection:
            connection.execute('drop owned by "an app"; drop role "an app"')


def test_columns_without_a_profile_name_the_properties(design):
    """Entity Framework's names are the properties'; so are Prisma's; snake case is written as other mappers have it."""
    table = "create table {} ({} text primary key, {} timestamptz, {} int)"
    ef = design(table.format('"Orders"', '"OrderId"', '"PlacedAt"', '"Address_Number"'), "orders")
    prisma = design(table.format('"Invoice"', "id", '"placedAt"', "size"), "invoice")
    snake = design(table.format("refunds", "id", "placed_at", "size"), "refunds")
    theirs = Conventions(naming=Naming.PASCAL, instants=Instants.DOTNET, key="Id", delete_mark=DeleteMark("IsDeleted"))
    pascal = design(table.format("returns", "id", "placed_at", "size"), "returns", theirs=theirs)

    found = [
        (each.types[0].type_name, each.conventions.naming, each.conventions.instants)
        for each in (ef, prisma, snake, pascal)
    ]
    assert found == [
        ("Order", Naming.PASCAL, Instants.DOTNET),
        ("Invoice", Naming.CAMEL, Instants.ISO),
        ("Refund", Naming.CAMEL, Instants.ISO),
        ("Return", Naming.PASCAL, Instants.DOTNET),
    ]
    assert pascal.conventions is theirs
    (part,) = ef.types[0].root.parts
    assert (part.source, [column.source for column in part.columns]) == ("Address", ["Number"])
    assert [column.source for column in snake.types[0].root.columns] == ["id", "placedAt", "size"]


def test_several_types_have_a_table_each(design):
    """They are told apart by names; a table that no type is called like is refused."""
    tables = (
        "create table orders (id text primary key, total numeric(9, 2)); create table refunds (id text primary key)"
    )
    typed = [{"id": f"{type_}{n}", "$type": type_, "total": 1.5} for n in range(12) for type_ in ("Order", "Refund")]

    found = design(tables, "refunds", "orders", documents=typed)
    pairs = [(each.type_name, each.root.sql_name) for each in found.types]
    assert pairs == [("Order", "orders"), ("Refund", "refunds")]

    one = design("", "orders", documents=typed)
    assert one.notes == ["Documents of the type Refund are unmapped: no `--table` is for them."]
    with pytest.raises(RequestError, match=r"No type of the documents is called like the table public\.visits"):
        design("create table visits (id text primary key)", "visits", documents=typed)


def test_a_delete_mark_has_no_column_that_is_written(design, monkeypatch):
    """Rows of documents that Cosmos removes are deleted; a column that must be filled is filled."""
    first, *others = documents(isDeleted=False, size=1)
    bodies = [first | {"ttl": 3600}, *others]
    table = "create table {} (id text primary key, size int, is_deleted boolean not null {})"
    (left,) = design(table.format("things", "default false"), "things", documents=bodies).types
    designed = design(table.format("others", ""), "others", documents=bodies)
    (kept,) = designed.types

    check_golden(designed, load(monkeypatch, designed))
    assert [column.name for column in left.root.columns] == ["id", "size"]
    assert "it says whether the document is deleted" in dict(left.root.left)["is_deleted"]
    assert [column.name for column in kept.root.columns] == ["id", "size", "is_deleted"]


def test_a_column_that_has_the_type_is_written(design, monkeypatch):
    """The property that tells types apart is also data, whether its column may be null or not."""
    tables = """
    create table orders (id text primary key, "Discriminator" text);
    create table refunds (id text primary key, "Discriminator" text not null);
    """
    bodies = [{"id": f"{each}{n}", "Discriminator": each} for n in range(12) for each in ("Order", "Refund")]
    found = design(tables, "orders", "refunds", documents=bodies)

    for type_ in found.types:
        assert [column.source for column in type_.root.columns] == ["id", "Discriminator"]
        assert type_.root.left == ()
    (both,) = by_container(list(load(monkeypatch, found).values()))
    check_golden(found, {type_.type_name: both for type_ in found.types})


def test_the_documents_choose_between_fields_of_a_column(design):
    """Times as numbers and as texts, numbers as texts, JSON in a text, a comma list, and empty texts."""
    table = """
    create type state as enum ('open', 'paid');
    create table things (
        id text primary key, seen_at timestamp(3), mixed_at timestamptz, due uuid, size int, total numeric,
        code varchar(9), settings jsonb, labels text[], span interval, state state, waits interval
    )
    """
    bodies = [
        {
            "id": f"d{number}",
            "seenAt": 1_767_972_031_812 + number if number else "",
            "mixedAt": 1_767_972_031_812 + number if number % 2 else "2026-01-09T15:20:31Z",
            "due": str(UUID(int=number)) if number else "",
            "size": str(number) if number % 2 else number,
            "total": "1.5" if number % 2 else 2.25,
            "code": number if number % 2 else "x",
            "settings": '{"a": 1}',
            "labels": "a,b",
            "span": "01:02:03",
            "state": number % 2,
            "waits": "PT1H",
        }
        for number in range(12)
    ]
    root = design(table, "things", documents=bodies).types[0].root

    assert {name: field for name, (_, field) in describe(root).items()} == {
        "id": "Text",
        "seen_at": "Annotated[Instant, EmptyAsNone, Fraction(3)]",
        "mixed_at": "Annotated[datetime, Written(Instants.EPOCH_MILLISECONDS, Instants.ISO)] | None",
        "due": "Annotated[Uuid | None, EmptyAsNone]",
        "size": "LongNumber | None",
        "total": "Annotated[Decimal, Numeric(147455, 16383)] | None",
        "code": "TextOrNumber | None",
        "settings": "EmbeddedObject | None",
        "labels": "CommaList | None",
        "span": "Duration | None",
        "state": 'Annotated[str, Choice("open", "paid", numbered=True)] | None',
    }
    assert dict(root.left)["waits"].startswith("no field's type reads a duration of ISO 8601")


def test_documents_that_do_not_fit_are_told(design, empty_dsn):
    """Values that are missing, of another kind, too long, and numbers whose meaning only the application knows."""
    table = """
    create type state as enum ('open', 'paid');
    create table things (
        id uuid primary key, total int not null, code varchar(3), flag text not null, state state, states state[],
        price numeric(5, 2), seen timestamptz, ratio double precision, part real, places int, long int, longer bigint,
        started date, note text
    );
    create table lines (id uuid primary key, thing_id uuid references things);
    create index on lines (thing_id)
    """
    first, *others = documents(
        code="long",
        flag=True,
        state=1,
        states=[0],
        price=1234.567,
        seen="today",
        lines=[{"id": "x"}],
        ratio=0.5,
        part=0.1234567891,
        places=1.5,
        long=2**40,
        longer=2**70,
        started="2026-01-09T15:20:31Z",
        note=1.5,
    )
    bodies = [first, *({**each, "total": 1, "ratio": 2**53 + 1} for each in others)]
    found = design(table, "things", documents=bodies)

    parked = "documents with such are parked; correct them"
    or_alter = f"{parked}, or alter table public.things alter"
    guessed = (
        "0 becomes open. Does the application number them so? If not, change the order of Choice(...) in the mapper."
    )
    rounded, nine = "double precision, which would round 11", "9 digits before and after the point"
    noted = "note type jsonb using to_jsonb(note)"
    as_json, two = "flag type jsonb using to_jsonb(flag)", "2 after it, but price has up to 4 and 3"
    only_day = "of which only the day is stored: if the hour matters, alter table public.things alter started "
    only_day += "type timestamptz;"
    misfits = list(list_misfits(found))
    assert misfits == [
        f"public.things: id is uuid, but 12 values of id are other texts: {parked}.",
        f"public.things: total must not be null, but 1 of 12 have no total: {or_alter} total drop not null;",
        f"public.things: code takes 3 characters, but code has up to 4: {or_alter} code type text;",
        f"public.things: flag is text, but flag has values of the kind boolean: {or_alter} {as_json};",
        f"public.things: state has numbers in the documents: {guessed}",
        f"public.things: states has numbers in the documents: {guessed}",
        f"public.things: price takes 3 digits before the point and {two}: {or_alter} price type numeric;",
        f"public.things: seen is timestamptz, but 12 values of seen are other texts: {or_alter} seen type text;",
        f"public.things: ratio is {rounded} values of ratio: {or_alter} ratio type numeric;",
        f"public.things: part takes {nine}, but part has up to 0 and 10: {or_alter} part type double precision;",
        f"public.things: places is integer, but 12 values of places have a fraction: {or_alter} places type numeric;",
        f"public.things: long is integer, but long has numbers of 13 digits: {or_alter} long type numeric;",
        f"public.things: longer is bigint, but longer has numbers of 22 digits: {or_alter} longer type numeric;",
        f"public.things: started is date, but 12 values of started are times, {only_day}",
        f"public.things: note is text, but 12 values of note have a fraction: {or_alter} {noted};",
        f"public.lines: id is uuid, but 12 values of id are other texts: {parked}.",
    ]
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(" ".join(re.findall("alter table[^;]+;", " ".join(misfits))))
    again = [misfit.split(" ")[1] for misfit in list_misfits(design("", "things", documents=bodies))]
    assert again == ["id", "state", "states", "id"]
