"""Queries answer as the service does, or say that they cannot."""

import time
from typing import Any

import pytest
from azure.cosmos import ContainerProxy
from azure.cosmos.exceptions import CosmosHttpResponseError

from local.cosmos import CosmosServer
from tests.local.cosmos.conftest import SettableClock

COUNT = "SELECT VALUE COUNT(1) FROM c WHERE c._ts >= @a AND c._ts < @b"


def window(low: int, high: int) -> list[dict[str, Any]]:
    """Write the parameters of a window of time."""
    return [{"name": "@a", "value": low}, {"name": "@b", "value": high}]


def test_counts_of_feed_ranges_sum_to_the_total(container: ContainerProxy, clock: SettableClock) -> None:
    """A window of time is counted per feed range."""
    for number in range(40):
        clock.now = 1_700_000_000 + number
        container.create_item({"id": f"id-{number}", "pk": f"pk-{number}"})
    parameters = window(1_700_000_010, 1_700_000_030)

    counts = [
        next(iter(container.query_items(COUNT, parameters=parameters, feed_range=feed_range)))
        for feed_range in container.read_feed_ranges()
    ]

    assert len(counts) == 3
    assert sum(counts) == 20


def test_partition_key_is_counted_alone(filled: ContainerProxy) -> None:
    """One logical partition needs no feed range."""
    assert list(filled.query_items(COUNT, parameters=window(0, 2**40), partition_key="pk-3")) == [2]


@pytest.mark.parametrize(("name", "expected"), [("SUM", [26]), ("MIN", [3]), ("MAX", [23]), ("COUNT", [2])])
def test_aggregate_over_a_partition_key(filled: ContainerProxy, name: str, expected: list[int]) -> None:
    """The four figures are computed by the server."""
    assert list(filled.query_items(f"SELECT VALUE {name}(c.number) FROM c", partition_key="pk-3")) == expected


def test_sum_of_nothing_is_no_row(filled: ContainerProxy) -> None:
    """COUNT of nothing is zero; SUM of nothing is undefined."""
    assert list(filled.query_items("SELECT VALUE SUM(c.none) FROM c", partition_key="pk-3")) == []
    assert list(filled.query_items("SELECT VALUE COUNT(c.none) FROM c", partition_key="pk-3")) == [0]


@pytest.mark.parametrize("size", [1, 3, 40, None])
def test_all_documents_are_read_in_pages(filled: ContainerProxy, size: int | None) -> None:
    """Whatever the page size, every document comes once."""
    found = [document["id"] for document in filled.read_all_items(max_item_count=size)]

    assert sorted(found) == sorted(f"id-{number}" for number in range(40))


def test_filter_and_projection_cross_partitions(filled: ContainerProxy) -> None:
    """Plain filters need no plan."""
    rows = list(
        filled.query_items(
            "SELECT c.id, c._etag FROM c WHERE c.number >= 10 AND c.number < @high",
            parameters=[{"name": "@high", "value": 20}],
            enable_cross_partition_query=True,
            max_item_count=2,
        )
    )

    assert sorted(row["id"] for row in rows) == sorted(f"id-{number}" for number in range(10, 20))
    assert all(row.keys() == {"id", "_etag"} for row in rows)


def test_paging_is_stable_under_writes(filled: ContainerProxy) -> None:
    """Deleting what was read and adding more moves nothing that is still to come."""
    feed_range = max(filled.read_feed_ranges(), key=lambda each: len(list(read_range(filled, each))))
    expected = [document["id"] for document in read_range(filled, feed_range)]
    iterator = filled.query_items("SELECT * FROM c", feed_range=feed_range, max_item_count=4).by_page()
    first = list(next(iterator))

    for document in first:
        filled.delete_item(document["id"], document["pk"])
    rest = [
        document
        for page in filled.query_items("SELECT * FROM c", feed_range=feed_range, max_item_count=4).by_page(
            iterator.continuation_token
        )
        for document in page
    ]

    assert [document["id"] for document in first + rest] == expected


def read_range(container: ContainerProxy, feed_range: dict[str, Any]) -> Any:
    """Read a feed range's documents."""
    return container.query_items("SELECT * FROM c", feed_range=feed_range)


def test_cross_partition_query_must_be_allowed(filled: ContainerProxy) -> None:
    """Without the option a query over all physical partitions is refused."""
    with pytest.raises(CosmosHttpResponseError, match="Cross partition query is required but disabled"):
        list(filled.query_items("SELECT * FROM c"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT VALUE COUNT(1) FROM c", [40]),
        ("SELECT VALUE SUM(c.number) FROM c", [780]),
        ("SELECT VALUE AVG(c.number) FROM c WHERE c.number < 10", [4.5]),
        ("SELECT VALUE MIN(c.number) FROM c", [0]),
        ("SELECT TOP 1 VALUE MAX(c.number) FROM c", [39]),
        ("SELECT VALUE c.number FROM c WHERE c.number < @five ORDER BY c.number DESC", [4, 3, 2, 1, 0]),
        ("SELECT TOP 3 VALUE c.number FROM c ORDER BY c.pk, c.number", [0, 20, 1]),
        ("SELECT c.number AS n FROM c ORDER BY c.number OFFSET 2 LIMIT 2", [{"n": 2}, {"n": 3}]),
        ("SELECT DISTINCT VALUE c.pk FROM c WHERE c.number % 20 < 2 ORDER BY c.pk", ["pk-0", "pk-1"]),
        ("SELECT DISTINCT c.number % 2 AS odd FROM c ORDER BY c.number OFFSET 1 LIMIT 1", [{"odd": 1}]),
        ("SELECT VALUE c.absent FROM c ORDER BY c.number", []),
    ],
)
@pytest.mark.parametrize("size", [2, None])
def test_rows_of_several_physical_partitions_are_put_together(
    filled: ContainerProxy, text: str, expected: list[Any], size: int | None
) -> None:
    """The SDK asks for a plan after 1004 and follows it."""
    parameters: list[dict[str, Any]] = [{"name": "@five", "value": 5}]

    found = filled.query_items(text, parameters=parameters, enable_cross_partition_query=True, max_item_count=size)

    assert list(found) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT c.pk, COUNT(1) AS n FROM c GROUP BY c.pk", "only supports 'VALUE <AggregateFunc>'"),
        ("SELECT c.pk FROM c GROUP BY c.pk", "Query contained GroupBy, which the calling client does not support"),
        ("SELECT VALUE COUNT(1) + 1 FROM c", "Compositions of aggregates and other expressions are not allowed"),
        ("SELECT COUNT(1) FROM c", "only supports 'VALUE <AggregateFunc>'"),
    ],
)
def test_what_cannot_be_put_together_is_refused(filled: ContainerProxy, text: str, reason: str) -> None:
    """Only one physical partition could answer it, or a client that can do more than this SDK."""
    with pytest.raises(CosmosHttpResponseError, match=reason) as refusal:
        list(filled.query_items(text, enable_cross_partition_query=True))

    assert refusal.value.status_code == 400


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT VALUE c.number FROM c WHERE c.pk = @key", [3, 23]),
        ("SELECT VALUE c.number FROM c WHERE c.number > 1 AND 'pk-3' = c['pk'] ORDER BY c.number DESC", [23, 3]),
        ("SELECT VALUE COUNT(1) FROM c WHERE c.pk = 'pk-3' AND (c.number = 3 OR c.number = 4)", [1]),
    ],
)
def test_condition_may_name_the_partition_key(filled: ContainerProxy, text: str, expected: list[int]) -> None:
    """Such a query is about one logical partition and needs no permission."""
    assert list(filled.query_items(text, parameters=[{"name": "@key", "value": "pk-3"}])) == expected


@pytest.mark.parametrize(
    "condition", ["c.pk = 'a' OR c.pk = 'b'", "NOT (c.pk = 'a')", "c.pk IN ('a')", "c.other.pk = 'a'"]
)
def test_condition_may_name_no_partition_key(filled: ContainerProxy, condition: str) -> None:
    """What does not fix the partition key is a query over all of them."""
    with pytest.raises(CosmosHttpResponseError, match="Cross partition query is required but disabled"):
        list(filled.query_items(f"SELECT * FROM c WHERE {condition}"))


def test_groups_within_a_partition_key(filled: ContainerProxy) -> None:
    """One logical partition is answered by the server alone, on one page."""
    text = "SELECT c.pk, COUNT(1) AS n FROM c GROUP BY c.pk"

    assert list(filled.query_items(text, partition_key="pk-3", max_item_count=1)) == [{"pk": "pk-3", "n": 2}]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM c",
        "SELECT * FROM c ORDER BY c.number DESC",
        "SELECT DISTINCT c.id FROM c",
        "SELECT TOP 9 * FROM c",
    ],
)
def test_pages_within_a_feed_range(filled: ContainerProxy, text: str) -> None:
    """Whatever the page size, the rows are the same."""
    for feed_range in filled.read_feed_ranges():
        whole = list(filled.query_items(text, feed_range=feed_range))
        assert list(filled.query_items(text, feed_range=feed_range, max_item_count=2)) == whole


def test_many_documents_are_read_at_once(filled: ContainerProxy) -> None:
    """Documents of several physical partitions come in the order in which they were asked for."""
    wanted = [(f"id-{number}", f"pk-{number % 20}") for number in (7, 33, 2, 19, 40)]

    found = filled.read_items(wanted)

    assert [document["id"] for document in found] == ["id-7", "id-33", "id-2", "id-19"]


def test_query_costs_more_the_more_it_reads(filled: ContainerProxy) -> None:
    """The charge grows with the work, and metrics come when asked for."""

    def headers_of(text: str, **options: Any) -> dict[str, str]:
        list(filled.query_items(text, partition_key="pk-3", **options))
        return dict(filled.client_connection.last_response_headers)

    small = headers_of("SELECT * FROM c WHERE c.number = 3")
    large = headers_of("SELECT * FROM c", populate_query_metrics=True)

    assert float(small["x-ms-request-charge"]) < float(large["x-ms-request-charge"])
    assert "x-ms-documentdb-query-metrics" not in small
    assert "retrievedDocumentCount=2;" in large["x-ms-documentdb-query-metrics"]
    assert large["x-ms-item-count"] == "2"


def test_continuation_survives_splits(filled: ContainerProxy) -> None:
    """Children go on where their parent stood."""
    options: dict[str, Any] = {"enable_cross_partition_query": True, "max_item_count": 3}
    pages = filled.query_items("SELECT * FROM c", **options).by_page()
    found = [document["id"] for document in next(pages)]
    token = pages.continuation_token

    filled.replace_throughput(60_000)
    for page in filled.query_items("SELECT * FROM c", **options).by_page(token):
        found += [document["id"] for document in page]

    assert sorted(found) == sorted(f"id-{number}" for number in range(40))


def test_syntax_error_reaches_the_client(filled: ContainerProxy) -> None:
    """A construct that is not understood is 400 with its position."""
    with pytest.raises(CosmosHttpResponseError, match="SC1001") as refusal:
        list(filled.query_items("SELECT * FROM c WHERE", partition_key="pk-1"))

    assert refusal.value.status_code == 400


def test_large_join_is_refused_within_seconds(filled: ContainerProxy) -> None:
    """It says that this server does not imitate it, and does not keep the others waiting."""
    filled.create_item({"id": "large", "pk": "large", "list": list(range(300))})
    text = "SELECT VALUE COUNT(1) FROM c JOIN a IN c.list JOIN b IN c.list JOIN d IN c.list"
    begun = time.monotonic()

    with pytest.raises(CosmosHttpResponseError, match="rows of JOIN is not imitated by this server") as refusal:
        list(filled.query_items(text, partition_key="large"))

    assert refusal.value.status_code == 400
    assert time.monotonic() - begun < 20


def test_what_is_not_imitated_is_said_at_once(filled: ContainerProxy, server: CosmosServer) -> None:
    """The SDK does not try again."""
    server.controls.counters.reset()

    with pytest.raises(CosmosHttpResponseError, match="A subquery is not imitated by this server"):
        list(filled.query_items("SELECT (SELECT VALUE 1) AS a FROM c", partition_key="pk-1"))

    assert server.controls.counters["query_documents"].requests == 1


def test_endless_continuation_is_refused(filled: ContainerProxy) -> None:
    """A number that cannot be read breaks nothing."""
    pages = filled.query_items("SELECT * FROM c", partition_key="pk-3", max_item_count=1).by_page()
    next(pages)
    token = str(pages.continuation_token).replace("#TRC:1#", f"#TRC:{'1' * 5000}#")

    with pytest.raises(CosmosHttpResponseError, match="is invalid") as refusal:
        list(filled.query_items("SELECT * FROM c", partition_key="pk-3", max_item_count=1).by_page(token))

    assert refusal.value.status_code == 400


def test_invalid_continuation_is_refused(filled: ContainerProxy) -> None:
    """A position that means nothing does not begin again silently."""
    with pytest.raises(CosmosHttpResponseError, match="The continuation 'nonsense' is invalid") as refusal:
        list(filled.read_all_items().by_page("nonsense"))

    assert refusal.value.status_code == 400
