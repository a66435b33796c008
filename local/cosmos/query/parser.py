"""Parse a query's clauses into a tree; what is not understood is refused with its position."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from local.cosmos import errors
from local.cosmos.query import lexer
from local.cosmos.query.cursor import Cursor
from local.cosmos.query.expressions import ExpressionParser
from local.cosmos.query.lexer import Token
from local.cosmos.query.tree import (
    Aggregate,
    Column,
    Constant,
    Expression,
    Join,
    Member,
    OrderKey,
    Parameter,
    Query,
    Source,
    parts,
)


@lru_cache(maxsize=256)
def parse(text: str) -> Query:
    """Parse a query's text."""
    try:
        return _QueryParser(text).query()
    except RecursionError as error:
        raise errors.bad_request("The query is nested too deeply.") from error


class _QueryParser:
    def __init__(self, text: str) -> None:
        self._cursor = Cursor(text)
        self._expressions = ExpressionParser(self._cursor)

    def query(self) -> Query:
        self._cursor.expect_word("SELECT")
        selection = self._selection()
        aggregates = tuple(self._expressions.aggregates)
        query = Query(**selection, **self._source(), **self._filter(), **self._grouping(), aggregates=aggregates)
        query = replace(query, order_by=self._ordering(), **self._window())
        if self._cursor.next.kind != "end":
            raise self._cursor.error()
        self._check(query)
        return query

    def _selection(self) -> dict[str, Any]:
        distinct = self._cursor.take_word("DISTINCT") is not None
        top = self._count() if self._cursor.take_word("TOP") else None
        selection = {"distinct": distinct, "top": top}
        if self._cursor.take_sign("*"):
            return selection
        if self._cursor.take_word("VALUE"):
            return {**selection, "value": self._value()}
        columns = [self._column(1)]
        while self._cursor.take_sign(","):
            columns.append(self._column(len(columns) + 1))
        return {**selection, "columns": tuple(columns)}

    def _value(self) -> Column:
        first = self._cursor.next
        expression = self._expressions.expression()
        return Column("", expression, self._cursor.text_since(first))

    def _column(self, position: int) -> Column:
        column = self._value()
        if self._cursor.take_word("AS") or self._cursor.at_name:
            return replace(column, name=self._cursor.name().text)
        match column.expression:
            case Member(_, Constant(str(name))):
                return replace(column, name=name)
            case Source(name):
                return replace(column, name=name)
            case _:
                return replace(column, name=f"${position}")

    def _count(self) -> Expression:
        if self._cursor.next.kind == "parameter":
            return Parameter(self._cursor.take())
        if self._cursor.next.kind == "number" and self._cursor.next.text.isdigit():
            return self._expressions.number()
        raise self._cursor.error()

    def _source(self) -> dict[str, Any]:
        if self._cursor.next.kind == "end":
            raise lexer.not_imitated("A query without FROM")
        self._cursor.expect_word("FROM")
        self._refuse_subquery()
        first = alias = self._cursor.name()
        if self._cursor.next.is_sign(".", "[") or self._cursor.next.is_word("IN"):
            raise lexer.not_imitated("A path after FROM")
        if self._cursor.take_word("AS") or self._cursor.at_name:
            alias = self._cursor.name()
        joins: list[Join] = []
        while self._cursor.take_word("JOIN"):
            joins.append(self._join())
        return {"alias": alias.text, "joins": tuple(joins), "source_text": self._cursor.text_since(first)}

    def _join(self) -> Join:
        self._refuse_subquery()
        name = self._cursor.name().text
        self._cursor.expect_word("IN")
        self._refuse_subquery()
        return Join(name, self._expressions.members(self._expressions.source()))

    def _refuse_subquery(self) -> None:
        if self._cursor.next.is_sign("(") and self._cursor.following.is_word("SELECT"):
            raise lexer.not_imitated("A subquery")

    def _filter(self) -> dict[str, Any]:
        if not self._cursor.take_word("WHERE"):
            return {}
        condition = self._value()
        return {"where": condition.expression, "where_text": condition.text}

    def _grouping(self) -> dict[str, Any]:
        if not self._cursor.take_word("GROUP"):
            return {}
        self._cursor.expect_word("BY")
        keys = [self._value()]
        while self._cursor.take_sign(","):
            keys.append(self._value())
        return {"group_by": tuple(key.expression for key in keys), "group_texts": tuple(key.text for key in keys)}

    def _ordering(self) -> tuple[OrderKey, ...]:
        if not self._cursor.take_word("ORDER"):
            return ()
        self._cursor.expect_word("BY")
        if self._cursor.next.is_word("RANK") and self._cursor.following.kind == "name":
            raise lexer.not_imitated("ORDER BY RANK")
        keys = [self._order_key()]
        while self._cursor.take_sign(","):
            keys.append(self._order_key())
        return tuple(keys)

    def _order_key(self) -> OrderKey:
        key = self._value()
        word = self._cursor.take_word("ASC", "DESC")
        return OrderKey(key.expression, word is not None and word.is_word("DESC"), key.text)

    def _window(self) -> dict[str, Any]:
        if not self._cursor.take_word("OFFSET"):
            return {}
        offset = self._count()
        self._cursor.expect_word("LIMIT")
        return {"offset": offset, "limit": self._count()}

    def _check(self, query: Query) -> None:
        self._check_names(query)
        if query.grouped:
            for column in query.selected:
                _check_grouped(column.expression, query)
        if len(self._expressions.aggregates) > len(query.aggregates):
            token = self._expressions.aggregates[len(query.aggregates)].token
            raise _refuse(token, "SC2102", "An aggregate is only understood in the SELECT clause.")
        if query.joins and not query.selected:
            raise errors.bad_request("'SELECT *' is only valid with a single input set.")
        if query.group_by and query.order_by:
            raise errors.bad_request("'ORDER BY' is not supported in presence of GROUP BY.")
        if query.grouped and not query.selected:
            raise errors.bad_request("'SELECT *' is not allowed with GROUP BY.")
        if query.top is not None and query.offset is not None:
            raise errors.bad_request("'TOP' is not allowed beside OFFSET and LIMIT.")

    def _check_names(self, query: Query) -> None:
        aliases = [query.alias, *(join.alias for join in query.joins)]
        if len(set(aliases)) < len(aliases):
            raise errors.bad_request("Two sources of the query have the same name.")
        for token in self._expressions.sources:
            if token.text not in aliases:
                raise _refuse(token, "SC2001", f"Identifier '{token.text}' could not be resolved.")


def _check_grouped(expression: Expression, query: Query) -> None:
    if expression in query.group_by or isinstance(expression, Aggregate):
        return
    if isinstance(expression, Source):
        message = (
            f"'{expression.name}' is invalid in the select list because it is not contained in either an aggregate "
            "function or the GROUP BY clause."
        )
        raise _refuse(expression.token, "SC2103", message)
    for part in parts(expression):
        _check_grouped(part, query)


def _refuse(token: Token, code: str, message: str) -> errors.CosmosError:
    return lexer.syntax_error(token.text, token.start, token.end, code=code, message=message)
