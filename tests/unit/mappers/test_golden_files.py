"""A golden file says only what is different; a mistake in one is an error."""

import json
import re

import pytest

from tests.golden import parse

SAMPLE = {
    "document": {"id": "a", "Name": "Lerato", "Level": 1, "Badges": [{"Id": "b", "Axis": "Courage"}]},
    "expect": {"root": {"id": "a", "name": "Lerato", "level": 1}, "children": {"badges": [{"id": "b"}]}},
}


def a_file(case, name="case", **bases):
    """Write a golden file with one case."""
    return json.dumps({"bases": {"sample": SAMPLE, **bases}, "cases": {name: case}})


def expand(case, **bases):
    """Return the case of a golden file that has this one only."""
    return parse(a_file(case, **bases))[1]["case"]


def test_a_case_is_its_base_with_changes():
    """What a case does not mention is as in its base, in the document and in what is expected."""
    document, expected = expand(
        {
            "set": {"Name": None, "Badges[0].Id": "c", "New": {}},
            "remove": ["Level", "Badges[0].Axis"],
            "expect": {"root.level": None, "children.badges[0].id": "c", "observations": ["unknown $.New"]},
        }
    )

    assert document == {"id": "a", "Name": None, "Badges": [{"Id": "c"}], "New": {}}
    assert expected == {
        "root": {"id": "a", "name": "Lerato", "level": None},
        "children": {"badges": [{"id": "c"}]},
        "observations": ["unknown $.New"],
    }


def test_a_case_names_its_base():
    """A base may itself be a change of a base above it."""
    renamed = {"set": {"Name": "Zoë"}, "expect": {"root.name": "Zoë"}}

    document, expected = expand({"base": "renamed", "remove": ["Level"], "expect": "same"}, renamed=renamed)

    assert document == {"id": "a", "Name": "Zoë", "Badges": [{"Id": "b", "Axis": "Courage"}]}
    assert expected["root"] == {"id": "a", "name": "Zoë", "level": 1}


def test_a_case_can_be_the_base_itself():
    """Such a case says which value of the base it is about, and fails when the base loses it."""
    case = expand({"keep": {"Level": 1}, "expect": {"root.level": 1}})

    assert case.document == SAMPLE["document"]
    assert case.expected == {**SAMPLE["expect"], "observations": []}


def test_a_case_can_be_a_whole_document_or_a_problem():
    """A whole document is expected to become whole rows, or a problem."""
    assert expand({"document": {"id": 7}, "expect": {"root": None, "children": {}}}) == (
        {"id": 7},
        {"root": None, "children": {}, "observations": []},
    )
    assert expand({"set": {"id": 7}, "expect": {"problem": "no text"}}).expected == {"problem": "no text"}


def test_a_case_can_copy_from_its_base():
    """The index behind the last item of a list appends to it."""
    document, expected = expand(
        {
            "set": {"Badges[1]": {"@copy": "Badges[0]"}, "Badges[1].Id": "c"},
            "expect": {"children.badges[1]": {"@copy": "children.badges[0]"}, "children.badges[1].id": "c"},
        }
    )

    assert document["Badges"] == [{"Id": "b", "Axis": "Courage"}, {"Id": "c", "Axis": "Courage"}]
    assert expected["children"] == {"badges": [{"id": "b"}, {"id": "c"}]}


def test_a_text_can_be_described():
    """JSON in a string is written as the JSON it is, and a long text by its pattern."""
    value = {"@json": {"@json": {"Axis": [1, 2.0]}}}

    document, _ = expand({"set": {"Name": value, "Long": {"@repeat": ["ab", 3]}}, "expect": "same"})

    assert json.loads(json.loads(document["Name"])) == {"Axis": [1, 2.0]}
    assert document["Name"] == r'"{\"Axis\":[1,2.0]}"'
    assert document["Long"] == "ababab"


@pytest.mark.parametrize(
    ("message", "case"),
    [
        ("what the case sets or removes", {"expect": "same"}),
        ("what the case sets or removes", {"set": {}, "remove": [], "expect": "same"}),
        ("or what it keeps", {"set": {"Name": ""}, "keep": {"Level": 1}, "expect": "same"}),
        ("Level is the same in the base", {"set": {"Level": 1}, "expect": "same"}),
        ("Level is something else in the base", {"keep": {"Level": 2}, "expect": "same"}),
        ("Email is something else in the base", {"keep": {"Email": None}, "expect": "same"}),
        ("'Email'", {"remove": ["Email"], "expect": "same"}),
        ("'Theme'", {"set": {"Theme.Name": ""}, "expect": "same"}),
        ("out of range", {"set": {"Badges[2]": {}}, "expect": "same"}),
        ("'Badges[].Id' is no path", {"set": {"Badges[].Id": ""}, "expect": "same"}),
        ("_Change.expect\n  Field required", {"set": {"Name": ""}}),
        ('expect is empty: write "same"', {"set": {"Name": ""}, "expect": {}}),
        ("root.level is the same in the base", {"set": {"Name": ""}, "expect": {"root.level": 1}}),
        ("observations is the same in the base", {"set": {"Name": ""}, "expect": {"observations": []}}),
        ("root.level is something else in the base", {"keep": {"Level": 1}, "expect": {"root.level": 2}}),
        ("name\n  Extra inputs", {"set": {"Name": ""}, "expect": {"name": ""}}),
        ("problem\n  Extra inputs", {"set": {"Name": ""}, "expect": {"problem": "", "root": None}}),
        ("no base named d stands above", {"base": "d", "remove": ["Level"], "expect": "same"}),
        ("_Change.why\n  Extra inputs", {"set": {"Name": ""}, "expect": "same", "why": ""}),
        ("_Whole.set\n  Extra inputs", {"document": {}, "set": {"Name": ""}, "expect": {"problem": ""}}),
        ("_Rows.children\n  Field required", {"document": {}, "expect": {"root": {}}}),
        ("_Whole.expect", {"document": {}, "expect": "same"}),
        ("'Theme'", {"set": {"Name": {"@copy": "Theme"}}, "expect": "same"}),
        ("'Name'", {"document": {"Name": {"@copy": "Name"}}, "expect": {"problem": ""}}),
        ("@jsno", {"set": {"Name": {"@jsno": 1}}, "expect": "same"}),
        ("@repeat", {"set": {"Name": {"@repeat": "a"}}, "expect": "same"}),
    ],
)
def test_a_mistake_in_a_case_is_an_error(message, case):
    """A case that changes nothing, or expects nothing of its own, would pass and prove nothing."""
    with pytest.raises(ValueError, match=re.escape(message)):
        expand(case)


def test_a_number_of_another_kind_is_a_change():
    """To Python 1, 1.0 and true are equal; to a document they are not."""
    assert repr(expand({"set": {"Level": 1.0}, "expect": "same"}).document["Level"]) == "1.0"
    assert expand({"set": {"Level": True}, "expect": "same"}).document["Level"] is True


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("a name stands twice: a, a", '{"bases": {}, "cases": {"a": 1, "a": 2}}'),
        ("sample: a case needs a name that no base has", a_file(SAMPLE, name="sample")),
        ("cases must be sorted by name", json.dumps({"bases": {}, "cases": {"b": SAMPLE, "a": SAMPLE}})),
        ("why\n  Extra inputs", '{"bases": {}, "cases": {}, "why": ""}'),
        ("d: a base must have rows", a_file(SAMPLE, d={"remove": ["id"], "expect": {"problem": ""}})),
        ("d: no base named e", a_file(SAMPLE, d={"base": "e", "remove": ["id"], "expect": "same"}, e=SAMPLE)),
    ],
)
def test_a_mistake_in_a_file_is_an_error(message, text):
    """A name means one case, and a base stands above what changes it."""
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(text)
