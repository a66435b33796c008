"""Profiles of made documents with every hazard."""

from datetime import UTC, datetime

import pytest

from cdc.modelling.forms import Form
from cdc.modelling.personal import Suspicion
from cdc.modelling.profile import Hazard, Profile, Source
from cdc.modelling.profiler import Profiler

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def profile(documents, **options):
    """Profile these documents; all of it stands in the file, too."""
    profiler = Profiler(**options)
    for document in documents:
        profiler.see(document)
    built = profiler.build(Source(name="Orders", kind="container", read=0, complete=True), NOW)
    assert Profile.model_validate_json(built.write()) == built
    return built


def facts_at(built, path, type_=0):
    """Return the facts at a path."""
    return dict(built.types[type_].root.walk())[path]


def values(*values, name="x"):
    """Return the facts of one property with these values; `...` leaves it out."""
    documents = [{"id": str(n), **({} if value is ... else {name: value})} for n, value in enumerate(values)]
    return facts_at(profile(documents), f"$.{name}")


@pytest.mark.parametrize(
    ("given", "hazards"),
    [
        (["a\0b", "c"], {Hazard.NUL}),
        (["a\ud800"], {Hazard.LONE_SURROGATE}),
        ([2**53 + 1], {Hazard.BEYOND_2_53}),
        ([2**53], set()),
        ([1e20], {Hazard.BEYOND_2_53}),
        ([0.1 + 0.2], {Hazard.MANY_DIGITS}),
        ([float("nan")], {Hazard.NOT_FINITE}),
        ([1, "1"], {Hazard.MIXED_KINDS, Hazard.NUMBERS_AND_TEXTS}),
        ([None, ..., "a"], {Hazard.NULL_AND_ABSENT}),
        ([None, "a"], set()),
        (["", "a"], {Hazard.EMPTY_TEXT}),
        (["2026-01-09T15:20:31.8123456Z"], {Hazard.SEVEN_DIGITS}),
        (["2026-01-09T15:20:31Z", "2026-01-09"], {Hazard.MIXED_TIMES}),
        (["2026-01-09T15:20:31"], {Hazard.NO_ZONE}),
        (["0001-01-01T00:00:00Z"], {Hazard.NEVER}),
        (["12.5"], {Hazard.NUMBERS_AND_TEXTS}),
        (['{"a":1}'], {Hazard.JSON_TEXT}),
        ([[{"a": 1}, {"a": 1}]], {Hazard.NO_ITEM_KEY}),
        ([[{"id": 1}, {"id": 2}]], set()),
        ([[{"id": 1}, {"id": 1}]], {Hazard.NO_ITEM_KEY}),
        ([{"Email": 1, "email": 2}], {Hazard.SPELLINGS}),
    ],
)
def test_each_hazard_is_told_at_its_path(given, hazards):
    """And only there."""
    assert set(values(*given).hazards) == hazards


def test_presence_nulls_kinds_and_lengths():
    """Counted against the objects that could have the property."""
    facts = values("ab", "abcd", None, ..., 7)

    assert (facts.parents, facts.present, facts.kinds) == (5, 4, {"string": 2, "null": 1, "number": 1})
    assert (facts.texts.shortest, facts.texts.longest) == (2, 4)
    assert (facts.kind, facts.always) == (None, False)
    assert (values("a", "b").kind, values("a", "b").always) == ("string", True)


def test_money_has_its_digits_and_a_score_its_point():
    """49.99 and 1200.5 fit numeric(6, 2); 5.0 is whole, but was written with a point."""
    facts = values(49.99, 1200.5, 3)

    assert (facts.numbers.digits_before, facts.numbers.digits_after, facts.numbers.fractional) == (4, 2, 2)
    assert values(5.0).numbers.model_dump(exclude_defaults=True) == {
        "sizes": {"int32": 1},
        "pointed": 1,
        "amounts": {"two": 1},
        "digits_before": 1,
    }


def test_epochs_are_counted_in_seconds_and_milliseconds():
    """A mapper must know which."""
    facts = values(1_700_000_000, 1_700_000_000_123, 1_700_000_001_123)

    assert facts.numbers.epochs == {"seconds": 1, "milliseconds": 2}


def test_arrays_have_sizes_and_the_key_of_their_objects():
    """A reference that is the same twice in one array is no key; arrays of one item show nothing."""
    lines = [{"orderId": 7, "lineId": 1}, {"orderId": 7, "lineId": 2}]
    facts = values(lines, lines, [{"orderId": 8, "lineId": 1}], [], name="l")
    built = profile([{"id": "1", "l": [{"placeId": 7, "a": 1}]}])

    assert facts.arrays.model_dump() == {
        "empty": 1,
        "items": 5,
        "repeating": 0,
        "largest": 2,
        "item_key": "lineId",
    }
    assert facts_at(built, "$.l").arrays.item_key is None
    assert facts_at(built, "$.l[].placeId").parents == 1


@pytest.mark.parametrize(
    ("arrays", "key"),
    [
        ([[{"id": 1, "a": 1}, {"id": 2}], [{"id": 1}]], "id"),
        ([[{"id": 1}], [{"x": 1}]], None),
        ([[{"x": 1}], [{"id": 1}]], None),
        ([[{"id": 1}, {"id": None}]], None),
        ([[{"id": 1}, {"id": [2]}]], None),
        ([[{"id": True}]], None),
        ([[{"id": 1}, "text"], [{"id": 1}]], "id"),
        ([[{"Key": "a"}, {"Key": "b"}]], "Key"),
    ],
)
def test_a_key_of_items_is_in_every_item_of_every_array(arrays, key):
    """A scalar, and another one in each item."""
    assert values(*arrays).arrays.item_key == key


@pytest.mark.parametrize(("name", "key"), [("renewals", "renewalId"), ("members", None)])
def test_a_key_that_is_named_after_its_array_needs_no_array_of_several(name, key):
    """As `id` does; `renewalId` of members may be a reference."""
    assert values([{"renewalId": "a"}], [{"renewalId": "b"}], [], name=name).arrays.item_key == key


def test_the_name_of_an_items_key_is_shown_only_where_the_property_is():
    """One of many documents has it: the name may be data."""
    many = [{"id": str(n)} for n in range(30)]
    built = profile([*many, {"id": "x", "l": [{"ThandiKey": 1}]}, {"id": "y", "l": []}])

    assert "Thandi" not in built.write()


def test_small_sets_and_unique_values_are_counted():
    """By count only."""
    few = values(*(["new", "paid", "sent"] * 20))
    many = values(*(f"customer-{number}" for number in range(10_000)))

    assert few.distinct.model_dump() == {"values": 3, "repeated": 3, "exact": True}
    assert not many.distinct.exact
    assert 6_000 < many.distinct.values < 14_000
    assert many.distinct.repeated == 0


def test_an_id_under_two_partition_keys_is_told_and_a_document_read_twice_is_not():
    """The ids of a container are unique only within a partition key."""
    documents = [{"id": "a", "k": 1}, {"id": "a", "k": 2}, {"id": "b", "k": 1}, {"id": "b", "k": 1}, {"id": "c"}]
    built = profile(documents, partition_key=["/k"])

    assert built.types[0].key.model_dump() == {
        "ids": 3,
        "repeated": 1,
        "exact": True,
        "prefixed": 0,
        "without_partition_key": 1,
    }


def test_an_id_under_a_hierarchical_partition_key():
    """Each level counts; one that is missing is told."""
    documents = [{"id": "a", "t": 1, "u": {"v": 1}}, {"id": "a", "t": 1, "u": {"v": 2}}, {"id": "b", "t": 1}]
    key = profile(documents, partition_key=["/t", "/u/v"]).types[0].key

    assert (key.ids, key.repeated, key.without_partition_key) == (2, 1, 1)


ORDER = {"total": 1.5, "customer": "c", "lines": [{"sku": "x"}]}
PERSON = {"email": "a@example.com", "born": "2001-01-01", "tags": ["a"]}


@pytest.mark.parametrize("name", ["$type", "Discriminator", "docType", "type", "kind"])
def test_types_are_found_by_themselves(name):
    """Each with its own paths, the most frequent first."""
    documents = [{"id": f"Order|{number}", name: "Order", **ORDER} for number in range(3)]
    documents += [{"id": f"p{number}", name: "Person", **PERSON} for number in range(2)]
    built = profile(documents)

    assert built.type_properties == (name,)
    assert [(each.name, each.documents, each.key.prefixed) for each in built.types] == [
        ("Order", 3, 3),
        ("Person", 2, 0),
    ]
    assert "$.email" not in dict(built.types[0].root.walk())


def test_two_generations_that_name_the_type_in_two_properties():
    """A document's type is in the first that it has; a document without one is of no type."""
    documents = [{"id": "1", "$type": "Order"}, {"id": "2", "Discriminator": "Order"}] * 10 + [{"id": "3"}]
    built = profile(documents)

    assert built.type_properties == ("$type", "Discriminator")
    assert [(each.name, each.documents) for each in built.types] == [("Order", 20), (None, 1)]


def test_a_property_called_type_that_only_describes_is_no_type():
    """Documents of one shape are of one type; a number is no name."""
    documents = [{"id": str(number), "type": ("credit", "debit")[number % 2], **ORDER} for number in range(40)]

    assert profile(documents).type_properties == ()
    assert profile([{"id": "1", "type": 1}]).type_properties == ()


def test_a_given_type_property_counts_and_a_name_that_is_none_is_not_shown():
    """Nor are more names than fifty."""
    documents = [{"id": "1", "what": "anna@example.com"}, {"id": "2", "what": "Order"}, {"id": "3"}]
    built = profile(documents, type_property="what")
    many = profile([{"id": str(n), "what": f"T{n}"} for n in range(500)], type_property="what")

    assert {each.name for each in built.types} == {"other", "Order", None}
    assert len(many.types) <= 51
    assert sum(each.documents for each in many.types) == 500


def test_a_property_with_very_many_values_is_dropped_and_nothing_is_lost():
    """Although it is called _type; memory stays bounded."""
    built = profile([{"id": str(n), "_type": f"T{n}", "kind": "Order", "n": n} for n in range(1_000)])

    assert built.type_properties == ("kind",)
    assert [(each.name, each.documents) for each in built.types] == [("Order", 1_000)]
    assert facts_at(built, "$.n").present == 1_000


@pytest.mark.parametrize(("name", "options"), [("_type", {}), ("what", {"type_property": "what"}), ("kind", {})])
def test_documents_of_many_types_and_properties_are_counted_whole(name, options):
    """What a merge of types frees can be used again."""
    properties = {f"p{chr(97 + n // 26)}{chr(97 + n % 26)}": 1 for n in range(150)}
    built = profile([{"id": str(n), name: f"T{n}", **properties} for n in range(600)], **options)

    assert built.left_out == 0
    assert all(facts.always for each in built.types for facts in each.root.fields.values() if facts.parents > 1)
    assert sum(each.root.fields["paa"].present for each in built.types) == 600


def test_dictionaries_of_ten_thousand_keys_leave_space_for_the_rest():
    """Each of them is one path in the end."""
    wide = {f"2026-{n}": n for n in range(10_000)}
    built = profile([{"id": name, name: wide} for name in "abcd"] + [{"id": "e", "late": 1}] * 2)

    assert built.left_out == 0
    assert facts_at(built, "$.d{}").present == 10_000
    assert facts_at(built, "$.late").present == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda n: {f"2026-01-{n % 28 + 1:02}": n},
        lambda n: {f"key {n}": "text", "Ünïcode!": 1},
        lambda n: {f"Player{chr(65 + n % 26)}{n}": n, f"Other{n}": n + 1},
        lambda n: {f"name{chr(97 + k)}{n}": {"score": 1, "at": "2026-01-01"} for k in range(3)},
        lambda n: {f"w{n}x{k}": "text" for k in range(4)},
    ],
)
def test_objects_whose_keys_are_data_are_dictionaries(make):
    """Their keys are not shown, and their values are seen together."""
    built = profile([{"id": str(n), "scores": make(n)} for n in range(30)])
    facts = facts_at(built, "$.scores")

    assert facts.is_dictionary
    assert facts.fields == {}
    assert facts.entries.present == sum(len(make(n)) for n in range(30))


def test_an_object_with_optional_properties_is_no_dictionary():
    """Contacts have some of a fixed set of names; a name of several words counts if many objects have it."""
    names = ["phone", "mobile", "fax", "mail", "First Name"]
    documents = [
        {"id": str(n), "contact": {name: "x" for name in names if n % 3 or name == "First Name"}} for n in range(30)
    ]
    facts = facts_at(profile(documents), "$.contact")

    assert set(facts.fields) == set(names)
    assert not facts.is_dictionary


def test_the_name_of_a_property_may_say_that_it_is_a_dictionary():
    """Although one document shows one key only."""
    assert values({"Cozy": ["a.mp3"]}, name="TracksByProfile").entries.present == 1


def test_a_wide_dictionary_at_the_root_is_folded_and_memory_stays_bounded():
    """Two thousand names of one document each."""
    built = profile([{"id": str(n), f"player_{chr(97 + n % 26)}x{n}": n} for n in range(2_000)])
    root = built.types[0].root

    assert list(root.fields) == ["id"]
    assert root.entries.present == 2_000


def test_a_name_that_one_of_many_documents_has_is_counted_and_not_shown():
    """It may be data; of few documents every name is shown."""
    many = [{"id": str(n), "a": {"b": 1}} for n in range(30)]
    built = profile([*many, {"id": "x", "a": {"b": 1, "thandi": 2}, "sam": 3}])
    root = built.types[0].root

    assert (list(root.fields), root.unnamed, root.is_dictionary) == (["id", "a"], 1, False)
    assert (list(root.fields["a"].fields), root.fields["a"].unnamed) == (["b"], 1)
    assert list(profile([{"id": "x", "sam": 3}]).types[0].root.fields) == ["id", "sam"]


def test_depth_is_bounded():
    """What was left out is counted."""
    deep = []
    for _ in range(300):
        deep = [deep]

    assert profile([{"id": "1", "deep": deep}]).left_out == 1


@pytest.mark.parametrize(
    ("name", "value", "suspicion", "reason"),
    [
        ("Email", "x", Suspicion.EMAIL, "name"),
        ("contact", "a@example.com", Suspicion.EMAIL, "form"),
        ("displayName", "x", Suspicion.NAME, "name"),
        ("first_name", "x", Suspicion.NAME, "name"),
        ("PhoneNumber", None, Suspicion.PHONE, "name"),
        ("a", "+27 82 123 4567", Suspicion.PHONE, "form"),
        ("dateOfBirth", "2017-05-04", Suspicion.BIRTH, "name"),
        ("passwordHash", "x", Suspicion.SECRET, "name"),
        ("IPAddress", "x", Suspicion.NETWORK, "name"),
        ("client", "10.0.0.1", Suspicion.NETWORK, "form"),
    ],
)
def test_personal_data_is_suspected_by_name_and_form(name, value, suspicion, reason):
    """Also where all values are null."""
    assert values(value, name=name).suspicions[suspicion] == reason


def test_what_is_inside_a_property_is_suspected_by_its_name():
    """Items of an array, and entries of a dictionary."""
    built = profile([{"id": "1", "phones": ["1", "2"], "EmailsByUser": {"x": "y"}}])

    assert facts_at(built, "$.phones[]").suspicions == {Suspicion.PHONE: "name"}
    assert facts_at(built, "$.EmailsByUser{}").suspicions == {Suspicion.EMAIL: "name"}


@pytest.mark.parametrize("name", ["IconName", "ImageUrl", "Status", "LineId", "Message", "Package"])
def test_names_of_things_are_not_suspected(name):
    """So that a suspicion is worth a look."""
    assert values("x", name=name).suspicions == {}


def test_system_properties_are_left_out_and_ages_are_in_days():
    """`_ts` says how old a document is; it is no property of the application."""
    ts = int(NOW.timestamp())
    system = {"_rid": "x", "_self": "x", "_etag": "x", "_lsn": 1}
    built = profile([{"id": "1", "_ts": ts - 86_400, **system}, {"id": "2", "_ts": ts}])

    assert list(built.types[0].root.fields) == ["id"]
    assert (built.source.youngest_days, built.source.oldest_days) == (0.0, 1.0)
    assert facts_at(built, "$.id").form is Form.WHOLE_NUMBER
