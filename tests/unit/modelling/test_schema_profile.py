"""A JSON Schema becomes the design that documents of its kind would give."""

import pytest

from cdc.core.conventions import Naming
from cdc.core.errors import RequestError
from cdc.modelling.designing import make_design
from cdc.modelling.schema_profile import read_schema

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
