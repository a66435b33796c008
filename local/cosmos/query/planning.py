"""Plan a query over several physical partitions: what each is asked, and how the client puts it together."""

import json

from local.cosmos import epk, errors, values
from local.cosmos.errors import CosmosError
from local.cosmos.query import rewriting
from local.cosmos.query.rows import Statement
from local.cosmos.query.tree import Aggregate, Column, Query, parts

AGGREGATE_NAMES = {"AVG": "Average", "COUNT": "Count", "MAX": "Max", "MIN": "Min", "SUM": "Sum"}


class PlanNeededError(CosmosError):
    """Refuse a query that the client must put together; the body holds the plan, as JSON text."""

    def __init__(self, described: values.JsonObject) -> None:
        super().__init__(
            400,
            "The provided cross partition query can not be directly served by the gateway. This is a first chance "
            "(internal) exception that all newer clients will know how to handle gracefully.",
            substatus=errors.CROSS_PARTITION_QUERY_NOT_SERVABLE,
        )
        self.described = described

    def body(self) -> bytes:
        """Write the error body that the service would send."""
        plan_text = values.render(self.described).decode()
        return json.dumps({"code": "BadRequest", "message": self.message, "additionalErrorInfo": plan_text}).encode()


def needed(query: Query) -> bool:
    """Tell whether rows of several physical partitions cannot simply be joined."""
    windowed = query.top is not None or query.offset is not None
    return bool(query.grouped or query.order_by or query.distinct or windowed)


def refuse(statement: Statement) -> CosmosError:
    """Say why a query over several physical partitions is not answered as it is."""
    query = statement.query
    if query.aggregates and query.value is None:
        # Clients that can do more ask for a plan after these words.
        return errors.bad_request("Cross partition query only supports 'VALUE <AggregateFunc>' for aggregates.")
    return PlanNeededError(describe(statement))


def plan(statement: Statement, features: frozenset[str]) -> values.JsonObject:
    """Describe how a client with these features executes a query."""
    described = describe(statement)
    missing = [name for name in _features(statement.query) if name not in features]
    if missing:
        lines = [f"Query contained {name}, which the calling client does not support." for name in missing]
        intro = "Query contains 1 or more unsupported features. Upgrade your SDK to a version that does support the "
        raise errors.bad_request("\r\n".join([f"{intro}requested features:", *lines]))
    return described


def describe(statement: Statement) -> values.JsonObject:
    """Describe how a query is executed over physical partitions."""
    query = statement.query
    for column in query.selected:
        _check_composition(column)
    order = () if query.grouped else query.order_by  # one figure has no order
    listed = query.columns if query.grouped else ()
    return {
        "partitionedQueryExecutionInfoVersion": 2,
        "queryInfo": {
            "distinctType": _distinct_type(query),
            "top": statement.limit if query.top is not None else None,
            "offset": statement.offset,
            "limit": statement.limit if query.offset is not None else None,
            "orderBy": ["Descending" if key.descending else "Ascending" for key in order],
            "orderByExpressions": [key.text for key in order],
            "groupByExpressions": list(query.group_texts),
            "groupByAliases": [column.name for column in listed],
            "aggregates": [AGGREGATE_NAMES[each.name] for each in query.aggregates] if query.value else [],
            "groupByAliasToAggregateType": {column.name: _aggregate_name(column) for column in listed},
            "rewrittenQuery": rewriting.rewrite(query),
            "hasSelectValue": query.value is not None,
            "dCountInfo": None,
            "hasNonStreamingOrderBy": False,
        },
        "queryRanges": [{"min": epk.LOWEST, "max": epk.HIGHEST, "isMinInclusive": True, "isMaxInclusive": False}],
    }


def _features(query: Query) -> list[str]:
    """List what a client must be able to do, as Microsoft's own planner names it."""
    several = len(query.aggregates) > 1
    found = {
        "Aggregate": query.aggregates and query.value is not None,
        "Distinct": query.distinct,
        "GroupBy": query.group_by,
        "MultipleAggregates": several,
        "MultipleOrderBy": len(query.order_by) > 1,
        "OffsetAndLimit": query.offset is not None,
        "OrderBy": len(query.order_by) == 1,
        "Top": query.top is not None,
        "NonValueAggregate": query.aggregates and query.value is None,
    }
    return [name for name, wanted in found.items() if wanted]


def _distinct_type(query: Query) -> str:
    if not query.distinct:
        return "None"
    # Equal rows are neighbours only when nothing else is selected than what sorts them.
    sorted_by = {key.text for key in query.order_by}
    ordered = query.selected and all(column.text in sorted_by for column in query.selected)
    return "Ordered" if ordered else "Unordered"


def _aggregate_name(column: Column) -> str | None:
    return AGGREGATE_NAMES[column.expression.name] if isinstance(column.expression, Aggregate) else None


def _check_composition(column: Column) -> None:
    waiting = [] if isinstance(column.expression, Aggregate) else list(parts(column.expression))
    while waiting:
        expression = waiting.pop()
        if isinstance(expression, Aggregate):
            reason = "Compositions of aggregates and other expressions are not allowed."
            raise errors.bad_request(f"Message: {json.dumps({'Errors': [reason]})}")
        waiting.extend(parts(expression))
