"""Types of document fields, as the application's Entity Framework provider writes them.

Messages say what was expected and never quote the value.
"""

import re
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_pascal

# What .NET writes; Python alone would also read week dates and times without separators.
_TIME = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,7})?(Z|[+-]\d\d:\d\d)?)?")
_TIME_EXPECTED = "must be a date and time such as 2026-01-09T15:20:31.8123456Z"


class DocumentModel(BaseModel):
    """A document, or an object inside one: property names are Pascal case, unknown ones are left out."""

    model_config = ConfigDict(frozen=True, alias_generator=to_pascal, extra="ignore", strict=True, allow_inf_nan=False)


def _check_text(text: str) -> str:
    if "\0" in text:
        raise ValueError("text must not contain the NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("text must be valid Unicode") from None
    return text


def _read_time(value: object) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError(_TIME_EXPECTED)  # noqa: TRY004 - pydantic collects ValueError only
    if not _TIME.fullmatch(value):
        raise ValueError(_TIME_EXPECTED)
    try:
        # .NET writes seven digits of a second; Python cuts the last one off, and PostgreSQL never sees it.
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(_TIME_EXPECTED) from None


def _read_instant(value: object) -> datetime | None:
    time = _read_time(value)
    if time is None or time.tzinfo is None:
        return time and time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError(_TIME_EXPECTED) from None


def _read_day(value: object) -> date | None:
    time = _read_time(value)
    return time and time.date()


def _check_instant_text(text: str) -> str:
    _read_instant(text)
    return text


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return value.split(",") if value else []
    return value


def _none_as_empty(value: object) -> object:
    return [] if value is None else value


Text = Annotated[str, AfterValidator(_check_text)]
# Marks a list that may be null in old documents, which means the same as empty.
NoneAsEmpty = BeforeValidator(_none_as_empty)
Texts = Annotated[list[Text], NoneAsEmpty]
# A list of text that the provider joins with commas; "" is the empty list.
CommaList = Annotated[list[Text], NoneAsEmpty, BeforeValidator(_split_commas)]
# An instant without a zone is UTC.
Instant = Annotated[datetime, BeforeValidator(_read_instant)]
# A date and time of which only the day means something, as written, in no zone.
Day = Annotated[date, BeforeValidator(_read_day)]
# An instant inside a JSON column: checked and kept as written, because the application reads it with .NET precision.
InstantText = Annotated[Text, AfterValidator(_check_instant_text)]
