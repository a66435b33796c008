"""Read, write and look into JSON values, where undefined is not null."""

import json
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final, Literal

from local.cosmos import errors

JsonObject = dict[str, Any]

# Whole numbers of more digits may not fit 64 bits; the service keeps those as doubles.
EXACT_DIGITS = 18
DOUBLE_EXACT = 2**53


class Undefined(Enum):
    """Stand for the absence of a value."""

    UNDEFINED = "undefined"


UNDEFINED: Final[Literal[Undefined.UNDEFINED]] = Undefined.UNDEFINED


def parse(raw: bytes | str) -> Any:
    """Read JSON as the service does: 3.0 is 3, and there is no NaN."""
    try:
        return json.loads(raw, parse_float=_double, parse_int=_integer, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise errors.bad_request(f"The request's JSON cannot be read: {error}.") from error


def parse_object(raw: bytes) -> JsonObject:
    """Read a JSON object."""
    value = parse(raw)
    if not isinstance(value, dict):
        raise errors.bad_request("The request's body must be a JSON object.")
    return value


def render(value: Any) -> bytes:
    """Write JSON; escaped to ASCII, so that a lone surrogate survives the way there and back."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def lookup(value: Any, path: Sequence[str]) -> Any:
    """Follow a path of property names."""
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return UNDEFINED
        value = value[name]
    return value


def is_number(value: Any) -> bool:
    """Tell a number from everything else, true and false included."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _double(text: str) -> int | float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:20]} is out of range")
    return int(number) if number.is_integer() and abs(number) < DOUBLE_EXACT else number


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= EXACT_DIGITS else _double(text)


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")
