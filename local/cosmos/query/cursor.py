"""Walk over a query's tokens."""

from local.cosmos import errors
from local.cosmos.query import lexer
from local.cosmos.query.lexer import Token

RESERVED = frozenset(
    {"AND", "AS", "ASC", "BETWEEN", "BY", "CASE", "DESC", "DISTINCT", "ESCAPE", "EXISTS", "FALSE", "FROM", "GROUP"}
    | {"IN", "JOIN", "LIKE", "LIMIT", "NOT", "NULL", "OFFSET", "OR", "ORDER", "SELECT", "TOP", "TRUE", "UNDEFINED"}
    | {"VALUE", "WHERE"}
)


class Cursor:
    """Stand before a token and take it when it is the expected one."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = lexer.tokens(text)
        self._at = 0

    @property
    def next(self) -> Token:
        """The token that comes next."""
        return self._tokens[self._at]

    @property
    def following(self) -> Token:
        """The token after the next one."""
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def take(self) -> Token:
        """Take the next token; at the end there is none."""
        token = self._tokens[self._at]
        if token.kind == "end":
            raise self.error()
        self._at += 1
        return token

    def take_word(self, *words: str) -> Token | None:
        """Take the next token if it is one of these keywords."""
        return self.take() if self.next.is_word(*words) else None

    def take_sign(self, *signs: str) -> Token | None:
        """Take the next token if it is one of these signs."""
        return self.take() if self.next.is_sign(*signs) else None

    def expect_word(self, word: str) -> None:
        """Take a keyword that must come."""
        if not self.take_word(word):
            raise self.error()

    def expect_sign(self, sign: str) -> None:
        """Take a sign that must come."""
        if not self.take_sign(sign):
            raise self.error()

    def name(self) -> Token:
        """Take a name that must come and is no keyword."""
        if not self.at_name:
            raise self.error()
        return self.take()

    def refuse_subquery(self) -> None:
        """Say that a query within the query is not imitated, after what opens one."""
        if self.next.is_word("SELECT"):
            raise lexer.not_imitated("A subquery")

    @property
    def at_name(self) -> bool:
        """Tell whether a name comes next that is no keyword."""
        return self.next.kind == "name" and self.next.text.upper() not in RESERVED

    def text_since(self, first: Token) -> str:
        """Copy the query's text from a token up to what was taken last."""
        return self._text[first.start : self._tokens[self._at - 1].end] if self._at else ""

    def error(self) -> errors.CosmosError:
        """Say that the next token has no meaning here."""
        return lexer.syntax_error(self.next.text, self.next.start, self.next.end)
