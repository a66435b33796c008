"""A JSON Schema becomes the design that documents of its kind would give."""

import re
import sys

import pytest

from cdc.command import main
from cdc.core.conventions import Naming
from cdc.core.errors import RequestError
from cdc.modelling.designing import make_design
from cdc.modelling.page_text import write_page
from cdc.modelling.schema_profile import read_schema
from tests.unit.modelling.generated import load

LINE = {
    "type": "object",
    "required": ["LineId", "Price"],
    "properties": {
        "LineId": {"type": "integer"},
        "Price": {"type": "number"},
        "Parent": {"$ref": "#/properties/Lines/items"},
    },
}
# As .NET's JsonSchemaExporter writes it.
SCHEMA = {
    "title": "Invoice",
    "type": ["object", "null"],
    "required": ["Id", "Number", "Total", "Lines"],
    "properties": {
        "Id": {"type": "string", "format": "uuid"},
        "$type": {"const": "Invoice"},
        "Number": {"type": "string"},
        "Total": {"type": "number"},
        "PaidAt": {"type": ["string", "null"], "format": "date-time"},
        "Due": {"anyOf": [{"type": "null"}, {"type": "string", "format": "date"}]},
        "Status": {"enum": ["Open", "Paid"]},
        "Count": {"type": "integer"},
        "Ticks": {"type": "integer", "format": "int64"},
        "Span": {"type": "string", "pattern": r"^-?(\d+\.)?\d{2}:\d{2}:\d{2}(\.\d{1,7})?$"},
        "Lines": {"type": "array", "items": LINE},
        "Labels": {"type": ["array", "null"], "items": {"type": "string"}},
        "Extra": {"type": "object", "additionalProperties": {"type": "string"}},
        "Anything": True,
        "Buyer": {
            "type": ["object", "null"],
            "properties": {"Name": {"type": ["string", "null"]}, "PasswordHash": {"type": "string"}},
        },
        "Whole": {"$ref": "#"},
    },
}


def test_every_form_of_a_schema_has_its_column():
    """Types, formats, nulls, references, and a type that contains itself."""
    design = make_design(read_schema(SCHEMA, "Invoices"), "Invoices")

    (type_,) = design.types
    root, lines = type_.root.walk()
    assert [(column.name, column.type.sql, column.nullable) for column in root.all_columns] == [
        ("id", "uuid", False),
        ("number", "text", False),
        ("total", "numeric(18, 2)", False),
        ("paid_at", "timestamptz", True),
        ("due", "date", True),
        ("status", "text", True),
        ("count", "integer", True),
        ("ticks", "bigint", True),
        ("span", "interval", True),
        ("labels", "text[]", True),
        ("extra", "jsonb", True),
        ("anything", "jsonb", True),
        ("whole", "jsonb", True),
        ("buyer_name", "text", True),
    ]
    assert [(column.name, column.type.sql) for column in lines.all_columns] == [
        ("invoice_id", "uuid"),
        ("line_id", "integer"),
        ("price", "numeric(18, 2)"),
        ("parent", "jsonb"),
    ]
    assert (root.name, lines.name, type_.secrets) == ("invoices", "invoice_lines", ("$.Buyer.PasswordHash",))
    assert (design.conventions.naming, design.conventions.type_properties) == (Naming.PASCAL, ("$type",))


@pytest.mark.parametrize("schema", [True, [], {}, {"type": "string"}, {"properties": []}])
def test_what_describes_no_object_is_refused(schema):
    """The message says what is missing."""
    with pytest.raises(RequestError, match="it needs `properties`"):
        read_schema(schema, "Invoices")


def test_a_reference_to_nothing_allows_any_value():
    """A schema that was cut out of a larger one is still of use."""
    schema = {"properties": {"Id": {"type": "string"}, "Other": {"$ref": "#/definitions/Gone"}}}

    (type_,) = make_design(read_schema(schema, "Things"), "Things").types

    assert [(column.name, column.type.sql) for column in type_.root.all_columns] == [("id", "text"), ("other", "jsonb")]


@pytest.mark.parametrize("name", ["$type", "Discriminator", "type"])
def test_what_documents_say_names_the_type(name):
    """Not the title, which is for readers."""
    schema = {"title": "A bill", "properties": {"Id": {"type": "string"}, name: {"const": "Invoice"}}}
    design = make_design(read_schema(schema, "Things"), "Things")

    assert [type_.type_name for type_ in design.types] == ["Invoice"]
    assert design.conventions.type_properties == (name,)


def test_a_property_that_may_be_anything_names_no_type():
    """`true` allows every value, and a title with a space is no name."""
    schema = {"title": "A bill", "properties": {"Id": {"type": "string"}, "type": True}}
    design = make_design(read_schema(schema, "Things"), "Things")

    assert [type_.type_name for type_ in design.types] == ["Thing"]
    assert design.conventions.type_properties == ()


def test_constants_have_the_type_of_their_values():
    """True and false are no numbers; several types become JSON."""
    properties = {
        "Id": {"type": "string"},
        "On": {"enum": [True, False]},
        "Off": {"const": False},
        "Any": {"enum": [{}, 1]},
    }

    (type_,) = make_design(read_schema({"properties": properties}, "Things"), "Things").types

    found = {column.name: column.type.sql for column in type_.root.all_columns}
    assert found == {"id": "text", "on": "boolean", "off": "boolean", "any": "jsonb"}


@pytest.mark.parametrize("sign", ['"', "'", "\\", '"""', "\n", "\t", "{}", "; import os", "`", "|", "<b>", "\0", ", "])
def test_no_name_in_a_schema_becomes_code(monkeypatch, sign):
    """Text in strings and docstrings is escaped; the page keeps its table."""
    name = f"x{sign}y"
    item = {
        "type": "object",
        "required": ["Id", name],
        "properties": {"Id": {"type": "string"}, name: {"type": "string"}},
    }
    part = {"type": "object", "required": [name], "properties": {name: {"type": "string"}}}
    properties = {
        "id": {"type": "string"},
        name: part,
        f"{name}s": {"type": "array", "items": item},
        f"pin {name}": part,
    }
    schema = {"title": name, "required": [*properties], "properties": properties}
    design = make_design(read_schema(schema, "Things"), "Things")
    document = {"id": "1", name: {name: "a"}, f"{name}s": [{"Id": "1", name: "b"}], f"pin {name}": {name: "c"}}

    (mapper,) = load(monkeypatch, design).values()

    found = mapper.map(document)
    assert found.root[1:] == ("a", "c")
    assert [rows[0][-1] for rows in found.children.values()] == ["b"]
    rows = [line for line in write_page(design).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {5}


def test_types_that_all_refer_to_each_other_end(monkeypatch):
    """In a second or two; a secret is found however deep it is."""
    types = {f"T{each}" for each in range(10)}
    definitions = {
        each: {"properties": {name: {"$ref": f"#/$defs/{name}"} for name in sorted(types)}} for each in types
    }
    for number in range(9):
        definitions[f"T{number}"]["properties"] |= {f"x{number}": {"$ref": f"#/$defs/Y{number}"}}
    chain = {f"Y{n}": {"properties": {"next": {"$ref": f"#/$defs/Y{n + 1}"}}} for n in range(8)}
    chain["Y8"] = {"properties": {"password": {"type": "string"}}}
    whole = {"properties": {"T0": {"$ref": "#/$defs/T0"}}, "$defs": definitions | chain}

    (type_,) = make_design(read_schema(whole, "Things"), "Things").types

    assert any(path.endswith(".next.password") for path in type_.secrets)


@pytest.mark.parametrize("name", ["../x", "a/b", "a?b", "a#b", "a\\b"])
def test_a_container_whose_name_cosmos_does_not_allow_is_refused(tmp_path, monkeypatch, capsys, name):
    """Such a name would lead out of the project's folder."""
    (tmp_path / "schema.json").write_text('{"properties": {"id": {"type": "string"}}}', encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["cdc", "init", "--schema", str(tmp_path / "schema.json"), "--container", name])

    assert main() == 1
    assert "is no name of a container" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        '{"properties": {"a": {"type": {"x": 1}}}}',
        '{"properties": {"a": {"type": "object", "properties": [1]}}}',
        '{"properties": {"a": {"enum": 5}}}',
        '{"properties": {"a": {"anyOf": [{"$ref": "#/required/7"}]}}, "required": ["a"]}',
        '{"properties": {"a": {"$ref": "#/title/x"}}, "title": "y"}',
        '{"properties": ' + "[" * 100_000,
        "\ufffe{",
    ],
)
def test_a_file_that_is_no_schema_is_refused_in_one_sentence(tmp_path, monkeypatch, capsys, content):
    """However it is wrong."""
    path = tmp_path / "schema.json"
    path.write_bytes(content.encode("utf-16-le" if "\ufffe" in content else "utf-8"))
    monkeypatch.setattr(sys, "argv", ["cdc", "init", "--schema", str(path)])

    assert main() == 1
    assert capsys.readouterr().err.strip().endswith("is no JSON Schema.")


def test_a_profile_in_another_encoding_is_refused_in_one_sentence(tmp_path, monkeypatch, capsys):
    """As a shell may have written it."""
    path = tmp_path / "orders.profile.json"
    path.write_bytes('{"format": 1}'.encode("utf-16"))
    monkeypatch.setattr(sys, "argv", ["cdc", "init", "--profile", str(path)])

    assert main() == 1
    assert "is no profile of this version" in capsys.readouterr().err
