"""Compile a query's tree into functions of one document."""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, assert_never

from local.cosmos import query_lexer
from local.cosmos.query_tree import (
    Aggregate,
    Binary,
    Column,
    Constant,
    Document,
    Expression,
    Member,
    Not,
    Parameter,
)
from local.cosmos.values import UNDEFINED, JsonObject

Evaluate = Callable[[JsonObject], Any]

RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# Types in the order in which the service sorts them.
TYPE_ORDER = ("null", "boolean", "number", "string")


def compile_expression(expression: Expression, parameters: Mapping[str, Any]) -> Evaluate:
    """Turn an expression into a function from a document to a value or undefined."""
    match expression:
        case Constant(value):
            return lambda _document: value
        case Parameter():
            given = _parameter(expression, parameters)
            return lambda _document: given
        case Document():
            return lambda document: document
        case Member(owner, name):
            return _member(compile_expression(owner, parameters), name)
        case Not(operand):
            return _not(compile_expression(operand, parameters))
        case Binary(sign, left, right):
            return _binary(sign, compile_expression(left, parameters), compile_expression(right, parameters))
        case _:
            assert_never(expression)


def compile_columns(columns: Iterable[Column], parameters: Mapping[str, Any]) -> Evaluate:
    """Turn a list of columns into a function from a document to an object without undefined properties."""
    compiled = [(column.name, compile_expression(column.expression, parameters)) for column in columns]

    def evaluate(document: JsonObject) -> JsonObject:
        pairs = ((name, expression(document)) for name, expression in compiled)
        return {name: value for name, value in pairs if value is not UNDEFINED}

    return evaluate


def aggregate(call: Aggregate, documents: Iterable[JsonObject], parameters: Mapping[str, Any]) -> Any:
    """Compute one figure; SUM, MIN and MAX of nothing are undefined."""
    argument = compile_expression(call.argument, parameters)
    found = [value for value in map(argument, documents) if value is not UNDEFINED]
    if call.name == "COUNT":
        return len(found)
    if not found:
        return UNDEFINED
    if call.name == "SUM":
        return sum(found) if all(kind(value) == "number" for value in found) else UNDEFINED
    if any(kind(value) not in TYPE_ORDER for value in found):
        return UNDEFINED
    return (min if call.name == "MIN" else max)(found, key=_sort_key)


def kind(value: Any) -> str:
    """Name a value's JSON type."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return "undefined"


def _sort_key(value: Any) -> tuple[int, Any]:
    return TYPE_ORDER.index(kind(value)), 0 if value is None else value


def _parameter(parameter: Parameter, parameters: Mapping[str, Any]) -> Any:
    if parameter.name not in parameters:
        token = parameter.token
        message = f"The parameter '{parameter.name}' has no value."
        raise query_lexer.syntax_error(token.text, token.start, token.end, code="SC2001", message=message)
    return parameters[parameter.name]


def _member(owner: Evaluate, name: str | int) -> Evaluate:
    if isinstance(name, str):

        def read_property(document: JsonObject) -> Any:
            value = owner(document)
            return value.get(name, UNDEFINED) if isinstance(value, dict) else UNDEFINED

        return read_property

    def read_element(document: JsonObject) -> Any:
        value = owner(document)
        return value[name] if isinstance(value, list) and name < len(value) else UNDEFINED

    return read_element


def _not(operand: Evaluate) -> Evaluate:
    def evaluate(document: JsonObject) -> Any:
        value = operand(document)
        return not value if isinstance(value, bool) else UNDEFINED

    return evaluate


def _binary(sign: str, left: Evaluate, right: Evaluate) -> Evaluate:
    if sign in RELATIONS:
        return _relation(RELATIONS[sign], left, right)
    if sign in ("=", "!="):
        return _equality(sign, left, right)
    return _logic(sign, left, right)


def _relation(compare: Callable[[Any, Any], bool], left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(document: JsonObject) -> Any:
        first, second = left(document), right(document)
        if type(first) is int and type(second) is int:  # the usual case, told apart cheaply
            return compare(first, second)
        common = kind(first)
        if common != kind(second) or common not in TYPE_ORDER:
            return UNDEFINED
        return compare(_sort_key(first), _sort_key(second))

    return evaluate


def _equality(sign: str, left: Evaluate, right: Evaluate) -> Evaluate:
    negated = sign == "!="

    def evaluate(document: JsonObject) -> Any:
        first, second = left(document), right(document)
        common = kind(first)
        if common != kind(second) or common == "undefined" or (negated and common in ("array", "object")):
            return UNDEFINED
        return _deep_equal(first, second) is not negated

    return evaluate


def _deep_equal(first: Any, second: Any) -> bool:
    if kind(first) != kind(second):  # in Python true equals 1
        return False
    if isinstance(first, list):
        return len(first) == len(second) and all(map(_deep_equal, first, second))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_deep_equal(first[name], second[name]) for name in first)
    return bool(first == second)


def _logic(word: str, left: Evaluate, right: Evaluate) -> Evaluate:
    # One operand decides alone: false in AND, true in OR; otherwise both must be booleans.
    deciding = word == "OR"

    def evaluate(document: JsonObject) -> Any:
        first = left(document)
        if first is deciding:
            return deciding
        second = right(document)
        if second is deciding:
            return deciding
        return not deciding if isinstance(first, bool) and isinstance(second, bool) else UNDEFINED

    return evaluate
