"""A value that its column cannot hold exactly is refused; what it can hold is taken to the last digit."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from cdc.core.document_models import DocumentModel
from cdc.core.fields import Choice, DoubleNumber, LongNumber, Numeric, RealNumber, Text, TextOrNumber, Uuid

MONEY = TypeAdapter(Annotated[Decimal, Numeric(12, 2)])


def refuse(adapter, value):
    """Return the message with which a value is refused."""
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(value, strict=True)
    message = caught.value.errors()[0]["msg"]
    assert "4711" not in message
    return message.removeprefix("Value error, ")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (12, "12"), (12.34, "12.34"), ("12.34", "12.34"), ("12.3400", "12.34"), (1e9, "1000000000"), (-0.5, "-0.5"),
        ("9999999999.99", "9999999999.99"), (9999999999.99, "9999999999.99"), (1e-2, "0.01"), ("0e999", "0"),
        (0.1, "0.1"),
    ],
)  # fmt: skip
def test_money_keeps_its_digits(value, read):
    """A JSON number is taken as it was written, never as the double beside it."""
    assert MONEY.validate_python(value) == Decimal(read)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (4711.123, "must have at most 2 digits after the point"),
        (0.1 + 0.2, "must have at most 2 digits after the point"),
        ("1e-3", "must have at most 2 digits after the point"),
        (47110000000, "must have at most 10 digits before the point"),
        (1e300, "must have at most 10 digits before the point"),
        *[
            (it, "must be a number")
            for it in (True, None, "", "4711,00", " 1", "NaN", "1_000", [4711], float("inf"), "١")
        ],
    ],
)
def test_money_that_does_not_fit_is_refused(value, words):
    """Nothing is rounded, and what is no number is no nought."""
    assert refuse(MONEY, value).startswith(words)


def test_a_number_that_became_a_text_keeps_its_digits():
    label = TypeAdapter(TextOrNumber)

    read = [label.validate_python(value, strict=True) for value in ("007", 7, 7.0, 2**53 + 1, -1)]

    assert read == ["007", "7", "7", "9007199254740993", "-1"]
    for value in (7.5, 1e300, True, None, "a\0", [7]):
        refuse(label, value)


@given(st.decimals(min_value=-(10**10), max_value=10**10, places=2).filter(lambda it: abs(it) < 10**10))
def test_any_amount_comes_back(amount):
    """As a text, and as the JSON number that its text is."""
    assert MONEY.validate_python(str(amount)) == amount
    if len(amount.as_tuple().digits) <= 15:
        assert MONEY.validate_python(float(str(amount))) == amount


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_long_number_comes_back(number):
    """Beyond 2^53, too, as a number or as its text."""
    adapter = TypeAdapter(LongNumber)
    assert adapter.validate_python(number) == adapter.validate_python(str(number)) == number


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, str(2**63), 1e16, 1.5, True, "1.0", "", None, float("nan")])
def test_a_long_number_that_may_have_lost_digits_is_refused(value):
    """A double beyond 2^53 is not the number that was meant."""
    refuse(TypeAdapter(LongNumber), value)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        *((DoubleNumber, value) for value in (7, -0.5, 0.1, 1e300, 2**53, -(2**60), 12345678901234567000, 10**22)),
        *((RealNumber, value) for value in (7, -0.5, 0.1, 16777216, 3.4028235e38, 1.17549435e-38, 0.0, 123456.79)),
    ],
)
def test_a_number_that_its_column_holds_is_taken(type_, value):
    """Also one that a double has written with fewer digits than its own: Cosmos writes whole numbers so."""
    assert TypeAdapter(type_).validate_python(value) == float(value)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        *((DoubleNumber, value) for value in (2**53 + 1, -(2**63) + 1, 12345678901234567001, 10**400 + 4711)),
        *((RealNumber, value) for value in (2**24 + 1, 0.1234567891, 1e39, 1e-46, 10**400 + 4711)),
    ],
)
def test_a_number_that_its_column_would_round_is_refused(type_, value):
    """It would lose digits, and nobody would see it."""
    assert "digits" in refuse(TypeAdapter(type_), value)


@pytest.mark.parametrize("type_", [DoubleNumber, RealNumber])
@pytest.mark.parametrize("value", [True, "1.5", None, float("nan"), float("inf")])
def test_what_is_no_number_is_no_number_of_a_column(type_, value):
    """Nor one that is not finite, in a document."""

    class Document(DocumentModel):
        value: type_

    with pytest.raises(ValidationError):
        Document.model_validate({"value": value})


def test_a_uuid_is_one_value_in_every_spelling():
    """Capitals and hyphens make no other key."""
    adapter, text = TypeAdapter(Uuid), "0b5c3bd4-8a0e-4b8c-9d0a-3f1e5a6b7c8d"
    assert {adapter.validate_python(it) for it in (text, text.upper(), text.replace("-", ""))} == {UUID(text)}
    for wrong in ("", text[:-1], f"{{{text}}}", text.replace("-", "", 1), None, 5):
        assert refuse(adapter, wrong).startswith("must be a UUID")


def test_a_choice_has_only_its_names():
    """A number is a name's place only where the application writes numbers."""
    named, numbered = (
        TypeAdapter(Annotated[str, Choice("open", "paid")]),
        TypeAdapter(Annotated[str, Choice("open", "paid", numbered=True)]),
    )
    assert [named.validate_python("paid"), numbered.validate_python("paid"), numbered.validate_python(1.0)] == [
        "paid"
    ] * 3
    for adapter, wrong in ((named, 1), (named, "Paid"), (named, None), (numbered, 2), (numbered, -1), (numbered, True)):
        assert refuse(adapter, wrong) == "must be one of open, paid"


def test_an_array_of_texts_is_checked_text_by_text():
    """What PostgreSQL cannot store is refused where it stands."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(list[Text]).validate_python(["a", "b\0"])
    assert caught.value.errors()[0]["loc"] == (1,)
