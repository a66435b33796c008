"""Types of document fields; a value that a column cannot hold exactly is refused.

Messages say what was expected and never quote the value.
"""

import re
import struct
from dataclasses import dataclass
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator
from pydantic_core import CoreSchema, core_schema

# JSON's numbers are IEEE doubles to many writers: above this limit, a number with a fraction or an exponent is not the
# number that was meant.
_LARGEST_EXACT = 2**53
_DECIMAL = re.compile(r"[+-]?\d{1,1000}(?:\.\d{1,1000})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,19}", re.ASCII)
# Takes zeros away at the end of a number, and never rounds.
_EXACTLY = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_REAL = struct.Struct("f")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{12}")


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


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return value.split(",") if value else []
    return [] if value is None else value


def _none_as_empty(value: object) -> object:
    return [] if value is None else value


def _empty_as_none(value: object) -> object:
    return None if value == "" else value


def _read_whole_number(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _write_whole_number(value: object) -> object:
    if isinstance(value, float) and abs(value) > _LARGEST_EXACT:
        raise ValueError("must be a text, or a whole number with all its digits")
    number = _read_whole_number(value)
    return str(number) if isinstance(number, int) and not isinstance(number, bool) else value


def _read_long_number(value: object) -> object:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if isinstance(value, float) and abs(value) > _LARGEST_EXACT:
        raise ValueError("must be written with all its digits")
    return _read_whole_number(value)


def _check_double(value: object) -> object:
    if isinstance(value, int) and not is_exact_double(value):
        raise ValueError("must have no more digits than double precision holds; numeric holds them all")
    return value


def is_exact_double(number: int) -> bool:
    """Return whether double precision holds a whole number, or writes it with these digits."""
    if abs(number) <= _LARGEST_EXACT:
        return True
    try:
        double = float(number)
    except OverflowError:
        return False
    return double == number or Decimal(repr(double)) == number


def _check_real(number: float) -> float:
    try:
        (real,) = _REAL.unpack(_REAL.pack(number))
    except OverflowError:
        real = None
    # The digits with which PostgreSQL writes a real.
    if real is None or all(float(f"{real:.{digits}g}") != number for digits in range(6, 10)):
        raise ValueError("must have no more digits than real holds; double precision holds more")
    return number


def _read_uuid(value: object) -> UUID:
    if not isinstance(value, str) or _UUID.fullmatch(value) is None:
        raise ValueError("must be a UUID such as 0b5c3bd4-8a0e-4b8c-9d0a-3f1e5a6b7c8d")
    return UUID(value)


@dataclass(frozen=True, slots=True)
class Numeric:
    """Marks a number for a column numeric(precision, scale): `Annotated[Decimal, Numeric(12, 2)]`.

    Takes a number or its text. It is never rounded: a number that the column would round is refused.
    """

    precision: int
    scale: int

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def read(self, value: object) -> Decimal:
        """Return the number with the digits that were written; raise ValueError if the column cannot hold it."""
        number = _read_decimal(value)
        _, digits, exponent = number.normalize(_EXACTLY).as_tuple()
        assert isinstance(exponent, int)  # noqa: S101 - the number is finite
        if -exponent > self.scale:
            raise ValueError(f"must have at most {self.scale} digits after the point")
        if any(digits) and len(digits) + exponent > self.precision - self.scale:
            raise ValueError(f"must have at most {self.precision - self.scale} digits before the point")
        return number


def _read_decimal(value: object) -> Decimal:
    # A float's shortest text is what was written; an int has all its digits.
    text = repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(text, str) or _DECIMAL.fullmatch(text) is None:
        raise ValueError("must be a number, or a number in a string")
    return Decimal(text)


@dataclass(frozen=True, slots=True, init=False)
class Choice:
    """Marks a text that is one of these names: `Annotated[str, Choice("open", "paid")]`.

    With `numbered`, a number is the place of its name, as Entity Framework writes the values of an enum.
    """

    names: tuple[str, ...]
    numbered: bool

    def __init__(self, *names: str, numbered: bool = False) -> None:
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "numbered", numbered)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def read(self, value: object) -> str:
        """Return the name; raise ValueError for any other value."""
        if isinstance(value, str) and value in self.names:
            return value
        place = _read_whole_number(value)
        if self.numbered and isinstance(place, int) and not isinstance(place, bool) and 0 <= place < len(self.names):
            return self.names[place]
        raise ValueError(f"must be one of {', '.join(self.names)}")


Text = Annotated[str, AfterValidator(_check_text)]
# A text, or a whole number in some documents, which becomes its digits.
TextOrNumber = Annotated[Text, BeforeValidator(_write_whole_number)]
# Marks a list that may be null in old documents; null means empty.
NoneAsEmpty = BeforeValidator(_none_as_empty)
# Marks a value that may be an empty text in some documents; "" means null.
EmptyAsNone = BeforeValidator(_empty_as_none)
# A list of texts: an array, or one string joined with commas; "" and null are the empty list.
CommaList = Annotated[list[Text], BeforeValidator(_split_commas)]
# A whole number that fits an integer column; 3.0 is accepted.
WholeNumber = Annotated[int, Field(ge=-(2**31), lt=2**31), BeforeValidator(_read_whole_number)]
# A whole number that fits a bigint column, or such a number in a string.
LongNumber = Annotated[int, Field(ge=-(2**63), lt=2**63), BeforeValidator(_read_long_number)]
# A number for a double precision column, which would round a longer whole one; others are doubles already.
DoubleNumber = Annotated[float, BeforeValidator(_check_double)]
# A number for a real column.
RealNumber = Annotated[DoubleNumber, AfterValidator(_check_real)]
# In upper or lower case, with hyphens or without any.
Uuid = Annotated[UUID, PlainValidator(_read_uuid)]
