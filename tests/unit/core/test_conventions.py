"""One model reads what applications of other habits write, because their conventions are values."""

from datetime import UTC, datetime
from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter

from cdc.core.conventions import ANYTHING, Conventions, DeleteMark, Instants, Naming, Secrets
from cdc.core.document_models import DocumentModel, RootDocument, renamed
from cdc.core.document_reader import DocumentReader
from cdc.core.errors import DocumentError
from cdc.core.fields import Text
from cdc.core.instants import Fraction, Instant, Written
from cdc.core.json_columns import JsonValue

NOON = datetime(2026, 1, 9, 12, tzinfo=UTC)


def a_reader(**conventions):
    """Return a reader of orders that are written by these conventions."""
    chosen = Conventions(**conventions)

    class Line(DocumentModel):
        conventions = chosen
        unit_name: Text

    class Order(RootDocument):
        conventions = chosen
        type_name = "order"
        unmapped = ("note",)
        placed_at: Instant = None
        customer_id: Text = renamed("buyer", "customer", default="")
        order_lines: list[Line] = Field(default=[])
        extra: JsonValue | None = None

    return DocumentReader(Order)


def observe(reader, body):
    """Return what the reader observes in a document."""
    return [f"{seen.kind} {seen.path}" for seen in reader.read(body).observations]


@pytest.mark.parametrize(
    ("naming", "names"),
    [
        (Naming.PASCAL, ("PlacedAt", "OrderLines", "UnitName")),
        (Naming.CAMEL, ("placedAt", "orderLines", "unitName")),
        (Naming.SNAKE, ("placed_at", "order_lines", "unit_name")),
        (Naming.EXACT, ("placed_at", "order_lines", "unit_name")),
    ],
)
def test_properties_are_named_by_convention(naming, names):
    """Also inside of objects; another spelling is not read but seen, and a new property is seen."""
    placed, lines, unit = names
    reader = a_reader(naming=naming)
    body = {"id": "a", placed: "2026-01-09T12:00:00Z", lines: [{unit: "box"}]}

    found = reader.read(body).document

    assert (found.placed_at, found.order_lines[0].unit_name) == (NOON, "box")
    assert observe(reader, body | {"colour": 1, "PLACED_AT": 2, "_ts": 3, "note": 4}) == [
        f"spelling $.{placed}",
        "unknown $.colour",
    ]


@pytest.mark.parametrize(
    ("form", "value", "read"),
    [
        (Instants.DOTNET, "2026-01-09T12:00:00.1234567Z", NOON.replace(microsecond=123456)),
        (Instants.DOTNET, "0001-01-01T00:00:00", None),
        (Instants.ISO, "2026-01-09T12:00Z", NOON),
        (Instants.ISO, "2026-01-09 12:00:00.000001+00:00", NOON.replace(microsecond=1)),
        (Instants.ISO, "2026-01-09T14:00:00.1+0200", NOON.replace(microsecond=100_000)),
        (Instants.ISO, "2026-01-09T12:00:00.123456789123Z", NOON.replace(microsecond=123456)),
        (Instants.ISO, "2026-01-09", NOON.replace(hour=0)),
        (Instants.ISO, "0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        (Instants.EPOCH_SECONDS, 1_767_960_000, NOON),
        (Instants.EPOCH_SECONDS, 1_767_960_000.123456, NOON.replace(microsecond=123456)),
        (Instants.EPOCH_SECONDS, -1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (Instants.EPOCH_MILLISECONDS, 1_767_960_000_001, NOON.replace(microsecond=1_000)),
        (Instants.EPOCH_MILLISECONDS, 1_767_960_000_001.5, NOON.replace(microsecond=1_500)),
        (Instants.EPOCH_MILLISECONDS, None, None),
    ],
)
def test_instants_are_written_by_convention(form, value, read):
    """Every form is read exactly, to the microsecond that PostgreSQL has."""
    assert a_reader(instants=form).read({"id": "a", "placed_at": value}).document.placed_at == read


def test_an_instant_of_two_forms_is_read_by_its_kind():
    """Numbers in older documents, texts in newer ones; each is read as exactly as alone."""
    instants = TypeAdapter(Annotated[datetime, Written(Instants.EPOCH_MILLISECONDS, Instants.ISO)])

    assert instants.validate_python(1_767_960_000_001) == NOON.replace(microsecond=1_000)
    assert instants.validate_python("2026-01-09T13:00:00.000001+01:00") == NOON.replace(microsecond=1)
    for value in (True, None, [], "1767960000001", 10**18):
        with pytest.raises(ValueError, match="must be a"):
            instants.validate_python(value)


@pytest.mark.parametrize(("digits", "microseconds"), [(0, 0), (1, 900_000), (3, 999_000), (6, 999_999)], ids=str)
@pytest.mark.parametrize("form", [Instants.DOTNET, Instants.EPOCH_SECONDS])
def test_digits_that_a_column_does_not_have_are_cut(digits, microseconds, form):
    """PostgreSQL would round them into the next second; what is null stays null."""

    class Order(RootDocument):
        conventions = Conventions(naming=Naming.SNAKE)
        at: Annotated[Annotated[datetime, Written(form)] | None, Fraction(digits)] = None

    value = 1_767_960_000.999999 if form is Instants.EPOCH_SECONDS else "2026-01-09T12:00:00.9999999Z"
    read = DocumentReader(Order).read

    assert read({"id": "a", "at": value}).document.at == NOON.replace(microsecond=microseconds)
    assert read({"id": "a", "at": None}).document.at is None
    with pytest.raises(ValueError, match="must be a"):
        read({"id": "a", "at": "no time"})


@pytest.mark.parametrize(
    ("form", "values"),
    [
        (Instants.DOTNET, ["2026-01-09T12:00:00.12345678Z", "2026-01-09T12:00Z", 5, True]),
        (Instants.ISO, ["2026-W02-5", "20260109T120000Z", "2026-01-09T25:00Z", "2026-02-30", "9999-12-31T23:59-01:00"]),
        (Instants.EPOCH_SECONDS, [1_767_960_000_000, "1767960000", True, float("nan"), float("inf"), [1], 10**400]),
        (Instants.EPOCH_MILLISECONDS, [10**18, "2026-01-09T12:00Z", False]),
    ],
)
def test_an_instant_of_another_form_is_refused(form, values):
    """Milliseconds where seconds belong are years away: no guess, and the message has no value."""
    for value in values:
        with pytest.raises(ValueError, match="placed_at") as caught:
            a_reader(instants=form).read({"id": "a", "placed_at": value})
        assert caught.value.errors()[0]["msg"].removeprefix("Value error, ").startswith("must be a")


@pytest.mark.parametrize(
    ("mark", "deleted", "living"),
    [
        (DeleteMark("gone"), [True], [None, False]),
        (DeleteMark("deletedAt", ANYTHING), ["2026-01-09T12:00Z", 1, True], [None, "", False]),
        (DeleteMark("state", "deleted"), ["deleted"], ["open", None, 1, True]),
        (DeleteMark("flags", 1), [1], [0, None, True]),
    ],
)
def test_a_deleted_document_is_marked_by_convention(mark, deleted, living):
    """A marked one has no rows even if nothing else of it can be read."""
    reader = a_reader(delete_mark=mark)

    assert all(reader.read({"id": 5, mark.property: value}).document is None for value in deleted)
    assert all(reader.read({"id": "a", mark.property: value}).document is not None for value in (*living, None))
    assert reader.read({"id": "a"}).document is not None
    assert observe(reader, {"id": "a", mark.property: living[0]}) == []


@pytest.mark.parametrize(
    ("mark", "body"),
    [
        (DeleteMark("gone"), {"gone": "yes"}),
        (DeleteMark("gone"), {"Gone": True}),
        (DeleteMark("deletedAt", ANYTHING), {"deleted_at": "2026-01-09T12:00Z"}),
    ],
)
def test_a_mark_that_is_unclear_parks(mark, body):
    """Neither deleting the rows nor keeping them is right."""
    with pytest.raises(DocumentError) as caught:
        a_reader(delete_mark=mark).read({"id": "a"} | body)

    assert caught.value.problem.path == f"$.{mark.property}"


def test_the_type_is_told_by_convention():
    """Without such a property every document is of the model's type; else the first that is filled tells."""
    assert a_reader().read({"id": "a", "type": "invoice"}).document is not None
    reader = a_reader(type_properties=("kind", "type"))
    assert reader.types == {"order"}
    assert reader.read({"id": "a"}).document is not None
    assert reader.read({"id": "a", "kind": "", "type": "order"}).document is not None
    assert reader.read({"id": "a", "kind": "invoice", "type": "order"}).unmapped_type == "invoice"
    assert observe(reader, {"id": "a", "kind": "order", "type": "invoice"}) == ["ambiguous $.type"]
    with pytest.raises(DocumentError):
        reader.read({"id": "a", "kind": ["order"]})


def test_the_key_is_found_by_convention():
    """The property of the key wins over `id`, which may carry it behind the type."""
    reader = a_reader(key="orderId")
    assert reader.read({"id": "a", "orderId": "b"}).document.id == "b"
    assert observe(reader, {"id": "a", "orderId": "b"}) == ["ambiguous $.id"]
    assert reader.read({"id": "a", "orderId": ""}).document.id == "a"
    assert reader.read({"id": "order|a", "orderId": None}).document.id == "order|a"
    assert a_reader(prefixed_ids=True).read({"id": "order|a^2Fb"}).document.id == "a/b"


def test_secrets_are_left_out_by_convention():
    """In any spelling, at any depth, in JSON inside of a text; without secrets nothing is left out."""
    value = {"apiKey": 1, "a": [{"API_KEY": 2, "b": '{"ApiKey":3,"c":4}'}], "tokenOfLove": 5, "pin": 6}
    body = {"id": "a", "extra": value, "Api_Key": "x"}

    hidden = a_reader(secrets=Secrets(frozenset({"apiKey"}), prefixes=("token",)))
    assert hidden.read(body).document.extra.text == b'{"a":[{"b":"{\\"c\\":4}"}],"pin":6}'
    assert observe(hidden, body) == []
    assert b"API_KEY" in a_reader().read(body).document.extra.text
    assert observe(a_reader(), body) == ["unknown $.Api_Key"]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (0, b"0"),
        ("text", b'"text"'),
        (False, b"false"),
        ([None], b"[null]"),
        ({"a": 12345678901234567890}, b'{"a":12345678901234567890}'),
    ],
)
def test_json_is_stored_as_it_is(value, stored):
    """Whatever it is; null is no value."""
    assert a_reader().read({"id": "a", "extra": None}).document.extra is None
    assert a_reader().read({"id": "a", "extra": value}).document.extra.text == stored
