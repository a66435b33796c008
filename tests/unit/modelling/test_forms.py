"""What a value looks like."""

import math
from decimal import Decimal

import pytest

from cdc.modelling.forms import Form, count_digits, count_fraction, read_epoch, read_form, read_size, read_whole


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", Form.EMPTY),
        (" ", Form.TEXT),
        ("5f0c1f2a-110d-4c9a-823b-584c1c9a1a0c", Form.UUID),
        ("5F0C1F2A110D4C9A823B584C1C9A1A0C", Form.UUID_HEX),
        ("5F0C1F2A110D4C9A823B584C1C9A1a0c", Form.TEXT),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", Form.ULID),
        ("2026-01-31", Form.DATE),
        ("2026-13-31", Form.TEXT),
        ("2026-01-09T15:20:31.8123456Z", Form.INSTANT_UTC),
        ("2026-01-09T15:20:31+00:00", Form.INSTANT_UTC),
        ("2026-01-09T15:20:31.8+02:00", Form.INSTANT_OFFSET),
        ("2026-01-09 15:20:31.123", Form.INSTANT_LOCAL),
        ("2026-01-09T15:20", Form.INSTANT_LOCAL),
        ("31.12.2025", Form.DATE_OTHER),
        ("12/31/2025 10:00 PM", Form.DATE_OTHER),
        ("Tue, 15 Nov 1994 08:12:31 GMT", Form.DATE_OTHER),
        ("00:12:34.5678901", Form.DURATION),
        ("-1.02:03:04", Form.DURATION),
        ("PT1H30M", Form.DURATION_ISO),
        ("P", Form.TEXT),
        ("True", Form.BOOLEAN),
        ("-42", Form.WHOLE_NUMBER),
        ("007", Form.TEXT),
        ("12.50", Form.DECIMAL),
        ("a.b@example.co.za", Form.EMAIL),
        ("192.168.0.1", Form.NETWORK_ADDRESS),
        ("+27 82 123 4567", Form.PHONE),
        ("https://example.com/a?b=c", Form.URL),
        ('{"a": [1]}', Form.JSON),
        ("[]", Form.JSON),
        ("{not json}", Form.TEXT),
        ("[" * 100_000 + "]" * 100_000, Form.TEXT),
        ("a,b,c", Form.COMMA_LIST),
        ("Well, yes", Form.TEXT),
        ("a," * 400 + "a", Form.TEXT),
        ("\u0662\u0660\u0662\u0666-01-01", Form.TEXT),
    ],
)
def test_the_form_of_a_text(text, form):
    """Digits of other scripts are no digits, and prose is no list."""
    assert read_form(text) is form


@pytest.mark.parametrize(
    ("instant", "digits"),
    [("2026-01-09T15:20:31Z", 0), ("2026-01-09T15:20:31.8123456Z", 7), ("2026-01-09 15:20:31,123", 3)],
)
def test_the_fraction_of_an_instant(instant, digits):
    """Seven digits are .NET's; PostgreSQL keeps six."""
    assert count_fraction(instant) == digits


@pytest.mark.parametrize(
    ("number", "digits"),
    [
        (0, (0, 0)),
        (49.99, (2, 2)),
        (-1200, (4, 0)),
        (0.001, (0, 3)),
        (1e20, (21, 0)),
        (1e-7, (0, 7)),
        (Decimal("12345678901234567.8900"), (17, 2)),
        (Decimal("0.00"), (0, 0)),
        (Decimal("100.0"), (3, 0)),
    ],
)
def test_the_digits_of_a_number(number, digits):
    """Zeros that say nothing are no digits."""
    assert count_digits(number) == digits


def test_whole_numbers_and_times():
    """Beyond 2^53 a number of Cosmos is no exact one; 3.0 is whole; infinity is not."""
    sizes = [read_size(number) for number in (2**31 - 1, 2**31, 2**53, 2**53 + 1, 2**63)]

    assert sizes == ["int32", "int53", "int53", "int64", "larger"]
    assert [read_whole(number) for number in (3.0, 3.5, math.inf, math.nan, Decimal("4.0"))] == [3, None, None, None, 4]
    assert [read_epoch(number) for number in (1_700_000_000, 1_700_000_000_123, 17)] == [
        "seconds",
        "milliseconds",
        None,
    ]
