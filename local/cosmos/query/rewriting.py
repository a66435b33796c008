"""Rewrite a query for one physical partition, so that the client can put several answers together."""

from local.cosmos import values
from local.cosmos.query.tree import Aggregate, Column, Query

# Every client replaces it by its own condition; the Python SDK always by true.
FILTER_PLACEHOLDER = "{documentdb-formattableorderbyquery-filter}"


def rewrite(query: Query) -> str:
    """Write what each physical partition is asked."""
    if query.grouped:
        return _rewrite_groups(query)
    if query.order_by:
        return _rewrite_order(query)
    payload = f"VALUE {_payload(query)}" if query.selected else "*"
    return _select("DISTINCT " * query.distinct + payload, query)


def _rewrite_groups(query: Query) -> str:
    if query.value is None:
        payload = _object(query.columns)
    else:
        figure = isinstance(query.value.expression, Aggregate)
        payload = f"[{_partial(query.value)}]" if figure else query.value.text
    if not query.group_by:
        return _select(f"VALUE {payload}" if query.value else f"{payload} AS payload", query)
    items = ", ".join(f'{{"item": {text}}}' for text in query.group_texts)
    selection = f"[{items}] AS groupByItems, {payload} AS payload"
    return f"{_select(selection, query)} GROUP BY {', '.join(query.group_texts)}"


def _rewrite_order(query: Query) -> str:
    items = ", ".join(f'{{"item": {key.text}}}' for key in query.order_by)
    keys = ", ".join(f"{key.text} {'DESC' if key.descending else 'ASC'}" for key in query.order_by)
    conditions = [query.where_text or "true", FILTER_PLACEHOLDER]
    if query.value is not None:  # a row without a payload is none
        conditions.append(f"IS_DEFINED({query.value.text})")
    where = " AND ".join(f"({condition})" for condition in conditions)
    selection = f"{query.alias}._rid, [{items}] AS orderByItems, {_payload(query)} AS payload"
    return f"SELECT {selection} FROM {query.source_text} WHERE {where} ORDER BY {keys}"  # noqa: S608  the client's own


def _partial(column: Column) -> str:
    """Write what the client needs of one partition: an average needs its sum and count, a least value its count.

    A client takes `item2` before `item`: with no value to compare, `item` is missing and says nothing.
    """
    match column.expression:
        case Aggregate("AVG", _, text):
            return f'{{"item": {{"sum": SUM({text}), "count": COUNT({text})}}}}'
        case Aggregate("MIN" | "MAX" as name, _, text):
            figure = f"{name}({text})"
            return f'{{"item": {figure}, "item2": {{"{name.lower()}": {figure}, "count": COUNT({text})}}}}'
        case Aggregate(name, _, text):
            return f'{{"item": {name}({text})}}'
        case _:
            return column.text


def _payload(query: Query) -> str:
    if query.value is not None:
        return query.value.text
    return _object(query.columns) if query.columns else query.alias


def _object(columns: tuple[Column, ...]) -> str:
    pairs = (f"{values.render(column.name).decode()}: {_partial(column)}" for column in columns)
    return "{" + ", ".join(pairs) + "}"


def _select(selection: str, query: Query) -> str:
    where = f" WHERE {query.where_text}" if query.where_text else ""
    return f"SELECT {selection} FROM {query.source_text}{where}"  # noqa: S608  the client's own
