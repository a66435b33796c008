"""Name the parts of a parsed query."""

from dataclasses import dataclass
from typing import Any

from local.cosmos.query_lexer import Token


@dataclass(frozen=True, slots=True)
class Constant:
    """A value written in the query."""

    value: Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value given beside the query."""

    name: str
    token: Token


@dataclass(frozen=True, slots=True)
class Document:
    """The document that FROM names."""

    alias: str


@dataclass(frozen=True, slots=True)
class Member:
    """A property of an object or an element of an array."""

    owner: "Expression"
    name: str | int


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary of a condition."""

    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Binary:
    """Two expressions joined by an operator."""

    operator: str
    left: "Expression"
    right: "Expression"


Expression = Constant | Parameter | Document | Member | Not | Binary


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One figure computed from every document that the query selects."""

    name: str
    argument: Expression


@dataclass(frozen=True, slots=True)
class Column:
    """One property of the objects that a list of expressions selects."""

    name: str
    expression: Expression


Selection = Expression | Aggregate | tuple[Column, ...] | None


@dataclass(frozen=True, slots=True)
class Query:
    """What a query selects; `select` is None for *, and columns make objects."""

    select: Selection
    where: Expression | None
