"""Parse a query's expressions, from those that bind least to those that bind most."""

import math
from collections.abc import Callable

from local.cosmos import values
from local.cosmos.query import functions, lexer
from local.cosmos.query.cursor import RESERVED, Cursor
from local.cosmos.query.lexer import Token
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

LITERALS = {"TRUE": True, "FALSE": False, "NULL": None, "UNDEFINED": UNDEFINED}
AGGREGATES = frozenset({"AVG", "COUNT", "MAX", "MIN", "SUM"})


class ExpressionParser:
    """Parse expressions and remember the sources and aggregates that they name."""

    def __init__(self, cursor: Cursor) -> None:
        self.sources: list[Token] = []
        self.aggregates: list[Aggregate] = []
        self._cursor = cursor

    def expression(self) -> Expression:
        """Parse whatever expression comes."""
        condition = self._coalesce()
        if not self._cursor.take_sign("?"):
            return condition
        yes = self.expression()
        self._cursor.expect_sign(":")
        return Conditional(condition, yes, self.expression())

    def members(self, owner: Expression) -> Expression:
        """Parse the path that follows an expression."""
        while True:
            if self._cursor.take_sign("."):
                owner = Member(owner, Constant(self._cursor.name().text))
            elif self._cursor.take_sign("["):
                owner = Member(owner, self.expression())
                self._cursor.expect_sign("]")
            else:
                return owner

    def number(self) -> Constant:
        """Parse a number; a whole one that fits 64 bits stays exact."""
        text = self._cursor.next.text
        exact = text.isdigit() and len(text) <= values.EXACT_DIGITS and text == str(int(text))
        value = int(text) if exact else float(text)
        if not math.isfinite(value):
            raise self._cursor.error()
        self._cursor.take()
        return Constant(value)

    def source(self) -> Source:
        """Parse the name of what FROM or JOIN names."""
        token = self._cursor.name()
        self.sources.append(token)
        return Source(token.text, token)

    def _coalesce(self) -> Expression:
        return self._chain(self._or, "??")

    def _or(self) -> Expression:
        return self._logic("OR", self._and)

    def _and(self) -> Expression:
        return self._logic("AND", self._membership)

    def _logic(self, word: str, operand: Callable[[], Expression]) -> Expression:
        operands = [operand()]
        while self._cursor.take_word(word):
            operands.append(operand())
        return Logic(word, tuple(operands)) if len(operands) > 1 else operands[0]

    def _membership(self) -> Expression:
        operand = self._equality()
        negated = self._cursor.take_word("NOT")
        found = self._test_of(operand)
        if found is None:
            if negated:
                raise self._cursor.error()
            return operand
        return Unary("NOT", found) if negated else found

    def _test_of(self, operand: Expression) -> Expression | None:
        if self._cursor.take_word("IN"):
            self._cursor.expect_sign("(")
            self._cursor.refuse_subquery()
            return Among(operand, self._list(")"))
        if self._cursor.take_word("BETWEEN"):
            low = self._equality()
            self._cursor.expect_word("AND")
            return Logic("AND", (Binary(">=", operand, low), Binary("<=", operand, self._equality())))
        if self._cursor.take_word("LIKE"):
            pattern = self._equality()
            escape = (self._equality(),) if self._cursor.take_word("ESCAPE") else ()
            return FunctionCall("LIKE", (operand, pattern, *escape))
        return None

    def _equality(self) -> Expression:
        return self._chain(self._relation, "=", "!=", "<>")

    def _relation(self) -> Expression:
        return self._chain(self._concatenation, "<", "<=", ">", ">=")

    def _concatenation(self) -> Expression:
        return self._chain(self._sum, "||")

    def _sum(self) -> Expression:
        return self._chain(self._product, "+", "-")

    def _product(self) -> Expression:
        return self._chain(self._unary, "*", "/", "%")

    def _chain(self, operand: Callable[[], Expression], *signs: str) -> Expression:
        left = operand()
        while sign := self._cursor.take_sign(*signs):
            left = Binary("!=" if sign.text == "<>" else sign.text, left, operand())
        return left

    def _unary(self) -> Expression:
        if self._cursor.take_word("NOT"):
            return Unary("NOT", self._unary())
        if sign := self._cursor.take_sign("-", "+"):
            return Unary(sign.text, self._unary())
        operand = self.members(self._primary())
        match operand:
            case Member(Source(name), _) if name.lower() == "udf" and self._cursor.next.is_sign("("):
                raise lexer.not_imitated("A user-defined function")
            case _:
                return operand

    def _primary(self) -> Expression:
        following = self._cursor.following
        match self._cursor.next:
            case Token("number"):
                return self.number()
            case Token("string"):
                return Constant(lexer.string_value(self._cursor.take()))
            case Token("parameter"):
                return Parameter(self._cursor.take())
            case Token("sign"):
                return self._enclosed()
            case Token("name", text) if text.upper() in LITERALS:
                return Constant(LITERALS[self._cursor.take().text.upper()])
            case Token("name", text) if following.is_sign("(") and text.upper() not in RESERVED - {"EXISTS"}:
                return self._call()
            case _:
                return self.source()

    def _enclosed(self) -> Expression:
        if self._cursor.take_sign("("):
            self._cursor.refuse_subquery()
            inner = self.expression()
            self._cursor.expect_sign(")")
            return inner
        if self._cursor.take_sign("["):
            return ArrayOf(self._list("]"))
        if self._cursor.take_sign("{"):
            return self._object()
        raise self._cursor.error()

    def _list(self, end: str) -> tuple[Expression, ...]:
        items: list[Expression] = []
        while not self._cursor.take_sign(end):
            if items:
                self._cursor.expect_sign(",")
            items.append(self.expression())
        return tuple(items)

    def _object(self) -> ObjectOf:
        pairs: list[tuple[str, Expression]] = []
        while not self._cursor.take_sign("}"):
            if pairs:
                self._cursor.expect_sign(",")
            token = self._cursor.take() if self._cursor.next.kind in ("string", "name") else None
            if token is None:
                raise self._cursor.error()
            self._cursor.expect_sign(":")
            pairs.append((lexer.string_value(token) if token.kind == "string" else token.text, self.expression()))
        return ObjectOf(tuple(pairs))

    def _call(self) -> Expression:
        token = self._cursor.take()
        name = token.text.upper()
        self._cursor.expect_sign("(")
        self._cursor.refuse_subquery()
        if name in AGGREGATES:
            return self._aggregate(name, token)
        arguments = self._list(")")
        if functions.accepts(name, len(arguments)):
            return FunctionCall(name, arguments)
        if name in functions.NOT_IMITATED:
            raise lexer.not_imitated(f"The function {token.text}")
        message = (
            f"The function '{token.text}' has another number of arguments than {len(arguments)}."
            if name in functions.FUNCTIONS
            else f"'{token.text}' is not a recognized built-in function name."
        )
        raise lexer.syntax_error(token.text, token.start, token.end, code="SC2005", message=message)

    def _aggregate(self, name: str, token: Token) -> Aggregate:
        before, first = len(self.aggregates), self._cursor.next
        argument = self.expression()
        text = self._cursor.text_since(first)
        self._cursor.expect_sign(")")
        if len(self.aggregates) > before:
            message = "Cannot perform an aggregate function on an expression containing an aggregate."
            raise lexer.syntax_error(token.text, token.start, token.end, code="SC2102", message=message)
        self.aggregates.append(Aggregate(name, argument, text, token))
        return self.aggregates[-1]
