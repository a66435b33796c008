"""Parse a query by recursive descent into a tree; what is not understood is refused with its position."""

from collections.abc import Callable
from functools import lru_cache

from local.cosmos import errors, query_lexer, values
from local.cosmos.query_lexer import Token
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
    Query,
    Selection,
)
from local.cosmos.values import UNDEFINED

RESERVED = frozenset(
    {
        "AND",
        "AS",
        "ASC",
        "BETWEEN",
        "BY",
        "CASE",
        "DESC",
        "DISTINCT",
        "ESCAPE",
        "EXISTS",
        "FALSE",
        "FROM",
        "GROUP",
        "IN",
    }
    | {"JOIN", "LIKE", "LIMIT", "NOT", "NULL", "OFFSET", "OR", "ORDER", "SELECT", "TOP", "TRUE", "UNDEFINED", "VALUE"}
    | {"WHERE"}
)
LITERALS = {"TRUE": True, "FALSE": False, "NULL": None, "UNDEFINED": UNDEFINED}
AGGREGATES = frozenset({"COUNT", "SUM", "MIN", "MAX"})


@lru_cache(maxsize=256)
def parse(text: str) -> Query:
    """Parse a query's text."""
    try:
        return _Parser(text).query()
    except RecursionError as error:
        raise errors.bad_request("The query is nested too deeply.") from error


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = query_lexer.tokens(text)
        self._at = 0
        self._alias = "c"
        self._roots: list[Token] = []

    def query(self) -> Query:
        self._expect_word("SELECT")
        select = self._select()
        self._expect_word("FROM")
        self._from()
        where = self._or() if self._take_word("WHERE") else None
        if self._next.kind != "end":
            raise self._error()
        self._check_roots()
        return Query(select, where)

    def _select(self) -> Selection:
        if self._take_sign("*"):
            return None
        if self._take_word("VALUE"):
            return self._aggregate() if self._next.is_word(*AGGREGATES) else self._or()
        columns = [self._column(1)]
        while self._take_sign(","):
            columns.append(self._column(len(columns) + 1))
        return tuple(columns)

    def _aggregate(self) -> Aggregate:
        name = self._take().text.upper()
        self._expect_sign("(")
        argument = self._or()
        self._expect_sign(")")
        return Aggregate(name, argument)

    def _column(self, position: int) -> Column:
        expression = self._or()
        if self._take_word("AS") or (self._next.kind == "name" and not self._next.is_word("FROM")):
            return Column(self._name(), expression)
        match expression:
            case Member(_, str(name)) | Document(name):
                return Column(name, expression)
            case _:
                return Column(f"${position}", expression)

    def _from(self) -> None:
        self._alias = self._name()
        if self._take_word("AS") or (self._next.kind == "name" and self._next.text.upper() not in RESERVED):
            self._alias = self._name()

    def _check_roots(self) -> None:
        for token in self._roots:
            if token.text != self._alias:
                message = f"Identifier '{token.text}' could not be resolved."
                raise query_lexer.syntax_error(token.text, token.start, token.end, code="SC2001", message=message)

    def _or(self) -> Expression:
        return self._chain(self._and, words=("OR",))

    def _and(self) -> Expression:
        return self._chain(self._equality, words=("AND",))

    def _equality(self) -> Expression:
        return self._chain(self._relation, signs=("=", "!=", "<>"))

    def _relation(self) -> Expression:
        return self._chain(self._unary, signs=("<", "<=", ">", ">="))

    def _chain(
        self, operand: Callable[[], Expression], *, words: tuple[str, ...] = (), signs: tuple[str, ...] = ()
    ) -> Expression:
        left = operand()
        while self._next.is_word(*words) or self._next.is_sign(*signs):
            operator = self._take().text.upper()
            left = Binary("!=" if operator == "<>" else operator, left, operand())
        return left

    def _unary(self) -> Expression:
        if self._take_word("NOT"):
            return Not(self._unary())
        if self._next.is_sign("-") and self._tokens[self._at + 1].kind == "number":
            self._take()
            return Constant(-_number(self._take()))
        return self._members(self._primary())

    def _primary(self) -> Expression:
        token = self._take()
        if token.kind == "number":
            return Constant(_number(token))
        if token.kind == "string":
            return Constant(query_lexer.string_value(token))
        if token.kind == "parameter":
            return Parameter(token.text, token)
        if token.is_word(*LITERALS):
            return Constant(LITERALS[token.text.upper()])
        if token.is_sign("("):
            inner = self._or()
            self._expect_sign(")")
            return inner
        if token.kind == "name" and token.text.upper() not in RESERVED and not self._next.is_sign("("):
            self._roots.append(token)
            return Document(token.text)
        self._at -= 1
        raise self._error()

    def _members(self, owner: Expression) -> Expression:
        while True:
            if self._take_sign("."):
                if self._next.kind != "name":
                    raise self._error()
                owner = Member(owner, self._take().text)
            elif self._take_sign("["):
                owner = Member(owner, self._index())
                self._expect_sign("]")
            else:
                return owner

    def _index(self) -> str | int:
        token = self._next
        if token.kind == "string":
            return query_lexer.string_value(self._take())
        if token.kind == "number" and token.text.isdigit():
            return int(self._take().text)
        raise self._error()

    def _name(self) -> str:
        if self._next.kind != "name" or self._next.text.upper() in RESERVED:
            raise self._error()
        return self._take().text

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        if token.kind == "end":
            raise self._error()
        self._at += 1
        return token

    def _take_word(self, word: str) -> bool:
        found = self._next.is_word(word)
        self._at += found
        return found

    def _take_sign(self, sign: str) -> bool:
        found = self._next.is_sign(sign)
        self._at += found
        return found

    def _expect_word(self, word: str) -> None:
        if not self._take_word(word):
            raise self._error()

    def _expect_sign(self, sign: str) -> None:
        if not self._take_sign(sign):
            raise self._error()

    def _error(self) -> errors.CosmosError:
        return query_lexer.syntax_error(self._next.text, self._next.start, self._next.end)


def _number(token: Token) -> int | float:
    text = token.text
    number: int | float = values.parse(text) if text.isdigit() and text == str(int(text)) else float(text)
    return number
