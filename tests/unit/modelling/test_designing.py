"""The design of what a profile has seen."""

from cdc.modelling.designing import make_design
from cdc.modelling.module_text import write_module
from cdc.modelling.profile import Source
from cdc.modelling.profiler import profile_documents

SOURCE = Source(name="Things", kind="file", read=0, complete=True)


def design(documents):
    """Return the design of documents."""
    return make_design(profile_documents(documents, SOURCE), "Things")


def test_a_property_that_no_document_needs_to_tell_its_type_is_data():
    """An audit entry has the type of what it is about; its own type is told by another property."""
    entry = {"$type": "AuditEntry", "EntityType": "Order", "Old": 1, "New": 2}
    order = {"$type": "Order", "Total": 2.5}
    found = design([{"id": str(number), **each} for number in range(12) for each in (entry, order)])

    assert found.conventions.type_properties == ("$type",)
    (entries,) = [each.root for each in found.types if each.type_name == "AuditEntry"]
    assert "entity_type" in {column.name for column in entries.columns}


def test_generations_tell_their_type_by_two_properties():
    """Neither is in every document, so both are read."""
    documents = [{"id": str(n), ("$type" if n % 2 else "Discriminator"): "Order", "Total": n} for n in range(12)]

    assert design(documents).conventions.type_properties == ("$type", "Discriminator")


def test_a_child_table_does_not_say_its_parent_twice():
    """The property of the items may begin with the parent's name."""
    order = {"$type": "Order", "OrderLines": [{"Id": 1}, {"Id": 2}]}
    (found,) = design([{"id": str(number), **order} for number in range(12)]).types

    assert [table.name for table in found.root.walk()] == ["orders", "order_lines"]


def test_long_lines_are_written_as_ruff_writes_them():
    """An object that may be missing, with long names."""
    inner = {"PropertyWithALongName": "x", "AnotherLongName": "y"}
    documents = [{"id": str(n), "$type": "Order", **({"TheInnerAddress": inner} if n % 2 else {})} for n in range(12)]
    found = design(documents)

    text = write_module(found, found.types[0])

    assert max(map(len, text.splitlines())) <= 120
    inner_address = "document.the_inner_address"
    assert f": (\n                {inner_address}.property_with_a_long_name if {inner_address} else None\n" in text
