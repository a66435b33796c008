"""Types of instants, days and durations; each form of an instant is read exactly, or refused.

Messages say what was expected and never quote the value.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, GetPydanticSchema, PlainValidator
from pydantic_core import CoreSchema, core_schema

from cdc.core.conventions import Instants, current

# The formats that .NET writes; Python would also read week dates and times without separators. pydantic's regex engine
# is faster than Python's, but its \d matches digits of every script.
_OFFSET = r"\+00:00|[+-](?:00:(?:0[1-9]|[1-5][0-9])|(?:0[1-9]|1[0-3]):[0-5][0-9]|14:00)"
_TIME = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    rf"(?:T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{{1,7}})?(?:Z|{_OFFSET})?)?$"
)
_ISO = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]+)?)?"
    "(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?)?$"
)
_TIME_EXPECTED = "must be a date and time such as 2026-01-09T15:20:31.8123456Z"
# .NET's minimum and maximum times, in any zone: they mean "never set".
_NEVER = ("0001-01-01", "9999-12-31T23:59:59")
_DURATION = re.compile(r"(-?)(?:([1-9]\d{0,7})\.)?([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,7}))?", re.ASCII)
_LONGEST = timedelta(days=10_675_199, hours=2, minutes=48, seconds=5, microseconds=477_580)
_DURATION_EXPECTED = "must be a duration such as 1.02:03:04.5678901"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS = {Instants.EPOCH_SECONDS: 1_000_000, Instants.EPOCH_MILLISECONDS: 1_000}
_EPOCH_EXPECTED = {
    Instants.EPOCH_SECONDS: "must be a number of seconds since 1970",
    Instants.EPOCH_MILLISECONDS: "must be a number of milliseconds since 1970",
}


def _text(pattern: str, read: Callable[[str], object]) -> CoreSchema:
    """Describe a value that `read` converts from a time's text, with one message for every refused value."""
    text = core_schema.str_schema(pattern=pattern, strict=True)
    time = core_schema.no_info_after_validator_function(read, text)
    return core_schema.custom_error_schema(time, "time_form", custom_error_message=_TIME_EXPECTED)


def _read_dotnet(text: str) -> datetime | None:
    # .NET writes seven decimal places; Python drops the last one, so PostgreSQL never gets it.
    time = datetime.fromisoformat(text)
    return None if text.startswith(_NEVER) else _in_utc(time)


def _read_iso(text: str) -> datetime:
    return _in_utc(datetime.fromisoformat(text))


def _in_utc(time: datetime) -> datetime:
    """Return an instant in UTC, which it is in if it names no zone."""
    if time.tzinfo is UTC:
        return time
    return time.replace(tzinfo=UTC) if time.tzinfo is None else _convert(time)


def _convert(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError from None


def _multiply(value: object, factor: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    # A float's shortest text is what was written.
    return value * factor if isinstance(value, int) else int(Decimal(repr(value)) * factor)


def _epoch_reader(form: Instants) -> Callable[[object], datetime]:
    factor, expected = _MICROSECONDS[form], _EPOCH_EXPECTED[form]

    def read(value: object) -> datetime:
        try:
            return _EPOCH + timedelta(microseconds=_multiply(value, factor))
        except (ArithmeticError, TypeError, ValueError):
            raise ValueError(expected) from None

    return read


def _describe(form: Instants) -> CoreSchema:
    if form is Instants.DOTNET:
        return _text(_TIME, _read_dotnet)
    if form is Instants.ISO:
        return _text(_ISO, _read_iso)
    return core_schema.no_info_plain_validator_function(_epoch_reader(form))


@dataclass(frozen=True, slots=True)
class Written:
    """Marks an instant whose form is not that of the model's conventions: `Annotated[datetime, Written(...)]`.

    Where some are numbers and some are texts, `texts` is the form of these.
    """

    form: Instants
    texts: Instants | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return _describe(self.form) if self.texts is None else _describe_both(_epoch_reader(self.form), self.texts)


def _describe_both(read_number: Callable[[object], datetime], texts: Instants) -> CoreSchema:
    def read(value: object, read_text: Callable[[object], object]) -> object:
        return read_text(value) if isinstance(value, str) else read_number(value)

    return core_schema.no_info_wrap_validator_function(read, _describe(texts))


@dataclass(frozen=True, slots=True)
class Fraction:
    """Cuts the digits of a second that a column does not have: `Annotated[Instant, Fraction(3)]`."""

    digits: int

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.cut, handler(source))

    def cut(self, time: datetime | None) -> datetime | None:
        """Return the time without the further digits."""
        return time and time.replace(microsecond=time.microsecond - time.microsecond % 10 ** (6 - self.digits))


@dataclass(frozen=True, slots=True)
class Since:
    """Refuses times before a year: `Annotated[Instant, Since(1971)]`.

    A number of seconds that is read as milliseconds is one of 1970.
    """

    year: int

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def check(self, time: datetime | None) -> datetime | None:
        """Return the time; raise ValueError if it is too early."""
        if time is not None and time.year < self.year:
            raise ValueError(f"must be a time since {self.year}: is the number in another unit?")
        return time


def _check(text: str) -> str:
    _read_dotnet(text)
    return text


def _read_day(text: str) -> date:
    return datetime.fromisoformat(text).date()


def _never_as_none(day: date | None) -> date | None:
    return None if day == date.min else day


def _describe_day(form: Instants) -> CoreSchema:
    return _text(_TIME if form is Instants.DOTNET else _ISO, _read_day)


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


# An instant as the conventions say. Without a zone it is UTC; .NET's "never set" is None.
Instant = Annotated[datetime | None, GetPydanticSchema(lambda _, __: _describe(current().instants))] | None
# Only the day of a date or a date and time, as written, without a zone.
Day = Annotated[date, GetPydanticSchema(lambda _, __: _describe_day(current().instants))] | None
# Marks a day that may be 0001-01-01, which means "never set": `Annotated[Day, NeverAsNone]`.
NeverAsNone = AfterValidator(_never_as_none)
# An instant of .NET inside a JSON column: checked but kept as written, with all its digits.
InstantText = Annotated[str, GetPydanticSchema(lambda _, __: _text(_TIME, _check))]
# A duration of .NET.
Duration = Annotated[timedelta | None, PlainValidator(_read_duration)]
