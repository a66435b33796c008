"""Name the parts of a parsed query."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, assert_never

from local.cosmos.query.lexer import Token


@dataclass(frozen=True, slots=True)
class Constant:
    """A value written in the query."""

    value: Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value given beside the query."""

    token: Token


@dataclass(frozen=True, slots=True)
class Source:
    """What FROM or JOIN names; the same wherever it stands."""

    name: str
    token: Token = field(compare=False)


@dataclass(frozen=True, slots=True)
class Member:
    """A property of an object or an element of an array."""

    owner: "Expression"
    key: "Expression"


@dataclass(frozen=True, slots=True)
class Unary:
    """NOT, a minus or a plus before an expression."""

    operator: str
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Binary:
    """Two expressions joined by an operator."""

    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Logic:
    """Conditions joined by AND or by OR; flat, so that a thousand of them are not a thousand levels."""

    word: str
    operands: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Conditional:
    """One of two expressions, chosen by a condition."""

    condition: "Expression"
    yes: "Expression"
    no: "Expression"


@dataclass(frozen=True, slots=True)
class Among:
    """Whether a value is in a list."""

    operand: "Expression"
    options: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """An array made of expressions."""

    items: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class ObjectOf:
    """An object made of expressions."""

    pairs: tuple[tuple[str, "Expression"], ...]


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A built-in function and its arguments."""

    name: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One figure computed from all documents of a group; `text` is the argument as written."""

    name: str
    argument: "Expression"
    text: str = field(compare=False)
    token: Token = field(compare=False)


Expression = (
    Constant
    | Parameter
    | Source
    | Member
    | Unary
    | Binary
    | Logic
    | Conditional
    | Among
    | ArrayOf
    | ObjectOf
    | FunctionCall
    | Aggregate
)


def parts(expression: Expression) -> Iterable[Expression]:
    """List the expressions that an expression is made of."""
    match expression:
        case Constant() | Parameter() | Source():
            return ()
        case Member(first, second) | Binary(_, first, second):
            return first, second
        case Unary(_, operand):
            return (operand,)
        case Logic(_, operands) | ArrayOf(operands) | FunctionCall(_, operands):
            return operands
        case Conditional(condition, yes, no):
            return condition, yes, no
        case Among(operand, options):
            return operand, *options
        case ObjectOf(pairs):
            return (item for _, item in pairs)
        case Aggregate():
            return (expression.argument,)
        case _:
            assert_never(expression)


@dataclass(frozen=True, slots=True)
class Column:
    """One property of the objects that a list of expressions selects."""

    name: str
    expression: Expression
    text: str


@dataclass(frozen=True, slots=True)
class Join:
    """A name for each element of an array in turn."""

    alias: str
    path: Expression


@dataclass(frozen=True, slots=True)
class OrderKey:
    """What rows are sorted by."""

    expression: Expression
    descending: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a query asks for; without columns and value it selects *.

    The texts are the query's own, for the queries that a plan makes of it.
    """

    columns: tuple[Column, ...] = ()
    value: Column | None = None
    distinct: bool = False
    top: Expression | None = None
    alias: str
    joins: tuple[Join, ...] = ()
    source_text: str
    where: Expression | None = None
    where_text: str = ""
    group_by: tuple[Expression, ...] = ()
    group_texts: tuple[str, ...] = ()
    order_by: tuple[OrderKey, ...] = ()
    offset: Expression | None = None
    limit: Expression | None = None
    aggregates: tuple[Aggregate, ...] = ()

    @property
    def selected(self) -> tuple[Column, ...]:
        """List what is selected; nothing stands for *."""
        return self.columns if self.value is None else (self.value,)

    @property
    def grouped(self) -> bool:
        """Tell whether rows are made from groups of documents."""
        return bool(self.aggregates or self.group_by)
