"""What `init` decides about columns, keys and tables, and that its code passes the project's checks."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from cdc.core.conventions import Conventions, DeleteMark, Instants, Naming
from cdc.modelling.designing import make_design
from cdc.modelling.golden_text import write_golden
from cdc.modelling.module_text import write_conventions, write_module
from cdc.modelling.page_text import write_page
from cdc.modelling.project import write_project
from cdc.modelling.tables_text import write_migration
from tests.builders import by_column
from tests.unit.modelling.generated import check_golden, load, plan
from tests.unit.modelling.test_profiler import profile

ROOT = Path(__file__).parents[3]
EPOCH = 1_767_972_031_812


def design(documents):
    """Design the container of these documents."""
    built = profile(documents)
    return make_design(built, "Things")


def table(designed, name):
    """Return a table of a design by its name."""
    tables = {each.name: each for type_ in designed.types for each in type_.root.walk()}
    assert name in tables, sorted(tables)
    return tables[name]


def types(designed, name="things"):
    """Return the SQL types of a table's columns."""
    return {column.name: column.type.sql for column in table(designed, name).all_columns}


def with_odd(name, usual, *odd, count=120):
    """Return documents whose property has usual values, and a few odd ones."""
    values = [*odd, *(usual(number) for number in range(count))]
    return [{"id": str(number), name: value} for number, value in enumerate(values)]


@pytest.mark.parametrize(
    ("name", "usual", "odd", "sql"),
    [
        ("createdAt", lambda n: EPOCH + n, "2026-01-09T15:20:31Z", "timestamptz"),
        ("createdAt", lambda n: f"2026-01-09T15:20:{n % 60:02}Z", EPOCH, "timestamptz"),
        ("checkOut", lambda n: f"2026-01-{n % 28 + 1:02}", "2026-01-09T15:20:31Z", "date"),
        ("dateOfBirth", lambda n: f"2026-01-{n % 28 + 1:02}", "29.07.1943", "date"),
        ("phone", lambda n: f"+4917012345{n:03}", 4_917_012_345_678, "text"),
        ("owner", lambda n: f"0b5c3bd4-8a0e-4b8c-9d0a-{n:012}", "nobody", "uuid"),
        ("count", lambda n: n, "many", "integer"),
        ("size", lambda n: n, 2**70, "integer"),
        ("lateFee", lambda n: n / 4, 1e12 + 0.001, "numeric(18, 2)"),
        ("lateFee", lambda n: n / 4, 0.1 + 0.2, "numeric(18, 2)"),
        ("lateFee", lambda n: n / 16, 12_345_678_901_234.25, "numeric(18, 4)"),
        ("lateFee", lambda n: n / 4, 2**60, "numeric(18, 2)"),
        ("open", lambda n: n % 2 == 0, "yes", "boolean"),
        ("names", lambda n: ["a", str(n)], "a", "text[]"),
    ],
)
def test_one_odd_value_in_hundreds_does_not_decide_a_column(name, usual, odd, sql):
    designed = design(with_odd(name, usual, odd))

    (found,) = [type_ for column, type_ in types(designed).items() if column != "id"]
    assert found == sql
    assert f"`$.{name}`: at most 1 document will be parked" in write_page(designed)
    golden = write_golden(designed, designed.types[0])
    assert "mixed_kinds" not in golden
    assert "mixed_times" not in golden


@pytest.mark.parametrize(
    ("name", "usual", "odd", "is_parked"),
    [
        ("deposit", lambda n: n / 4, "5.00", False),
        ("deposit", lambda n: n / 4, "5", False),
        ("deposit", lambda n: n / 4, "5,00", True),
        ("deposit", lambda n: n / 4, "5.005", True),
        ("deposit", lambda n: f"{n}.50", 5.25, False),
        ("weight", lambda n: n / 4, "5.00", True),
        ("views", lambda n: 2**44 + n, "7", False),
        ("views", lambda n: 2**44 + n, "7.5", True),
        ("views", lambda n: n, "7", True),
    ],
)
def test_the_page_names_no_odd_value_that_the_field_reads(monkeypatch, name, usual, odd, is_parked):
    documents = with_odd(name, usual, odd)
    designed = design(documents)

    assert (f"`$.{name}`: at most 1 document will be parked" in write_page(designed)) is is_parked
    assert len(plan(load(monkeypatch, designed), documents)) == is_parked


def test_an_array_that_is_null_parks_nothing_and_is_not_asked_for(monkeypatch):
    documents = [{"id": str(n), "items": [{"itemId": f"a{n}"}, {"itemId": "x"}] if n else None} for n in range(150)]
    documents.append({"id": "twice", "items": [{"itemId": "x"}, {"itemId": "x"}]})
    designed = design(documents)

    page = write_page(designed)
    assert "- **`$.items[].itemId`, which repeats in an array: at most 1 document will be parked**" in page
    assert page.count("`$.items") == 1
    assert len(plan(load(monkeypatch, designed), documents)) == 1


@pytest.mark.parametrize(
    ("name", "usual", "odd", "said"),
    [
        ("fee", lambda n: n / 4, 1e12 + 0.001, "1 of 31 amounts have more digits than `numeric(18, 4)` takes"),
        ("fee", lambda n: n / 4, "3,50", "its values have several types (1 string, 30 number)"),
        (
            "owner",
            lambda n: f"0b5c3bd4-8a0e-4b8c-9d0a-{n:012}",
            "nobody",
            "30 of 31 texts are ids, and the others are not",
        ),
        ("doneOn", lambda n: f"2026-01-{n % 28 + 1:02}", "soon", "30 of 31 texts are days, and the others are not"),
    ],
)
def test_the_page_says_which_odd_values_have_decided_a_type(name, usual, odd, said):
    documents = with_odd(name, usual, odd, count=30)

    assert f": {said}." in write_page(design(documents))
    assert "have decided" not in write_page(design(documents[1:]))


def test_odd_amounts_of_two_kinds_do_not_decide_a_column_and_are_counted():
    designed = design(with_odd("lateFee", lambda n: n / 4, "3,50", 1e12 + 0.001))

    assert types(designed)["late_fee"] == "numeric(18, 2)"
    page = write_page(designed)
    assert "`$.lateFee`: at most 2 documents will be parked" in page
    assert "many_digits" not in page


@pytest.mark.parametrize(
    ("name", "usual", "odd", "count", "sql"),
    [
        ("weight", lambda n: n / 4, 1e12 + 0.001, 120, "double precision"),
        ("lateFee", lambda n: n / 4, 1e12 + 0.001, 30, "double precision"),
    ],
)
def test_a_long_number_that_decides_a_column_parks_nothing(name, usual, odd, count, sql):
    """Doubles hold what no amount has; a few values show no rule."""
    designed = design(with_odd(name, usual, odd, count=count))

    assert types(designed)[name if name == "weight" else "late_fee"] == sql
    assert "will be parked" not in write_page(designed)


@pytest.mark.parametrize(
    ("name", "repeating", "sizes", "is_key"),
    [("id", 1, 2, True), ("id", 9, 2, False), ("id", 1, 1, False), ("placeId", 1, 2, False), ("partId", 1, 2, True)],
)
def test_one_array_with_a_key_twice_in_hundreds_does_not_decide_a_child_table(name, repeating, sizes, is_key):
    """A reference may repeat: it is a key only if it never does."""
    arrays = [[{name: f"{n}"}] * 2 for n in range(repeating)]
    arrays += [[{name: f"{n} {item}"} for item in range(sizes)] for n in range(120)]
    designed = design([{"id": str(n), "parts": array} for n, array in enumerate(arrays)])

    assert ("position" in types(designed, "thing_parts")) is not is_key
    repeats = f"**`$.parts[].{name}`, which repeats in an array: at most {repeating} document"
    assert (repeats in write_page(designed)) is is_key


@pytest.mark.parametrize(
    ("texts", "sql"),
    [
        (["12.50", "7"], "numeric(18, 2)"),
        (["12.50", "7", ""], "numeric(18, 2)"),
        (["12.5050"], "numeric(18, 4)"),
        (["12.50505"], "text"),
        (["7", "12"], "text"),
        (["12.50"] * 119 + ["NaN"], "numeric(18, 2)"),
        (["12,50", "7,5"], "text"),
        (["12.50"] * 119 + ["see the invoice of another year"], "text"),
        (["12.50", "unknown"], "text"),
    ],
)
def test_amounts_that_are_texts_keep_their_digits(texts, sql):
    """Writers of exact decimals write them as texts; a whole number as a text may be a name."""
    designed = design([{"id": str(n), "labFee": texts[n % len(texts)], "fees": texts[0]} for n in range(120)])

    assert types(designed)["lab_fee"] == sql
    assert types(designed)["fees"] != "text[]"
    is_odd = sql != "text" and "NaN" in texts
    assert ("`$.labFee`: at most 1 document will be parked" in write_page(designed)) is is_odd


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("hourlyRate", "numeric(18, 2)"),
        ("baseDayRate", "numeric(18, 2)"),
        ("exchangeRate", "double precision"),
        ("rateDay", "double precision"),
    ],
)
def test_a_rate_of_a_time_is_money(name, sql):
    """Work and rooms are paid so; its digits decide as with a price."""
    documents = [{"id": str(n), name: n + 20.25, "asText": str(n)} for n in range(30)]

    assert design(documents).types[0].root.columns[1].type.sql == sql
    texts = [{"id": str(n), name: f"{n + 20}.25"} for n in range(30)]
    assert design(texts).types[0].root.columns[1].type.sql == (sql if sql.startswith("numeric") else "text")


@pytest.mark.parametrize("count", [30, 100])
def test_a_value_that_is_not_rare_or_among_few_still_decides(count):
    designed = design(with_odd("phone", lambda n: f"a{n}", *([5] * (1 if count == 30 else 4)), count=count))

    assert types(designed)["phone"] == "text"
    assert "phone: TextOrNumber" in write_module(designed, designed.types[0])
    assert "will be parked" not in write_page(designed)


def test_times_that_are_numbers_and_texts_are_one_column():
    """A team wrote milliseconds before, and writes ISO texts now."""
    times = (EPOCH, "2026-01-09T15:20:31.812Z")

    designed = design([{"id": str(n), "savedAt": times[n % 2]} for n in range(20)])

    assert types(designed)["saved_at"] == "timestamptz"
    field = "saved_at: Annotated[datetime, Written(Instants.EPOCH_MILLISECONDS, Instants.ISO)]"
    assert field in write_module(designed, designed.types[0])


@pytest.mark.parametrize(
    ("values", "sql"), [((5, "a5"), "text"), ((5.5, "a5"), "jsonb"), ((2**70, "a5"), "jsonb"), ((5, "5"), "bigint")]
)
def test_numbers_and_texts_are_one_column_if_it_keeps_their_digits(values, sql):
    assert types(design([{"id": str(n), "label": values[n % 2]} for n in range(20)]))["label"] == sql


def test_decimals_of_dotnet_keep_their_digits():
    """.NET has decimals; a number of another language was perhaps never exact."""
    documents = [{"id": str(n), "VatRate": 0.125, "Quantity": n + 0.5, "Height": 1.5} for n in range(20)]

    for time, sql in (("2026-01-09T15:20:31.8123456Z", "numeric(18, 4)"), ("2026-01-09T15:20:31Z", "double precision")):
        found = types(design([{**{name[0].lower() + name[1:]: value for name, value in each.items()}, "madeAt": time}
                              for each in documents]))  # fmt: skip
        assert found["vat_rate"] == found["quantity"] == sql
        assert found["height"] == "double precision"


@pytest.mark.parametrize(("missing", "asks"), [(0, False), (1, True), (3, False)])
def test_the_page_asks_whether_a_property_that_few_documents_lack_is_required(missing, asks):
    """Its column may be null, because it was."""
    documents = [{"id": str(n), **({} if n < missing else {"title": "x"})} for n in range(200)]

    designed = design(documents)

    assert {column.name: column for column in table(designed, "things").columns}["title"].nullable is bool(missing)
    assert (f"`$.title` is missing or null in {missing} of 200" in write_page(designed)) is asks
    assert ("its field has\n  no `None`, and its column is `not null`" in write_page(designed)) is asks


@pytest.mark.parametrize(
    ("deleted", "mark"),
    [
        ({"isDeleted": True, "deletedAt": "2026-01-09T15:20:31Z"}, None),
        ({"isDeleted": True, "ttl": 3600}, "isDeleted"),
        ({"isDeleted": False, "deletedAt": EPOCH, "ttl": 3600}, "isDeleted"),
        ({"isDeleted": False, "deletedAt": EPOCH, "tombstone": True}, "tombstone"),
    ],
)
def test_a_mark_takes_rows_away_only_if_cosmos_takes_the_document_away(deleted, mark):
    """The application may show marked documents, or bring them back: their rows stay, and so do the columns."""
    documents = [{"id": str(n), "isDeleted": False, **(deleted if n in (3, 4) else {})} for n in range(20)]

    designed = design(documents)

    found = designed.conventions.delete_mark
    assert (found and found.property) == mark
    assert ("is_deleted" in types(designed)) is (mark != "isDeleted")
    assert ("deleted_at" in types(designed)) is (mark is None)
    page = write_page(designed)
    assert ("keep their rows" in page) is (mark is None)
    assert ('write `delete_mark=DeleteMark("isDeleted")` in the conventions' in page) is (mark is None)


@pytest.mark.parametrize(
    ("deleted", "fits"),
    [
        ({"isDeleted": True}, False),
        ({"isDeleted": False}, False),
        ({"isDeleted": True, "ttl": 3600}, True),
        ({"deletedAt": "2026-01-09T15:20:31Z"}, True),
        ({"removed": True, "ttl": 3600}, False),
    ],
)
def test_conventions_of_other_documents_take_no_rows_away(deleted, fits):
    """Where they have a mark that Cosmos does not act upon, its documents keep their rows, and the page asks."""
    documents = [{"id": str(n), "size": 1, **(deleted if n in (3, 4) else {})} for n in range(20)]
    built = profile(documents)
    theirs = Conventions(naming=Naming.CAMEL, instants=Instants.ISO, delete_mark=DeleteMark("isDeleted"))

    designed = make_design(built, "Things", (), theirs)

    assert (designed.conventions is theirs) is fits
    assert ("is_deleted" in types(designed)) is ("isDeleted" in deleted and not fits)


def test_the_key_of_a_type_whose_ids_are_prefixed_is_beside_them(monkeypatch):
    """Entity Framework writes it so for one type, and other types have the key in their id."""
    uuids = [str(UUID(int=n)) for n in range(12)]
    documents = [{"id": f"Order|{each}", "Id": each, "$type": "Order", "Size": 1} for each in uuids]
    documents += [{"id": each, "$type": "Visit", "Size": 1} for each in uuids]

    designed = design(documents)

    assert (designed.conventions.key, designed.conventions.prefixed_ids) == ("Id", True)
    assert types(designed, "orders") == types(designed, "visits") == {"id": "uuid", "size": "integer"}
    check_golden(designed, load(monkeypatch, designed))


def test_cents_have_room():
    assert types(design([{"id": str(n), "feeCents": n} for n in range(20)]))["fee_cents"] == "bigint"


def test_the_time_to_live_is_left_to_cosmos():
    """Cosmos removes the document, and its rows go; a property of an item, or of another kind, is an application's."""
    designed = design([{"id": str(n), "ttl": 3600, "routes": [{"id": "a", "ttl": 5}]} for n in range(20)])

    assert table(designed, "things").unmapped == ("ttl",)
    assert types(designed, "thing_routes")["ttl"] == "integer"
    assert 'unmapped = ("ttl",)' in write_module(designed, designed.types[0])
    assert "`ttl` is for Cosmos" in write_page(designed)
    assert types(design([{"id": str(n), "ttl": "short"} for n in range(20)]))["ttl"] == "text"


def test_a_first_day_does_not_make_a_day_null():
    documents = [{"id": str(n), "OpenedOn": "0001-01-01" if n == 3 else "2026-01-09"} for n in range(20)]

    assert not {column.name: column for column in table(design(documents), "things").columns}["opened_on"].nullable


def test_the_last_day_alone_does_not_mean_dotnet():
    """Other languages have a greatest time, too; it is kept, and may not be missing."""
    documents = [{"id": str(n), "endsAt": "9999-12-31T23:59:59.999Z"} for n in range(20)]

    designed = design(documents)

    assert designed.conventions.instants is Instants.ISO
    assert not {column.name: column for column in table(designed, "things").columns}["ends_at"].nullable


def test_the_last_day_is_kept_where_dotnet_writes_it(monkeypatch):
    """It may mean "for ever"; the first day alone is what .NET writes for a time that was never set."""
    last, first = "9999-12-31T23:59:59.9999999", "0001-01-01T00:00:00"
    usual = "2026-01-09T15:20:31.8123456Z"
    documents = [
        {"id": str(n), "Ends": last if n in (3, 4) else usual, "Seen": first if n in (3, 4) else usual}
        for n in range(20)
    ]

    designed = design(documents)

    columns = {column.name: column for column in table(designed, "things").columns}
    assert (columns["ends"].nullable, columns["seen"].nullable) == (False, True)
    (mapper,) = load(monkeypatch, designed).values()
    row = by_column(mapper, mapper.map(documents[3])).root
    assert row["ends"] == datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)
    assert row["seen"] is None


def test_a_digit_belongs_to_the_letters_before_it():
    assert "address_line2" in types(design([{"id": str(n), "addressLine2": "x"} for n in range(20)]))


def test_a_property_that_contradicts_the_type_is_a_column():
    """An audit entry's EntityType says what the entry is about."""
    kinds = ("Order", "Invoice")
    documents = [{"id": f"a{n}", "$type": "Audit", "EntityType": kinds[n % 2]} for n in range(20)]
    documents += [{"id": f"o{n}", "$type": "Order", "Total": n} for n in range(20)]

    designed = design(documents)

    assert designed.conventions.type_properties == ("$type",)
    assert types(designed, "audits")["entity_type"] == "text"


def test_a_second_property_that_agrees_still_names_the_type():
    documents = [{"id": str(n), "$type": "Order", "Discriminator": "Order"} for n in range(20)]

    assert design(documents).conventions.type_properties == ("$type", "Discriminator")


def test_generations_tell_their_type_by_two_properties():
    """Neither is in every document, so both are read."""
    documents = [{"id": str(n), ("$type" if n % 2 else "Discriminator"): "Order", "Total": n} for n in range(12)]

    assert design(documents).conventions.type_properties == ("$type", "Discriminator")


def test_regular_objects_without_an_id_become_rows_by_their_position():
    nights = [{"date": f"2026-01-{day:02}", "price": 10.25} for day in (1, 2)]
    documents = [{"id": str(n), "rooms": [{"id": f"r{n}", "nights": nights}]} for n in range(20)]

    designed = design(documents)

    assert types(designed, "thing_room_nights") == {
        "thing_id": "text",
        "thing_room_id": "text",
        "position": "integer",
        "date": "date",
        "price": "numeric(18, 2)",
    }
    assert [column.name for column in table(designed, "thing_room_nights").key][-1] == "position"
    assert "primary key (thing_id, thing_room_id, position)" in write_migration(designed)


def test_a_key_that_has_the_name_of_a_partition_key_is_inherited_beside_it():
    """Cars are in the partitions of `carId`, and their `id` is another property."""
    documents = [{"id": f"{n % 5}", "carId": f"c{n % 4}", "wheels": [{"id": "w", "worn": 1}]} for n in range(20)]
    built = profile(documents, partition_key=["/carId"])

    wheels = table(make_design(built, "Cars", ["/carId"]), "car_wheels")

    assert [column.name for column in wheels.key] == ["car_id", "car_id_2", "id"]


def test_an_item_keeps_a_property_with_the_name_of_a_partition_key():
    """It may mean something else; only what repeats the id of the document is left out."""
    lines = [{"id": "a", "day": 1, "visitId": "0"}, {"id": "b", "day": 2, "visitId": "0"}]
    documents = [{"id": f"{n % 5}", "day": f"d{n % 4}", "lines": lines} for n in range(20)]
    built = profile(documents, partition_key=["/day"])

    lines = table(make_design(built, "Visits", ["/day"]), "visit_lines")

    assert [column.name for column in lines.all_columns] == ["day", "visit_id", "id", "day_2"]
    assert lines.unmapped == ("visitId",)


def test_a_child_table_does_not_say_its_parent_twice():
    """The property of the items may begin with the parent's name."""
    documents = [{"id": str(n), "thingParts": [{"id": 1}, {"id": 2}]} for n in range(20)]

    assert [each.name for each in design(documents).types[0].root.walk()] == ["things", "thing_parts"]


def test_objects_of_many_shapes_without_an_id_stay_json():
    items = [{"a": 1}, {"b": "x"}]

    assert types(design([{"id": str(n), "items": items} for n in range(20)]))["items"] == "jsonb"


def test_numbers_have_room_and_rates_are_no_money():
    documents = [
        {"id": str(n), "total": 1.25 + n, "cost": 1.125 + n, "discount": 0.125, "tax": 0.0625, "paid": None}
        for n in range(20)
    ]

    designed = design(documents)

    found = types(designed)
    assert found["total"] == "numeric(18, 2)"
    assert found["cost"] == "numeric(18, 4)"
    assert found["discount"] == found["tax"] == "double precision"
    assert "a number with more than 2 digits after its point is parked" in write_page(designed)


def test_an_object_inside_an_object_becomes_columns():
    """Most of its properties are always there; one is an object that may be missing, another a plain array."""
    place = {"street": "x", "marks": ["a"], "point": {"north": 1.5}, "zip": "1"}
    documents = [{"id": str(n), "place": {**place, **({"point": None} if n % 2 else {})}} for n in range(20)]

    designed = design(documents)

    assert types(designed) == {
        "id": "text",
        "place_street": "text",
        "place_zip": "text",
        "place_marks": "text[]",
        "place_point_north": "double precision",
    }
    # mypy does not like to ask for an object that is always there.
    inner = '"place_point_north": document.place.point.north if document.place.point else None,'
    assert inner in write_module(designed, designed.types[0])
    assert "| `place_point_north` | double precision | `place.point.north` | yes |" in write_page(designed)
    sample = json.loads(write_golden(designed, designed.types[0]))["bases"]["sample"]
    assert sample["document"]["place"] == {
        "street": "one",
        "marks": ["one", "two"],
        "point": {"north": 2.5},
        "zip": "one",
    }
    assert sample["expect"]["root"]["place_point_north"] == 2.5


def test_an_object_with_a_form_of_its_own_in_every_document_stays_json():
    forms = [{"colour": "x"}, {"limits": {"low": 1}}, {"days": [1, 2]}]

    assert types(design([{"id": str(n), "settings": forms[n % 3]} for n in range(21)]))["settings"] == "jsonb"


def test_arrays_of_numbers_are_arrays():
    document = {"samples": [0.5, 1], "counts": [1, 2**40], "blows": [3, 7], "huge": [2**70]}

    found = types(design([{"id": str(n)} | document for n in range(20)]))

    del found["id"]
    assert [*found.values()] == ["double precision[]", "bigint[]", "integer[]", "jsonb"]


def test_types_that_others_refer_to_come_first():
    documents = [{"id": f"l{n}", "type": "line", "orderId": f"o{n}", "weight": n, "size": 1} for n in range(30)]
    documents += [{"id": f"o{n}", "type": "order", "customerId": "c1", "status": "new", "a": 1} for n in range(20)]
    documents += [{"id": f"c{n}", "type": "customer", "name": "x", "street": "y", "b": 1} for n in range(10)]

    assert [type_.module for type_ in design(documents).types] == ["customers", "orders", "lines"]


def test_a_child_table_does_not_repeat_its_parents_name():
    documents = [{"id": str(n), "thingLines": [{"id": "1"}], "parts": [{"id": "1"}]} for n in range(20)]

    names = [each.name for each in design(documents).types[0].root.walk()]
    assert names == ["things", "thing_lines", "thing_parts"]


def test_two_names_of_an_id_are_no_hazard():
    built = profile([{"id": "Order|1", "Id": "1", "ID": "2"}, {"id": "2", "Id": "2"}] * 2)

    assert built.types[0].root.spellings == (("id", "Id", "ID"),)
    assert profile([{"id": "Order|1", "Id": "1"}] * 3).types[0].root.hazards == ()


def test_a_migration_is_named_after_its_container(tmp_path):
    """Also where its types follow the conventions of other containers, and on a second run."""
    documents = [{"id": f"{kind}{n}", "$type": kind, "Total": n} for kind in ("Order", "Refund") for n in range(12)]
    (tmp_path / "mappers").mkdir()
    for name in ("tables", "__init__"):
        (tmp_path / "mappers" / f"{name}.py").touch()
    built = profile(documents)
    theirs = make_design(built, "Others").conventions

    for _ in range(2):
        list(write_project(make_design(built, "Things", (), theirs), tmp_path))
        assert [path.name for path in (tmp_path / "sql" / "application").iterdir()] == ["0001_things.sql"]


def people(old=(0, 25), new=(20, 40), value="x"):
    """Return documents of which the older have Name, the newer FullName, and some both."""
    documents = [{"id": str(n), "_ts": 1_700_000_000 + 86_400 * n, "Nick": "x"} for n in range(40)]
    for number, document in enumerate(documents):
        document.update({"Name": value} if number in range(*old) else {})
        document.update({"FullName": "x"} if number in range(*new) else {})
    return documents


@pytest.mark.parametrize("old", [(0, 25), (0, 20)])
def test_a_property_that_was_renamed_is_one_column(old):
    """Every document has one of the names, and those with both say the same: the newer wins, and one is required."""
    found = design(people(old))

    (column,) = [each for each in table(found, "things").columns if "Name" in each.spellings]
    assert (column.name, column.spellings, column.nullable) == ("full_name", ("FullName", "Name"), False)
    assert 'full_name: Text = renamed("FullName", "Name")' in write_module(found, found.types[0])
    assert f"the\n{old[1] - 20} documents with both say the same" in write_page(found)
    cases = json.loads(write_golden(found, found.types[0]))["cases"]
    assert cases["full_name_was_name"] == {"remove": ["FullName"], "set": {"Name": "one"}, "expect": "same"}


@pytest.mark.parametrize(
    ("documents", "asks"),
    [
        (people(value="y"), "5 documents have both, with different values in 5 of them."),
        (people(value="2026-01-09"), 'keep one field,\n`renamed("FullName", "Name")`'),
        (people(old=(0, 25), new=(0, 40)), None),
        (people(old=(0, 19)), None),
        (people()[:20] + [{**each, "FirstName": "x"} for each in people()[20:]], '`renamed("FirstName", "Name")`'),
    ],
    ids=["differ", "another type", "not new", "some have none", "two new names"],
)
def test_the_page_asks_whether_a_property_was_renamed(documents, asks):
    """A person decides where values differ, or types; both columns stay until then."""
    found = design(documents)

    assert {"full_name", "name"} <= {each.name for each in table(found, "things").columns}
    page = write_page(found)
    assert asks in page if asks else "renamed" not in page


@pytest.mark.parametrize(("last", "asks"), [("Mail", True), ("Post", False)])
@pytest.mark.parametrize("both", [0, 1])
def test_the_page_asks_of_names_that_end_alike_if_no_document_has_both(last, asks, both):
    """Not every document needs to have one of them; both columns stay."""
    documents = [{"id": str(n), "_ts": 1_700_000_000 + n * 86_400} for n in range(60)]
    for each in documents[: 25 + both]:
        each["senderMail"] = "a@b.example"
    for each in documents[25:50]:
        each[f"author{last}"] = "a@b.example"
    found = design(documents)

    asked = f'`renamed("author{last}", "senderMail")`' in write_page(found)

    assert asked is (asks and not both)
    assert "sender_mail" in types(found)


def test_groups_of_documents_are_counted_together():
    """The type of a document is told at the end; what was counted before is not lost."""
    documents = [{**each, "kind": f"k{number % 3}"} for number, each in enumerate(people())]
    (both,) = profile(documents).types[0].root.alike

    assert (both.names, both.both, both.different) == (("FullName", "Name"), 5, 0)


def test_long_lines_are_written_as_ruff_writes_them():
    """An object that may be missing, with long names."""
    inner = {"PropertyWithALongName": "x", "AnotherLongName": "y"}
    documents = [{"id": str(n), "$type": "Order", **({"TheInnerAddress": inner} if n % 2 else {})} for n in range(12)]
    found = design(documents)

    text = write_module(found, found.types[0])

    assert max(map(len, text.splitlines())) <= 120
    inner_address = "document.the_inner_address"
    assert f": (\n                {inner_address}.property_with_a_long_name if {inner_address} else None\n" in text


def test_the_name_of_a_column_is_no_longer_than_postgresql_takes():
    long = "a" * 50
    documents = [{"id": str(n), long: {f"{long}{end}": 1 for end in "bc"}} for n in range(20)]

    names = types(design(documents))
    assert len(names) == 3
    assert all(len(name) <= 63 for name in names)


def test_generated_code_passes_ruff(tmp_path):
    """Long names, optional objects, arrays inside arrays, with and without ids."""
    long = "PropertyWithALongNameOnceChosen"
    documents = [
        {
            "id": str(n),
            "docType": f"{kind}WithALongName",
            f"{kind}{long}": {f"{long}Too": "x", "b": 1.25} if n % 2 else None,
            f"{long}X": n,
            f"{long.lower()}x" if n % 2 else "other": n,
            "rooms": [{"id": f"r{n}", "nightsOfTheWholeStay": [{"date": "2026-01-09", "price": 1.25}]}],
            "samples": [0.5],
            f"password{long}": "x",
        }
        for kind in ("order", "customer")
        for n in range(20)
    ]
    designed = design(documents)
    (tmp_path / "mappers").mkdir()
    (tmp_path / "mappers" / "__init__.py").touch()
    for type_ in designed.types:
        (tmp_path / "mappers" / f"{type_.module}.py").write_text(write_module(designed, type_), encoding="utf-8")
    (tmp_path / "mappers" / f"{designed.home}.py").write_text(write_conventions(designed), encoding="utf-8")
    settings = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", "mappers"]

    # Sorting imports needs the project's folder: the walk of the page checks it.
    for arguments in (["check", "--ignore", "I001"], ["format", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, *settings],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
