"""Types of document fields, as the application's Entity Framework provider writes them.

Messages say what was expected and never quote the value.
"""

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_pascal


class DocumentModel(BaseModel):
    """A document, or an object inside one: property names are Pascal case, unknown ones are left out."""

    model_config = ConfigDict(frozen=True, alias_generator=to_pascal, extra="ignore")


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("text must not contain the NUL character")
    return text


def _read_instant(value: object) -> object:
    if value is None or isinstance(value, datetime):
        return value
    expectation = "must be a date and time such as 2026-01-09T15:20:31.8123456Z"
    if not isinstance(value, str):
        raise ValueError(expectation)  # noqa: TRY004 - pydantic collects ValueError only
    try:
        # .NET writes seven digits of a second; Python cuts the last one off, and PostgreSQL never sees it.
        instant = datetime.fromisoformat(value)
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(expectation) from None


def _read_day(value: object) -> object:
    instant = _read_instant(value)
    return instant.date() if isinstance(instant, datetime) else instant


def _check_instant_text(text: str) -> str:
    _read_instant(text)
    return text


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return value.split(",") if value else []
    return value


def _none_as_empty(value: object) -> object:
    return [] if value is None else value


Text = Annotated[str, AfterValidator(_without_nul)]
Texts = Annotated[list[Text], BeforeValidator(_none_as_empty)]
# A list of text that the provider joins with commas; "" is the empty list.
CommaList = Annotated[list[Text], BeforeValidator(_none_as_empty), BeforeValidator(_split_commas)]
# An instant without a zone is UTC.
Instant = Annotated[datetime, BeforeValidator(_read_instant)]
# A date and time of which only the day means something, as written, in no zone.
Day = Annotated[date, BeforeValidator(_read_day)]
# An instant inside a JSON column: checked and kept as written, because the application reads it with .NET precision.
InstantText = Annotated[Text, AfterValidator(_check_instant_text)]
