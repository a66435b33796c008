"""The forms of texts and numbers: what a value looks like, never the value itself."""

import json
import math
import re
from datetime import date
from decimal import Decimal
from enum import StrEnum


class Form(StrEnum):
    """What a text looks like."""

    EMPTY = "empty"
    UUID = "uuid"
    UUID_HEX = "uuid_hex"
    ULID = "ulid"
    DATE = "date"
    INSTANT_UTC = "instant_utc"
    INSTANT_OFFSET = "instant_offset"
    INSTANT_LOCAL = "instant_local"
    DATE_OTHER = "date_other"
    DURATION = "duration"
    DURATION_ISO = "duration_iso"
    BOOLEAN = "boolean"
    WHOLE_NUMBER = "whole_number"
    DECIMAL = "decimal"
    EMAIL = "email"
    PHONE = "phone"
    NETWORK_ADDRESS = "network_address"
    URL = "url"
    JSON = "json"
    COMMA_LIST = "comma_list"
    TEXT = "text"


INSTANTS = (Form.INSTANT_UTC, Form.INSTANT_OFFSET, Form.INSTANT_LOCAL)
# Forms that begin with a day.
DAYS = (*INSTANTS, Form.DATE)
# Everything but JSON, addresses and lists is shorter.
_LONGEST = 320
_LONGEST_JSON = 1_000_000
_DAY = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?"
_DAY_FIRST = r"[0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{2,4}(?:[ T].{0,20})?"
_DAY_NAMED = r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} .{8,16}"
_FORMS = (
    (Form.UUID, r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    (Form.UUID_HEX, r"[0-9a-f]{32}|[0-9A-F]{32}"),
    (Form.ULID, r"[0-7][0-9A-HJKMNP-TV-Z]{25}"),
    (Form.DATE, _DAY),
    (Form.INSTANT_UTC, rf"{_DAY}{_CLOCK}(?:Z|[+-]00:?00)"),
    (Form.INSTANT_OFFSET, rf"{_DAY}{_CLOCK}[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]"),
    (Form.INSTANT_LOCAL, rf"{_DAY}{_CLOCK}"),
    (Form.DATE_OTHER, rf"{_DAY_FIRST}|{_DAY_NAMED}"),
    (Form.DURATION, r"-?(?:[1-9][0-9]{0,6}\.)?(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}(?:\.[0-9]{1,7})?"),
    (Form.DURATION_ISO, r"-?P(?=[0-9T])(?:[0-9]+[YMWD])*(?:T(?:[0-9.]+[HMS])+)?"),
    (Form.BOOLEAN, r"[Tt]rue|[Ff]alse"),
    (Form.WHOLE_NUMBER, r"-?(?:0|[1-9][0-9]{0,37})"),
    (Form.DECIMAL, r"-?(?:0|[1-9][0-9]{0,27})\.[0-9]{1,28}"),
    (Form.EMAIL, r"[^@\s]{1,64}@[^@\s]{1,190}\.[^@\s.]{2,}"),
    (Form.NETWORK_ADDRESS, r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}|(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{1,4}"),
    (Form.PHONE, r"(?:\+|00)[0-9][0-9 ()./-]{6,18}[0-9]|0[0-9]{1,4}[ /-][0-9][0-9 -]{4,12}[0-9]"),
    (Form.URL, r"[a-zA-Z][a-zA-Z0-9+.-]{1,20}://\S+"),
    # Prose has a space after its commas.
    (Form.COMMA_LIST, r"[^,\n]+(?:,[^\s,][^,\n]*)+"),
)
_FORM = re.compile("|".join(f"(?P<{form}>{pattern})" for form, pattern in _FORMS), re.ASCII)
_FRACTION = re.compile(r"[.,]([0-9]{1,9})")
_STRICT = re.compile(
    r".{10}T[0-9:]{8}(?:\.[0-9]{1,7})?(?:Z|\+00:00|[+-](?!00:00)(?:0[0-9]|1[0-3]):[0-9]{2}|[+-]14:00)?"
)
# .NET's minimum and maximum times mean "never set".
_LAST = "9999-12-31"
_NEVER = ("0001-01-01", _LAST)
_CLOCK_BEGINS = 16

_INT32, _INT64 = 2**31, 2**63
# Cosmos stores numbers as IEEE doubles: above this limit not every whole number is exact.
EXACT = 2**53
# 2001 to 2100.
_EPOCH = range(978_307_200, 4_102_444_800)


def read_form(text: str) -> Form:
    """Return what a text looks like."""
    if not text:
        return Form.EMPTY
    if text[0] in "{[" and text[-1] in "}]":
        return Form.JSON if _is_json(text) else Form.TEXT
    found = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
    form = Form.TEXT if found is None else Form(str(found.lastgroup))
    return Form.TEXT if form in DAYS and not _is_day(text[:10]) else form


def is_loose(instant: str) -> bool:
    """Return whether an instant has a form that .NET does not write, or read."""
    return _STRICT.fullmatch(instant) is None


def count_fraction(instant: str) -> int:
    """Return how many digits the seconds of an instant have after their point."""
    found = _FRACTION.search(instant, _CLOCK_BEGINS)
    return 0 if found is None else len(found[1])


def means_never(time: str) -> bool:
    """Return whether a date or an instant is one that .NET writes for "never set"."""
    return time.startswith(_NEVER)


def is_last(time: str) -> bool:
    """Return whether a date or an instant is on the last day, which may also mean "for ever"."""
    return time.startswith(_LAST)


def has_surrogates(text: str) -> bool:
    """Return whether a text has a lone surrogate, which PostgreSQL cannot store."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def count_digits(number: float | Decimal) -> tuple[int, int]:
    """Return how many digits a finite number has before and after its point, without zeros that say nothing."""
    _, digits, exponent = Decimal(repr(number) if isinstance(number, float) else number).as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    after = len(text) and max(0, -int(exponent))
    while after and text.endswith("0"):
        text, after = text[:-1], after - 1
    before = len(text) + int(exponent) if int(exponent) > 0 else len(text) - after
    return max(0, before), after


def is_amount(before: int, after: int) -> bool:
    """Return whether a number with so many digits before and after its point may be money: a double holds them all."""
    return after <= 4 and before <= 14 and before + max(2, after) <= 15


def read_size(number: int) -> str:
    """Return the smallest of `int32`, `int53`, `int64` and `larger` that holds a whole number."""
    if -_INT32 <= number < _INT32:
        return "int32"
    if abs(number) <= EXACT:
        return "int53"
    return "int64" if -_INT64 <= number < _INT64 else "larger"


def read_whole(number: float | Decimal) -> int | None:
    """Return a number as a whole one, or None if it has a fraction or is not finite; 3.0 is whole."""
    if isinstance(number, int):
        return number
    if not math.isfinite(number) or number != (whole := int(number)):
        return None
    return whole


def read_epoch(number: int) -> str | None:
    """Return `seconds` or `milliseconds` if a number may be a time of 2001 to 2100 since 1970."""
    if number in _EPOCH:
        return "seconds"
    return "milliseconds" if number // 1000 in _EPOCH else None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_json(text: str) -> bool:
    try:
        json.loads(text[:_LONGEST_JSON])
    except (ValueError, RecursionError):
        return False
    return True
