"""Queries answer as the service does, or say that they cannot."""

from typing import Any

import pytest
from azure.cosmos import ContainerProxy
from azure.cosmos.exceptions import CosmosHttpResponseError

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


def test_cross_partition_aggregate_needs_a_plan_that_is_refused(filled: ContainerProxy) -> None:
    """The SDK asks for a plan after 1004, and learns that there is none."""
    with pytest.raises(CosmosHttpResponseError, match="query plan"):
        list(filled.query_items("SELECT VALUE COUNT(1) FROM c", enable_cross_partition_query=True))


def test_syntax_error_reaches_the_client(filled: ContainerProxy) -> None:
    """A construct that is not understood is 400 with its position."""
    with pytest.raises(CosmosHttpResponseError, match="SC1001") as refusal:
        list(filled.query_items("SELECT * FROM c ORDER BY c.id", partition_key="pk-1"))

    assert refusal.value.status_code == 400


def test_invalid_continuation_is_refused(filled: ContainerProxy) -> None:
    """A position that means nothing does not begin again silently."""
    with pytest.raises(CosmosHttpResponseError, match="The continuation 'nonsense' is invalid") as refusal:
        list(filled.read_all_items().by_page("nonsense"))

    assert refusal.value.status_code == 400
