"""A plan says what each physical partition is asked and how the client puts the answers together."""

import json
from typing import Any

import pytest

from local.cosmos.errors import CosmosError
from local.cosmos.query import parser, planning
from local.cosmos.query.rows import Statement

EVERY_FEATURE = frozenset(
    {"Aggregate", "Distinct", "GroupBy", "MultipleAggregates", "MultipleOrderBy", "NonValueAggregate"}
    | {"OffsetAndLimit", "OrderBy", "Top"}
)


def plan(text: str, features: frozenset[str] = EVERY_FEATURE) -> dict[str, Any]:
    """Plan a query."""
    info: dict[str, Any] = planning.plan(Statement(parser.parse(text), {}), features)["queryInfo"]
    return info


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("SELECT VALUE COUNT(1) FROM c", 'SELECT VALUE [{"item": COUNT(1)}] FROM c'),
        (
            "SELECT VALUE AVG(c.n) FROM c WHERE c.n > 1",
            'SELECT VALUE [{"item": {"sum": SUM(c.n), "count": COUNT(c.n)}}] FROM c WHERE c.n > 1',
        ),
        (
            "SELECT VALUE MIN(c.n) FROM c",
            'SELECT VALUE [{"item": MIN(c.n), "item2": {"min": MIN(c.n), "count": COUNT(c.n)}}] FROM c',
        ),
        (
            "SELECT TOP 1 VALUE MAX(c.n) FROM c",
            'SELECT VALUE [{"item": MAX(c.n), "item2": {"max": MAX(c.n), "count": COUNT(c.n)}}] FROM c',
        ),
        ("SELECT COUNT(1) FROM c", 'SELECT {"$1": {"item": COUNT(1)}} AS payload FROM c'),
        (
            "SELECT c.id FROM c GROUP BY c.id",
            'SELECT [{"item": c.id}] AS groupByItems, {"id": c.id} AS payload FROM c GROUP BY c.id',
        ),
        (
            "SELECT VALUE c.id FROM c GROUP BY c.id",
            'SELECT [{"item": c.id}] AS groupByItems, c.id AS payload FROM c GROUP BY c.id',
        ),
        (
            "SELECT VALUE SUM(c.n) FROM c GROUP BY c.a",
            'SELECT [{"item": c.a}] AS groupByItems, [{"item": SUM(c.n)}] AS payload FROM c GROUP BY c.a',
        ),
    ],
)
def test_physical_partitions_are_asked_for_partial_results(text: str, rewritten: str) -> None:
    """What the client cannot compute from the parts' own figures, each part sends in pieces."""
    assert plan(text)["rewrittenQuery"] == rewritten
    parser.parse(rewritten)


def test_groups_are_described_by_alias() -> None:
    """The client aggregates each column on its own."""
    info = plan("SELECT c.kind, COUNT(1) AS n, MAX(c.x) FROM c WHERE c.x > 1 GROUP BY c.kind")

    assert info["groupByExpressions"] == ["c.kind"]
    assert info["groupByAliases"] == ["kind", "n", "$3"]
    assert info["groupByAliasToAggregateType"] == {"kind": None, "n": "Count", "$3": "Max"}
    assert info["aggregates"] == []
    assert info["rewrittenQuery"] == (
        'SELECT [{"item": c.kind}] AS groupByItems, {"kind": c.kind, "n": {"item": COUNT(1)}, "$3": '
        '{"item": MAX(c.x), "item2": {"max": MAX(c.x), "count": COUNT(c.x)}}} AS payload '
        "FROM c WHERE c.x > 1 GROUP BY c.kind"
    )


def test_client_without_a_feature_is_told_which() -> None:
    """The Python SDK cannot group; the words are the service's."""
    with pytest.raises(CosmosError, match="Query contained GroupBy, which the calling client") as refusal:
        plan("SELECT TOP 2 VALUE c.x FROM c GROUP BY c.x", frozenset({"Aggregate", "Top"}))

    assert refusal.value.status == 400
    assert "Top," not in refusal.value.message


@pytest.mark.parametrize("text", ["SELECT VALUE COUNT(1) + 1 FROM c", "SELECT {'n': COUNT(1)} AS x FROM c"])
def test_compositions_of_aggregates_have_no_plan(text: str) -> None:
    """The service's planner refuses them, too."""
    with pytest.raises(CosmosError, match="Compositions of aggregates and other expressions are not allowed"):
        plan(text)


def test_refusal_holds_the_plan() -> None:
    """The JavaScript SDK goes on only when the refusal has it."""
    refused = planning.refuse(Statement(parser.parse("SELECT TOP 3 * FROM c ORDER BY c.x"), {}))
    body = json.loads(refused.body())

    assert (refused.status, refused.substatus, body["code"]) == (400, 1004, "BadRequest")
    assert "can not be directly served by the gateway" in body["message"]
    described = json.loads(body["additionalErrorInfo"])
    assert described["partitionedQueryExecutionInfoVersion"] == 2
    assert described["queryInfo"]["top"] == 3
    assert described["queryInfo"]["orderBy"] == ["Ascending"]


def test_aggregates_without_value_are_refused_in_other_words() -> None:
    """There is no plan in this refusal; clients that can aggregate columns know the words and ask for one."""
    refused = planning.refuse(Statement(parser.parse("SELECT c.x, COUNT(1) AS n FROM c GROUP BY c.x"), {}))

    assert (refused.status, refused.substatus) == (400, 0)
    assert "Cross partition query only supports 'VALUE <AggregateFunc>' for aggregates" in refused.message
    assert b"additionalErrorInfo" not in refused.body()
