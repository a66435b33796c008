"""Compute the built-in functions; arguments of the wrong type make the result undefined."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.cosmos.query import like
from local.cosmos.query.comparison import SCALARS, equal, kind, number
from local.cosmos.values import UNDEFINED


@dataclass(frozen=True, slots=True)
class Function:
    """Hold what computes a function, the types it asks for, and how many of its arguments may be left out."""

    compute: Callable[..., Any]
    types: tuple[str, ...]
    optional: int = 0
    repeated: bool = False

    def __call__(self, *arguments: Any) -> Any:
        """Compute the value, or undefined when an argument has another type."""
        types = self.types * len(arguments) if self.repeated else self.types
        for wanted, argument in zip(types, arguments, strict=False):
            if wanted not in ("any", kind(argument)):
                return UNDEFINED
        return self.compute(*arguments)


def accepts(name: str, count: int) -> bool:
    """Tell whether there is a function of that name with so many arguments."""
    function = FUNCTIONS.get(name)
    if function is None:
        return False
    if function.repeated:
        return count > 0
    return len(function.types) - function.optional <= count <= len(function.types)


def _is(*kinds: str) -> Function:
    return Function(lambda value: kind(value) in kinds, ("any",))


def _text(compute: Callable[[str], Any]) -> Function:
    return Function(compute, ("string",))


def _math(compute: Callable[..., Any], count: int = 1) -> Function:
    def checked(*arguments: Any) -> Any:
        try:
            return number(compute(*arguments))
        except (ValueError, OverflowError, ZeroDivisionError):
            return UNDEFINED

    return Function(checked, ("number",) * count)


def _compare(test: Callable[[str, str], bool]) -> Function:
    def compute(text: str, part: str, ignore_case: bool = False) -> bool:
        return test(text.lower(), part.lower()) if ignore_case else test(text, part)

    return Function(compute, ("string", "string", "boolean"), optional=1)


def _substring(text: str, start: int, length: int) -> str:
    first = max(int(start), 0)
    return text[first : first + max(int(length), 0)]


def _slice(items: list[Any], start: int, length: float | None = None) -> list[Any]:
    first = max(len(items) + int(start), 0) if start < 0 else int(start)
    return items[first:] if length is None else items[first : first + max(int(length), 0)]


def _array_contains(items: list[Any], wanted: Any, partial: bool = False) -> Any:
    if wanted is UNDEFINED:
        return UNDEFINED
    return any(_matches(item, wanted, partial=partial) for item in items)


def _matches(item: Any, wanted: Any, *, partial: bool) -> bool:
    if partial and isinstance(item, dict) and isinstance(wanted, dict):
        return all(equal(item.get(name, UNDEFINED), value) is True for name, value in wanted.items())
    return equal(item, wanted) is True


def _round(value: float) -> float:
    return math.copysign(math.floor(abs(value) + 0.5), value)


def _like(text: str, pattern: str, escape: str = "") -> Any:
    return like.matches(text, pattern, escape) if len(escape) <= 1 else UNDEFINED


FUNCTIONS: dict[str, Function] = {
    "IS_DEFINED": Function(lambda value: value is not UNDEFINED, ("any",)),
    "IS_NULL": _is("null"),
    "IS_NUMBER": _is("number"),
    "IS_STRING": _is("string"),
    "IS_BOOL": _is("boolean"),
    "IS_ARRAY": _is("array"),
    "IS_OBJECT": _is("object"),
    "IS_PRIMITIVE": _is(*SCALARS),
    "IS_INTEGER": Function(lambda value: kind(value) == "number" and float(value).is_integer(), ("any",)),
    "STARTSWITH": _compare(str.startswith),
    "ENDSWITH": _compare(str.endswith),
    "CONTAINS": _compare(str.__contains__),
    "STRINGEQUALS": _compare(str.__eq__),
    "LIKE": Function(_like, ("string", "string", "string"), optional=1),
    "CONCAT": Function(lambda *texts: "".join(texts), ("string",), repeated=True),
    "INDEX_OF": Function(str.find, ("string", "string")),
    "LEFT": Function(lambda text, count: text[: max(int(count), 0)], ("string", "number")),
    "RIGHT": Function(lambda text, count: text[max(len(text) - max(int(count), 0), 0) :], ("string", "number")),
    "SUBSTRING": Function(_substring, ("string", "number", "number")),
    "LENGTH": _text(len),
    "LOWER": _text(str.lower),
    "UPPER": _text(str.upper),
    "TRIM": _text(str.strip),
    "LTRIM": _text(str.lstrip),
    "RTRIM": _text(str.rstrip),
    "REVERSE": _text(lambda text: text[::-1]),
    "REPLACE": Function(lambda text, old, new: text.replace(old, new) if old else text, ("string",) * 3),
    "ABS": _math(abs),
    "CEILING": _math(math.ceil),
    "FLOOR": _math(math.floor),
    "ROUND": _math(_round),
    "TRUNC": _math(math.trunc),
    "SIGN": _math(lambda value: (value > 0) - (value < 0)),
    "SQRT": _math(math.sqrt),
    "POWER": _math(math.pow, 2),
    "ARRAY_CONTAINS": Function(_array_contains, ("array", "any", "boolean"), optional=1),
    "ARRAY_LENGTH": Function(len, ("array",)),
    "ARRAY_CONCAT": Function(lambda *lists: [item for each in lists for item in each], ("array",), repeated=True),
    "ARRAY_SLICE": Function(_slice, ("array", "number", "number"), optional=1),
}

# What else Microsoft's documentation of the query language lists.
_OTHERS = """
    ACOS AGO ARRAY_AVG ARRAY_CONTAINS_ALL ARRAY_CONTAINS_ANY ARRAY_MAX ARRAY_MEDIAN ARRAY_MIN ARRAY_SUM ASIN ATAN
    ATN2 CHOOSE CONTAINS_ALL_CI CONTAINS_ALL_CS CONTAINS_ANY_CI CONTAINS_ANY_CS COS COT COUNTIF DATETIMEADD
    DATETIMEBIN DATETIMEDIFF DATETIMEFORMAT DATETIMEFROMPARTS DATETIMEPART DATETIMETOTICKS DATETIMETOTIMESTAMP DAY
    DEGREES DOCUMENTID EXP FULLTEXTCONTAINS FULLTEXTCONTAINSALL FULLTEXTCONTAINSANY FULLTEXTSCORE GETCURRENTDATETIME
    GETCURRENTDATETIMESTATIC GETCURRENTTICKS GETCURRENTTICKSSTATIC GETCURRENTTIMESTAMP GETCURRENTTIMESTAMPSTATIC IIF
    INTADD INTBITAND INTBITLEFTSHIFT INTBITNOT INTBITOR INTBITRIGHTSHIFT INTBITXOR INTDIV INTMOD INTMUL INTSUB
    IS_FINITE_NUMBER LASTINDEXOF LASTSUBSTRINGAFTER LASTSUBSTRINGBEFORE LOG LOG10 MAKELIST MAKESET MONTH NOW
    NUMBERBIN OBJECTTOARRAY PI RADIANS RAND REGEXEXTRACT REGEXEXTRACTALL REGEXMATCH REPLICATE RRF SETDIFFERENCE
    SETEQUAL SETINTERSECT SETUNION SIN SQUARE STRINGJOIN STRINGSPLIT STRINGTOARRAY STRINGTOBOOLEAN STRINGTONULL
    STRINGTONUMBER STRINGTOOBJECT ST_AREA ST_DISTANCE ST_INTERSECTS ST_ISVALID ST_ISVALIDDETAILED ST_WITHIN
    SUBSTRINGAFTER SUBSTRINGBEFORE TAN TICKSTODATETIME TIMESTAMPTODATETIME TOSTRING VECTORDISTANCE YEAR
"""
NOT_IMITATED = frozenset(_OTHERS.split())
