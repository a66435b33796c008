"""Compile a query's expressions into functions of one row: a tuple of what FROM and JOIN name."""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from local.cosmos.query import functions, lexer
from local.cosmos.query.comparison import SCALARS, canonical, equal, kind, number
from local.cosmos.query.tree import (
    Aggregate,
    Among,
    ArrayOf,
    Binary,
    Conditional,
    Constant,
    Expression,
    FunctionCall,
    Logic,
    Member,
    ObjectOf,
    Parameter,
    Source,
    Unary,
)
from local.cosmos.values import UNDEFINED

Evaluate = Callable[[Any], Any]

RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
SIGNS: dict[str, Callable[[Any], Any]] = {"NOT": operator.not_, "-": operator.neg, "+": operator.pos}
ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
}


@dataclass(frozen=True, slots=True)
class Compiler:
    """Know where a row holds what the query names; aggregates stand behind the sources, in their order."""

    aliases: tuple[str, ...]
    parameters: Mapping[str, Any]
    aggregates: tuple[Aggregate, ...] = ()

    def compile(self, expression: Expression) -> Evaluate:
        """Turn an expression into a function from a row to a value or undefined."""
        match expression:
            case Constant(value):
                return lambda _row: value
            case Parameter():
                given = self.parameter(expression)
                return lambda _row: given
            case Source(name):
                return operator.itemgetter(self.aliases.index(name))
            case Aggregate():
                return operator.itemgetter(len(self.aliases) + self.aggregates.index(expression))
            case Member(Source(source), Constant(str(name))):
                return _property(self.aliases.index(source), name)
            case Member(owner, key):
                return _member(self.compile(owner), self.compile(key))
            case Unary(sign, operand):
                return _unary(sign, self.compile(operand))
            case Binary(sign, left, right):
                return _binary(sign, self.compile(left), self.compile(right))
            case Logic(word, operands):
                return _logic(word, self._all(operands))
            case _:
                return self._compile_composite(expression)

    def _compile_composite(self, expression: Among | Conditional | ArrayOf | ObjectOf | FunctionCall) -> Evaluate:
        match expression:
            case Among(operand, options):
                return self._among(self.compile(operand), options)
            case Conditional(condition, yes, no):
                test, first, second = self._all((condition, yes, no))
                return lambda row: first(row) if test(row) is True else second(row)
            case ArrayOf(items):
                compiled = self._all(items)
                return lambda row: [None if (value := item(row)) is UNDEFINED else value for item in compiled]
            case ObjectOf(pairs):
                return _object([(name, self.compile(item)) for name, item in pairs])
            case FunctionCall(name, arguments):
                function, compiled = functions.FUNCTIONS[name], self._all(arguments)
                return lambda row: function(*[argument(row) for argument in compiled])
            case _:
                assert_never(expression)

    def parameter(self, parameter: Parameter) -> Any:
        """Find the value that was given for a parameter."""
        token = parameter.token
        if token.text not in self.parameters:
            message = f"The parameter '{token.text}' has no value."
            raise lexer.syntax_error(token.text, token.start, token.end, code="SC2001", message=message)
        return self.parameters[token.text]

    def _all(self, expressions: tuple[Expression, ...]) -> list[Evaluate]:
        return list(map(self.compile, expressions))

    def _among(self, operand: Evaluate, options: tuple[Expression, ...]) -> Evaluate:
        if not all(isinstance(option, Constant | Parameter) for option in options):
            tests = [_binary("=", operand, option) for option in self._all(options)]
            return _logic("OR", tests)
        given = [option(()) for option in self._all(options)]
        found = {canonical(value) for value in given}
        otherwise: Any = UNDEFINED if UNDEFINED in given else False

        def evaluate(row: Any) -> Any:
            value = operand(row)
            if value is UNDEFINED:
                return UNDEFINED
            return True if canonical(value) in found else otherwise

        return evaluate


def _object(pairs: list[tuple[str, Evaluate]]) -> Evaluate:
    return lambda row: {name: value for name, item in pairs if (value := item(row)) is not UNDEFINED}


def _property(source: int, name: str) -> Evaluate:
    # The usual case, in one call.
    def read_property(row: Any) -> Any:
        value = row[source]
        return value.get(name, UNDEFINED) if isinstance(value, dict) else UNDEFINED

    return read_property


def _member(owner: Evaluate, key: Evaluate) -> Evaluate:
    def read_member(row: Any) -> Any:
        value, wanted = owner(row), key(row)
        if isinstance(value, dict) and isinstance(wanted, str):
            return value.get(wanted, UNDEFINED)
        if isinstance(value, list) and type(wanted) is int and 0 <= wanted < len(value):
            return value[wanted]
        return UNDEFINED

    return read_member


def _unary(sign: str, operand: Evaluate) -> Evaluate:
    wanted = "boolean" if sign == "NOT" else "number"
    change = SIGNS[sign]

    def evaluate(row: Any) -> Any:
        value = operand(row)
        return change(value) if kind(value) == wanted else UNDEFINED

    return evaluate


def _binary(sign: str, left: Evaluate, right: Evaluate) -> Evaluate:
    if sign in RELATIONS:
        return _relation(RELATIONS[sign], left, right)
    if sign in ARITHMETIC:
        return _arithmetic(ARITHMETIC[sign], left, right)
    match sign:
        case "=":
            return lambda row: equal(left(row), right(row))
        case "!=":
            return _different(left, right)
        case "??":
            return lambda row: value if (value := left(row)) is not UNDEFINED else right(row)
        case _:
            return _concatenation(left, right)


def _relation(compare: Callable[[Any, Any], bool], left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(row: Any) -> Any:
        first, second = left(row), right(row)
        if type(first) is int and type(second) is int:  # the usual case, told apart cheaply
            return compare(first, second)
        common = kind(first)
        if common != kind(second) or common not in SCALARS:
            return UNDEFINED
        return compare(0, 0) if first is None else compare(first, second)

    return evaluate


def _arithmetic(compute: Callable[[Any, Any], Any], left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(row: Any) -> Any:
        first, second = left(row), right(row)
        if kind(first) != "number" or kind(second) != "number":
            return UNDEFINED
        try:
            return number(compute(first, second))
        except (ArithmeticError, ValueError):
            return UNDEFINED

    return evaluate


def _different(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(row: Any) -> Any:
        same = equal(left(row), right(row))
        return UNDEFINED if same is UNDEFINED else not same

    return evaluate


def _concatenation(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(row: Any) -> Any:
        first, second = left(row), right(row)
        return first + second if isinstance(first, str) and isinstance(second, str) else UNDEFINED

    return evaluate


def _logic(word: str, operands: list[Evaluate]) -> Evaluate:
    # One operand decides alone: false in AND, true in OR; otherwise all must be booleans.
    deciding = word == "OR"

    def evaluate(row: Any) -> Any:
        result: Any = not deciding
        for operand in operands:
            value = operand(row)
            if value is deciding:
                return deciding
            if value is not (not deciding):
                result = UNDEFINED
        return result

    return evaluate
