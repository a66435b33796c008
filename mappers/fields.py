"""Types of document fields, as the application's Entity Framework provider writes them.

Messages say what was expected and never quote the value.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, GetPydanticSchema, PlainValidator
from pydantic_core import core_schema

# The formats that .NET writes; Python would also read week dates and times without separators. pydantic's regex engine
# is faster than Python's, but its \d matches digits of every script.
_OFFSET = r"\+00:00|[+-](?:00:(?:0[1-9]|[1-5][0-9])|(?:0[1-9]|1[0-3]):[0-5][0-9]|14:00)"
_TIME = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    rf"(?:T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{{1,7}})?(?:Z|{_OFFSET})?)?$"
)
_TIME_EXPECTED = "must be a date and time such as 2026-01-09T15:20:31.8123456Z"
# .NET's minimum and maximum times, in any zone: they mean "never set".
_NEVER = ("0001-01-01", "9999-12-31T23:59:59")
_DURATION = re.compile(r"(-?)(?:([1-9]\d{0,7})\.)?([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,7}))?", re.ASCII)
_LONGEST = timedelta(days=10_675_199, hours=2, minutes=48, seconds=5, microseconds=477_580)
_DURATION_EXPECTED = "must be a duration such as 1.02:03:04.5678901"


def _check_text(text: str) -> str:
    if "\0" in text:
        raise ValueError("text must not contain the NUL character")
    if not text.isascii():
        _encode(text)
    return text


def _encode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("text must be valid Unicode") from None


def _time(read: Callable[[str], object]) -> GetPydanticSchema:
    """Declare a field that `read` converts from a time's text, with one message for every refused value."""

    def build(_source: object, _handler: object) -> core_schema.CoreSchema:
        text = core_schema.str_schema(pattern=_TIME, strict=True)
        time = core_schema.no_info_after_validator_function(read, text)
        return core_schema.custom_error_schema(time, "time_form", custom_error_message=_TIME_EXPECTED)

    return GetPydanticSchema(build)


def _read_instant(text: str) -> datetime | None:
    # .NET writes seven decimal places; Python drops the last one, so PostgreSQL never gets it.
    time = datetime.fromisoformat(text)
    if text.startswith(_NEVER):
        return None
    if time.tzinfo is UTC:
        return time
    return time.replace(tzinfo=UTC) if time.tzinfo is None else _to_utc(time)


def _to_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError from None


def _read_day(text: str) -> date:
    return datetime.fromisoformat(text).date()


def _check_instant(text: str) -> str:
    _read_instant(text)
    return text


def _read_duration(value: object) -> timedelta | None:
    if value is None:
        return None
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(_DURATION_EXPECTED)
    sign, days, hours, minutes, seconds, fraction = match.groups()
    duration = timedelta(
        days=int(days or 0),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds),
        microseconds=int((fraction or "").ljust(7, "0")[:6]),
    )
    if duration > _LONGEST:
        raise ValueError(_DURATION_EXPECTED)
    return -duration if sign else duration


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return value.split(",") if value else []
    return [] if value is None else value


def _none_as_empty(value: object) -> object:
    return [] if value is None else value


def _read_whole_number(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = Annotated[str, AfterValidator(_check_text)]
# Marks a list that may be null in old documents; null means empty.
NoneAsEmpty = BeforeValidator(_none_as_empty)
# A list of texts: an array, or one string joined with commas; "" and null are the empty list.
CommaList = Annotated[list[Text], BeforeValidator(_split_commas)]
# An instant without a zone is UTC; .NET's "never set" is None.
Instant = Annotated[datetime | None, _time(_read_instant)] | None
# Only the day of a date and time, as written, without a zone.
Day = Annotated[date, _time(_read_day)] | None
# An instant inside a JSON column: checked but kept as written, because the application reads it with .NET precision.
InstantText = Annotated[str, _time(_check_instant)]
Duration = Annotated[timedelta | None, PlainValidator(_read_duration)]
# A whole number that fits an integer column; 3.0 is accepted.
WholeNumber = Annotated[int, Field(ge=-(2**31), lt=2**31), BeforeValidator(_read_whole_number)]
