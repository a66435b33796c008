"""Plan a query over several physical partitions: what each is asked, and how the client puts it together."""

from local.cosmos import epk, errors, values
from local.cosmos.query import lexer
from local.cosmos.query.rows import Statement
from local.cosmos.query.tree import Aggregate, Query

AGGREGATE_NAMES = {"AVG": "Average", "COUNT": "Count", "MAX": "Max", "MIN": "Min", "SUM": "Sum"}
# Every client replaces it by its own condition; the SDK always by true.
FILTER_PLACEHOLDER = "{documentdb-formattableorderbyquery-filter}"


def needed(query: Query) -> bool:
    """Tell whether rows of several physical partitions cannot simply be joined."""
    windowed = query.top is not None or query.offset is not None
    return bool(query.grouped or query.order_by or query.distinct or windowed)


def plan(statement: Statement) -> values.JsonObject:
    """Describe how a query is executed over physical partitions."""
    query = statement.query
    if query.group_by:
        raise errors.bad_request("Query contains the feature GroupBy, which the calling client does not support.")
    order = () if query.grouped else query.order_by  # one figure has no order
    return {
        "partitionedQueryExecutionInfoVersion": 2,
        "queryInfo": {
            "distinctType": _distinct_type(query),
            "top": statement.limit if query.top is not None else None,
            "offset": statement.offset,
            "limit": statement.limit if query.offset is not None else None,
            "orderBy": ["Descending" if key.descending else "Ascending" for key in order],
            "orderByExpressions": [key.text for key in order],
            "groupByExpressions": [],
            "groupByAliases": [],
            "aggregates": [AGGREGATE_NAMES[aggregate.name] for aggregate in query.aggregates],
            "groupByAliasToAggregateType": {},
            "rewrittenQuery": _rewrite(query),
            "hasSelectValue": query.value is not None,
            "hasNonStreamingOrderBy": False,
        },
        "queryRanges": [{"min": epk.LOWEST, "max": epk.HIGHEST, "isMinInclusive": True, "isMaxInclusive": False}],
    }


def _distinct_type(query: Query) -> str:
    if not query.distinct:
        return "None"
    # Equal rows are neighbours only when nothing else is selected than what sorts them.
    sorted_by = {key.text for key in query.order_by}
    ordered = query.selected and all(column.text in sorted_by for column in query.selected)
    return "Ordered" if ordered else "Unordered"


def _rewrite(query: Query) -> str:
    if query.grouped:
        return _rewrite_aggregate(query)
    if query.order_by:
        return _rewrite_order(query)
    return _select("DISTINCT " * query.distinct + _selection(query), query)


def _rewrite_aggregate(query: Query) -> str:
    if query.value is None:
        return ""  # the client refuses it by itself
    aggregate = query.value.expression
    if not isinstance(aggregate, Aggregate):
        first = query.aggregates[0].token
        message = "Across physical partitions an aggregate must stand alone after VALUE."
        raise lexer.syntax_error(first.text, first.start, first.end, code="SC2104", message=message)
    item = f"{aggregate.name}({aggregate.text})"
    if aggregate.name == "AVG":
        item = f'{{"sum": SUM({aggregate.text}), "count": COUNT({aggregate.text})}}'
    return _select(f'VALUE [{{"item": {item}}}]', query)


def _rewrite_order(query: Query) -> str:
    items = ", ".join(f'{{"item": {key.text}}}' for key in query.order_by)
    keys = ", ".join(f"{key.text} {'DESC' if key.descending else 'ASC'}" for key in query.order_by)
    conditions = [query.where_text or "true", FILTER_PLACEHOLDER]
    if query.value is not None:  # a row without a payload is none
        conditions.append(f"IS_DEFINED({query.value.text})")
    where = " AND ".join(f"({condition})" for condition in conditions)
    selection = f"{query.alias}._rid, [{items}] AS orderByItems, {_payload(query)} AS payload"
    return f"SELECT {selection} FROM {query.source_text} WHERE {where} ORDER BY {keys}"  # noqa: S608  the client's own


def _payload(query: Query) -> str:
    if query.value is not None:
        return query.value.text
    if query.columns:
        return (
            "{" + ", ".join(f"{values.render(column.name).decode()}: {column.text}" for column in query.columns) + "}"
        )
    return query.alias


def _selection(query: Query) -> str:
    return f"VALUE {_payload(query)}" if query.selected else "*"


def _select(selection: str, query: Query) -> str:
    where = f" WHERE {query.where_text}" if query.where_text else ""
    return f"SELECT {selection} FROM {query.source_text}{where}"  # noqa: S608  the client's own
