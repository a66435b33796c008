"""Odd documents: what `init` writes for them runs, its golden cases hold, and every document is mapped."""

import sys
from dataclasses import replace

import pytest

from cdc.command import main
from cdc.modelling.designing import make_design
from cdc.modelling.page_text import write_page
from cdc.modelling.project import find_taken, write_project
from tests.unit.modelling.generated import check_golden, load, plan
from tests.unit.modelling.test_profiler import profile

LONG = "p" * 60


def many(properties, count=20, **by_number):
    """Return documents with these properties; those that depend on the number are functions."""
    made = [{name: make(number) for name, make in by_number.items()} for number in range(count)]
    return [{"id": f"d{number}", **properties, **each} for number, each in enumerate(made)]


@pytest.mark.parametrize(
    "properties",
    [
        pytest.param({"modelName": "x", "modelId": 1, "modelYear": 2020}, id="names that begin like pydantic's"),
        pytest.param({"a b": 1, "a.b": 2, "a(b": 3, "from": "x", "from.": "y"}, id="names that differ in signs"),
        pytest.param({"@timestamp": "x", "timestamp": "x", "$status": 1, "status": 2}, id="names with @ and $"),
        pytest.param({"größe": 1, "grüße": 2, "数量": 3, "日付": "x"}, id="names of other scripts"),
        pytest.param({f"{LONG}x": 1, f"{LONG}y": 2, f"{LONG}z": {"a": 1}}, id="names that begin alike"),
        pytest.param({"a_b": 1, "a": {"b": 2, "c": 3}}, id="a name like that of an object's property"),
        pytest.param({"a": {"b": 2, "c": 3}, "aB": 1}, id="the same the other way round"),
        pytest.param({"x.b": {"n": 1}, "y.b": {"m": 1}, "z.b": {"k": 1}}, id="objects whose names end alike"),
        pytest.param(
            {"list": [{"id": 1}], "tags": [{"id": 2}], "bool": True, "flag": False, "float": 1.5, "size": 2.5},
            id="names of Python's types",
        ),
        pytest.param(
            {"datetime": "2026-01-09T15:20:31Z", "sentAt": 1_767_972_031, "renamed": "x", "other.name": "y", "l": 1},
            id="names that a module uses",
        ),
        pytest.param({"class": 1, "select": 2, "order": "x", "None": 1, "self": 1, "copy": 1}, id="keywords"),
        pytest.param({"ID": "x", "_id": "y", "id.": "z"}, id="names like that of the key"),
        pytest.param({"a": [], "o": {}, "n": None, "s": ""}, id="nothing in them"),
        pytest.param({"a": [None], "b": [[1], [2]], "c": [{}, {}], "d": {"x": {}}}, id="arrays of odd items"),
    ],
)
def test_any_names_make_code_that_runs(monkeypatch, properties):
    """Two properties never share a field or a column, and none hides what the module needs."""
    documents = many(properties)
    designed = make_design(profile(documents), "Things")

    mappers = load(monkeypatch, designed)

    assert check_golden(designed, mappers)
    assert plan(mappers, documents) == []


@pytest.mark.parametrize(
    ("make", "sql"),
    [
        pytest.param(lambda n: 0.5 if n % 2 else 1e20, "double precision", id="large ones and fractions"),
        pytest.param(lambda n: 0.5 if n % 2 else 2**60, "double precision", id="fractions, and what a double holds"),
        pytest.param(lambda n: 0.5 if n % 2 else 2**53 + 1, "numeric", id="fractions, and what a double rounds"),
        pytest.param(lambda n: 0.5 if n % 2 else 10**30 + 1, "numeric", id="fractions, and what is no bigint"),
        pytest.param(lambda _: [0.5, 2**53 + 1], "jsonb", id="arrays of fractions, and of what a double rounds"),
        pytest.param(lambda n: 10**1_200 + n, "jsonb", id="longer than any numeric"),
        pytest.param(lambda n: 10**30 + n, "numeric(38, 0)", id="longer than a bigint"),
        pytest.param(lambda n: 2.5 if n % 2 else "2.5", "jsonb", id="fractions, some in texts"),
        pytest.param(lambda n: n if n % 2 else str(n), "bigint", id="whole ones, some in texts"),
        pytest.param(lambda n: n if n % 2 else "1" * 25, "numeric(38, 0)", id="long ones in texts"),
    ],
)
def test_odd_numbers_have_a_column_that_takes_them_all(monkeypatch, make, sql):
    """As JSON has them: a float beside a text, and numbers of any length."""
    documents = many({}, value=make)
    designed = make_design(profile(documents), "Things")

    assert [column.type.sql for column in designed.types[0].root.columns if column.name == "value"] == [sql]
    mappers = load(monkeypatch, designed)
    assert check_golden(designed, mappers)
    assert plan(mappers, documents) == []


def test_money_in_numbers_and_texts_is_money(monkeypatch):
    """As a column that never rounds takes both."""
    documents = many({}, amount=lambda n: 2.5 if n % 2 else "3.75")
    designed = make_design(profile(documents), "Things")

    assert designed.types[0].root.columns[1].type.sql == "numeric(18, 2)"
    assert plan(load(monkeypatch, designed), documents) == []


def test_a_text_with_nul_is_a_golden_case(monkeypatch):
    """With the words of the dead letter."""
    designed = make_design(profile(many({}, text=lambda n: "a\0b" if n == 3 else "x")), "Things")

    assert ("Thing", "text_nul") in check_golden(designed, load(monkeypatch, designed))


def test_a_property_that_only_an_inner_object_shares_with_the_key_is_no_key(monkeypatch):
    """An item's product has an id, too, and an address the name of the partition key."""
    items = [{"id": f"l{number}", "product": {"id": 7, "name": "x"}} for number in range(3)]
    documents = [
        {"id": f"d{n // 2}", "tenant": f"t{n % 2}", "owner": {"tenant": "other", "x": 1}, "lines": items}
        for n in range(30)
    ]
    designed = make_design(profile(documents, partition_key=["/tenant"]), "Things", ["/tenant"])

    keys = {table.name: [column.name for column in table.key] for table in designed.types[0].root.walk()}
    assert keys == {"things": ["tenant", "id"], "thing_lines": ["tenant", "thing_id", "id"]}
    assert plan(load(monkeypatch, designed), documents) == []


def test_ids_of_several_partitions_without_a_partition_key_are_told():
    """Else rows of two documents would have one key, and only the plan would say so."""
    documents = [{"id": "a", "at": {"place": number}} for number in range(20)]
    built = profile(documents, partition_key=["/at/place"])

    assert "1 ids of Thing occur in several documents" in write_page(make_design(built, "Things", ["/at/place"]))
    assert "occur in several" not in write_page(make_design(profile(many({"a": 1})), "Things"))
    flat = profile([{"id": "a", "place": str(number)} for number in range(20)], partition_key=["/place"])
    kept = "1 ids of Thing occur in several documents: the table's key has the partition key, too."
    assert kept in write_page(make_design(flat, "Things", ["/place"]))


def test_types_of_one_name_in_several_namespaces_all_stay(monkeypatch):
    """Also where the names differ in capitals alone, or are words of Python."""
    names = ["Shop.Order, A", "Crm.Order, B", "Old.Order", "order", "A", "I", "Warning", "Var"]
    documents = many({}, count=96, **{"$type": lambda n: names[n % 8]}, value=lambda n: n)
    designed = make_design(profile(documents), "Things")

    mappers = load(monkeypatch, designed)

    assert mappers.keys() == set(names)
    assert len({each.module for each in designed.types}) == 8
    assert check_golden(designed, mappers)
    assert plan(mappers, documents) == []


def test_a_time_of_deletion_stays_a_column_where_another_type_has_the_mark(monkeypatch):
    """One convention marks deleted documents of all types: of a type without it nothing may vanish."""
    documents = many({"type": "order", "isDeleted": False, "total": 1, "lines": 2})
    documents += many({"type": "person", "deletedAt": None, "mail": "x", "city": "y", "born": 3})
    designed = make_design(profile(documents), "Things")

    (person,) = [each.root for each in designed.types if each.type_name == "person"]
    assert "deleted_at" in {column.name for column in person.columns}


def test_secrets_in_arrays_dictionaries_and_inner_objects_are_named_and_never_copied(monkeypatch):
    """Each at its own path."""
    items = [{"id": f"l{number}", "token": "secret", "card": {"pin": "secret", "n": 1}} for number in range(3)]
    inner = {"password": "secret", "deep": {"a": [1]}}
    documents = many({"lines": items, "refreshTokens": ["secret"], "PasswordsByUser": {"x": "secret"}, "wild": inner})
    designed = make_design(profile(documents), "Things")
    mappers = load(monkeypatch, designed)

    assert set(designed.types[0].secrets) == {
        "$.lines[].token",
        "$.lines[].card.pin",
        "$.refreshTokens",
        "$.PasswordsByUser",
        "$.wild.password",
    }
    assert check_golden(designed, mappers)
    assert "secret" not in repr(mappers["Thing"].map(documents[0]))
    assert "suspected" not in write_page(designed)


@pytest.mark.parametrize("name", ["timeStamp", "CreatedTimeStamp", "time_stamp"])
def test_a_time_stamp_is_no_secret(name):
    """A security stamp is."""
    designed = make_design(profile(many({name: "2026-01-09T15:20:31Z", "SecurityStamp": "x"})), "Things")

    assert designed.types[0].secrets == ("$.SecurityStamp",)
    assert designed.types[0].root.columns[1].type.sql == "timestamptz"


@pytest.fixture
def folder(tmp_path):
    """A project with tables and lists of mappers."""
    (tmp_path / "mappers").mkdir()
    (tmp_path / "mappers" / "tables.py").write_text("_METADATA = None\n", encoding="utf-8")
    package = "MAPPERS: tuple[object, ...] = ()\nEXTRA_MAPPERS: tuple[object, ...] = ()\nMETRICS = ()\n"
    (tmp_path / "mappers" / "__init__.py").write_text(package, encoding="utf-8")
    return tmp_path


def init(folder, container, documents):
    """Write a container's mapper; return the lines that say what was done."""
    designed = make_design(profile(documents), container, taken=find_taken(folder, container))
    return list(write_project(designed, folder))


def test_containers_whose_names_make_one_module_have_their_own(folder):
    """With their own conventions; a second run says that nothing changed."""
    init(folder, "my-orders", many({"total": 1}))
    init(folder, "my.orders", many({"Total": 1, "Other": 2}))

    written = {path.stem for path in (folder / "mappers").glob("*.py")}
    homes = {"my_orders_conventions", "my_orders_conventions_2"}
    assert written == {"__init__", "tables", "my_orders", "my_orders_my_orders", *homes}
    for container, documents in (("my-orders", {"total": 1}), ("my.orders", {"Total": 1, "Other": 2})):
        assert {line.split()[0] for line in init(folder, container, many(documents))} == {"same"}


@pytest.mark.parametrize("container", ["Metrics", "mappers", "class", "as", "no-1 of.all", "1st"])
def test_a_container_may_have_any_name(folder, container):
    """Its mapper takes no name that the package or Python has."""
    init(folder, container, many({"a": 1}))

    package = (folder / "mappers" / "__init__.py").read_text(encoding="utf-8")
    for path in (folder / "mappers").glob("*.py"):
        compile(path.read_text(encoding="utf-8"), path.name, "exec")
    imported = package.partition(" import ")[2].split()[0]
    assert imported not in ("METRICS", "MAPPERS")


def test_a_list_of_mappers_with_more_than_names_is_left(folder):
    """A comment must not swallow the mapper behind it."""
    path = folder / "mappers" / "__init__.py"
    path.write_text("EXTRA_MAPPERS: tuple[object, ...] = (\n    ONE,  # note\n    TWO,\n)\n", encoding="utf-8")

    said = init(folder, "Things", many({"a": 1}))

    assert any(line.startswith("left     mappers/__init__.py") for line in said)
    assert path.read_text(encoding="utf-8").endswith("    ONE,  # note\n    TWO,\n)\n")


@pytest.mark.parametrize("key", ["apiKey", "secretId"])
def test_a_secret_is_no_key_of_items(monkeypatch, key):
    """They have their place as key, or are JSON if they have items of their own."""
    lines = [{key: f"secret{number}", "a": 2} for number in range(3)]
    deep = [{**line, "parts": [{"id": 1, "a": 2}]} for line in lines]
    documents = many({"lines": lines, "deep": deep})
    designed = make_design(profile(documents), "Things")

    keys = {table.name: [column.name for column in table.key] for table in designed.types[0].root.walk()}
    assert keys == {"things": ["id"], "thing_lines": ["thing_id", "position"]}
    mappers = load(monkeypatch, designed)
    assert check_golden(designed, mappers)
    assert plan(mappers, documents) == []
    assert "secret" not in repr(mappers["Thing"].map(documents[0]))


def test_items_whose_key_has_a_commoner_spelling_are_told_apart_by_the_key(monkeypatch):
    """The other spelling may be anything."""
    lines = [{"lineId": f"l{number}", "LineId": None, "parts": [{"id": 1}]} for number in range(3)]
    documents = many({"lines": lines})
    designed = make_design(profile(documents), "Things")

    keys = {table.name: [column.name for column in table.key] for table in designed.types[0].root.walk()}
    assert keys["thing_line_parts"] == ["thing_id", "line_id", "id"]
    assert check_golden(designed, load(monkeypatch, designed))


def test_an_array_whose_name_has_a_point_has_no_golden_case_of_its_own(monkeypatch):
    """The paths of golden files cannot name it."""
    documents = many({"a.b": [{"id": 1}], "c": [{"id": 1}]})
    designed = make_design(profile(documents), "Things")

    cases = check_golden(designed, load(monkeypatch, designed))

    assert ("Thing", "c_null") in cases
    assert ("Thing", "a_b_null") not in cases


@pytest.mark.parametrize("ts", [10**400, -1, True, "now", 1.5])
def test_a_time_that_cosmos_never_writes_is_none(ts):
    """A file may have anything."""
    assert profile([{"id": "1", "_ts": ts}]).source.oldest_days in (None, 20_484.0)


@pytest.mark.parametrize("inner", [{"id": 1}, {"id": 1, "Id": None}, {"Id": 1}])
def test_an_id_inside_a_document_has_its_own_name(monkeypatch, inner):
    """Not that of the document's key, nor that of the other names."""
    items = [{**inner, "id" if "id" in inner else "Id": f"i{number}", "Name": "x"} for number in range(3)]
    documents = many({"Id": "x", "Lines": items, "Product": {**inner, "Name": "x"}, "SomeName": 1})
    designed = make_design(profile(documents), "Things")
    mappers = load(monkeypatch, designed)

    assert designed.conventions.key == "Id"
    assert check_golden(designed, mappers)
    rows = mappers["Thing"].map(documents[0])
    assert [row[1] for row in rows.children["thing_lines"]] == ["i0", "i1", "i2"]
    assert 1 in rows.root


def test_the_conventions_of_the_project_are_those_of_their_module(folder, monkeypatch):
    """Also where more mappers follow those of a container."""
    few = make_design(profile(many({"Total": 1, "$type": "Account"})), "Accounts")
    shared = load(monkeypatch, replace(few, home="conventions"))
    camel = many({"total": 1, "type": "a", "x": 1}) + many({"y": 2, "type": "b", "z": 3})
    theirs = make_design(profile(camel), "Orders")
    mappers = [*load(monkeypatch, theirs).values(), *shared.values()]
    written = profile(many({"Total": 1, "$type": "Account"})).write()
    (folder / "orders.profile.json").write_text(written, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("cdc.command.choose_mappers", lambda _: mappers)
    monkeypatch.setattr(sys, "argv", ["cdc", "init", "--profile", "orders.profile.json", "--container", "Shops"])

    assert main() == 0
    assert "Conventions: `mappers/conventions.py`" in (folder / "docs/containers/Shops.md").read_text(encoding="utf-8")
