"""Two neighbouring physical partitions merge and the SDK follows."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from azure.cosmos import ContainerProxy, CosmosClient, DatabaseProxy, PartitionKey

from local.cosmos import CosmosServer, auth
from local.patience import PATIENCE_SECONDS
from tests.local.cosmos.test_change_feed import DATE, get
from tests.local.cosmos.test_controls import admin
from tests.local.cosmos.test_splits import ranges

Merge = Callable[[str], str]
Changes = list[dict[str, Any]]


@pytest.fixture
def merge(server: CosmosServer, database: DatabaseProxy) -> Merge:
    """Merge a physical partition of the container with the next one."""
    return lambda range_id: server.controls.merge(database.id, "things", range_id)


def read(container: ContainerProxy, **options: Any) -> tuple[Changes, str]:
    """Read a change feed to its end; tell what came, and the continuation."""
    changes = list(container.query_items_change_feed(**options))
    return changes, str(container.client_connection.last_response_headers["etag"])


def test_one_range_takes_the_place_of_two(server: CosmosServer, filled: ContainerProxy, merge: Merge) -> None:
    """It names both and their ancestors, as one with a new id; what knows the rest is told of it alone."""
    before = {document["id"] for document in filled.read_all_items()}
    etag = ranges(server, filled).headers["etag"]

    assert merge("1") == "3"
    assert merge("0") == "4"

    [new] = ranges(server, filled, etag).json()["PartitionKeyRanges"]
    assert (new["id"], new["parents"]) == ("4", ["0", "1", "2", "3"])
    assert (new["minInclusive"], new["maxExclusive"]) == ("", "FF")
    assert {document["id"] for document in filled.read_all_items()} == before
    assert filled.read_item("id-7", "pk-7")["number"] == 7


@pytest.mark.parametrize("range_id", ["0", "1"])
def test_parents_are_gone(server: CosmosServer, filled: ContainerProxy, merge: Merge, range_id: str) -> None:
    """Requests for either are answered 410 with the sub-status that makes clients read the ranges again."""
    merge("0")

    answer = get(server, filled, **{"x-ms-documentdb-partitionkeyrangeid": range_id})

    assert (answer.status_code, answer.headers["x-ms-substatus"]) == (410, "1002")


def test_part_of_the_merged_range_is_read_from_its_parents_position(
    server: CosmosServer, filled: ContainerProxy, merge: Merge
) -> None:
    """On the wire: the parent's etag and its borders yield what its reader has not seen, in order."""
    parents = ranges(server, filled).json()["PartitionKeyRanges"][:2]

    def page(range_id: str, parent: dict[str, Any], etag: str | None = None) -> requests.Response:
        part = {"x-ms-start-epk": parent["minInclusive"], "x-ms-end-epk": parent["maxExclusive"]}
        headers = {"x-ms-documentdb-partitionkeyrangeid": range_id, "x-ms-max-item-count": "4", **part}
        return get(server, filled, **headers, **({"If-None-Match": etag} if etag else {}))

    first = [page(parent["id"], parent) for parent in parents]
    whole = [list(read_pages(lambda etag, parent=parent: page(parent["id"], parent, etag))) for parent in parents]
    merged = merge("0")

    for parent, begun, expected in zip(parents, first, whole, strict=True):
        rest = read_pages(lambda etag, parent=parent: page(merged, parent, etag), begun.headers["etag"])
        assert begun.json()["Documents"] + list(rest) == expected


def read_pages(page: Callable[[str | None], requests.Response], etag: str | None = None) -> Iterator[dict[str, Any]]:
    """Read pages until nothing is new."""
    while (answer := page(etag)).status_code == 200:
        yield from answer.json()["Documents"]
        etag = answer.headers["etag"]


def test_change_feed_goes_on_in_the_middle_of_a_page(filled: ContainerProxy, merge: Merge) -> None:
    """A reader of the whole container loses nothing and sees nothing twice, whatever merges, splits and is written."""
    feed = filled.query_items_change_feed(start_time="Beginning", max_item_count=3).by_page()
    seen = [change["id"] for change in itertools.chain(next(feed), next(feed))]
    merge("0")
    seen += [change["id"] for change in next(feed)]
    merge("3")
    for number in range(40, 60):
        filled.create_item({"id": f"id-{number}", "pk": f"pk-{number % 20}"})

    for page in feed:
        seen += [change["id"] for change in page]

    assert sorted(seen) == sorted(f"id-{number}" for number in range(60))


def test_continuations_of_the_parents_are_honoured_by_another_client(
    server: CosmosServer, database: DatabaseProxy, filled: ContainerProxy, merge: Merge
) -> None:
    """Each goes on in its own part, however far apart the parents' positions were."""
    feed_ranges = list(filled.read_feed_ranges())
    before = [read(filled, feed_range=each, start_time="Beginning") for each in feed_ranges]
    busy = next(change["pk"] for change in before[0][0])
    for number in range(30):
        filled.create_item({"id": f"more-{number}", "pk": busy})
    merge("0")
    for number in range(40, 80):
        filled.create_item({"id": f"id-{number}", "pk": f"pk-{number % 20}"})

    after: list[Changes] = []
    with CosmosClient.from_connection_string(server.connection_string) as other:
        container = other.get_database_client(database.id).get_container_client("things")
        after.extend(read(container, continuation=continuation)[0] for _, continuation in before)

    new = [f"more-{number}" for number in range(30)] + [f"id-{number}" for number in range(40, 80)]
    assert sorted(change["id"] for changes in after for change in changes) == sorted(new)
    for (old, _), changes in zip(before, after, strict=True):
        assert {change["pk"] for change in changes} <= {change["pk"] for change in old}


def test_feed_ranges_smaller_and_larger_than_the_merged_one_are_read(
    server: CosmosServer, database: DatabaseProxy, filled: ContainerProxy, merge: Merge
) -> None:
    """The parents' ranges are parts of it, and a range over several physical partitions includes it."""
    smaller = list(filled.read_feed_ranges())
    merge("1")
    physical = list(filled.read_feed_ranges(force_refresh=True))
    server.controls.split(database.id, "things", "3")

    for feed_ranges in (smaller, physical, list(filled.read_feed_ranges(force_refresh=True))):
        found = [read(filled, feed_range=each, start_time="Beginning")[0] for each in feed_ranges]
        assert sorted(change["id"] for changes in found for change in changes) == sorted(
            f"id-{number}" for number in range(40)
        )
        counts = [sum(filled.query_items("SELECT VALUE COUNT(1) FROM c", feed_range=each)) for each in feed_ranges]
        assert (sum(counts), counts) == (40, [len(changes) for changes in found])
    assert [len(smaller), len(physical)] == [3, 2]


def test_pages_of_a_query_go_on(filled: ContainerProxy, merge: Merge) -> None:
    """A query over all physical partitions that is in the first, or in the second of those that merge."""
    for parents, pages in (("0", 2), ("3", 4)):
        query = filled.query_items("SELECT * FROM c", enable_cross_partition_query=True, max_item_count=5)
        paged = query.by_page()
        rows = [row["id"] for _ in range(pages) for row in next(paged)]
        merge(parents)

        rows += [row["id"] for page in paged for row in page]

        assert sorted(rows) == sorted(f"id-{number}" for number in range(40))


def test_transactions_of_both_parents_stay_whole(container: ContainerProxy, merge: Merge) -> None:
    """They have used the same LSNs, and pages neither cut nor lose what shares one; later writes come after both."""
    keys = [f"pk-{number}" for number in range(20)]
    for key in keys:
        container.execute_item_batch([("create", ({"id": f"id-{step}", "pk": key},)) for step in range(100)], key)
    merge("0")
    merge("3")
    container.upsert_item({"id": "id-0", "pk": "pk-0"})
    container.delete_item("id-99", "pk-19")

    changes, _ = read(container, start_time="Beginning", max_item_count=7)

    assert len({(change["pk"], change["id"]) for change in changes}) == len(changes) == 20 * 100 - 1
    assert (changes[-1]["pk"], changes[-1]["id"]) == ("pk-0", "id-0")
    assert [change["_lsn"] for change in changes] == sorted(change["_lsn"] for change in changes)


def test_all_versions_go_on(database: DatabaseProxy, server: CosmosServer) -> None:
    """What was written and deleted before the merge, and after it, comes once to a reader from before."""
    policy = {"retentionDuration": 10}
    container = database.create_container("versioned", PartitionKey(path="/pk"), change_feed_policy=policy)
    mode = {"mode": "AllVersionsAndDeletes"}
    positions = [read(container, feed_range=each, **mode)[1] for each in container.read_feed_ranges()]
    for number in range(20):
        container.create_item({"id": "a", "pk": f"pk-{number}"})
        container.delete_item("a", f"pk-{number}")

    server.controls.merge(database.id, "versioned", "0")
    server.controls.merge(database.id, "versioned", "3")
    container.create_item({"id": "a", "pk": "pk-0"})

    read_on = [read(container, continuation=position, max_item_count=3, **mode)[0] for position in positions]
    kinds = [change["metadata"]["operationType"] for changes in read_on for change in changes]
    assert sorted(kinds) == ["create"] * 21 + ["delete"] * 20
    assert all(read_on)


def keep_all_versions(server: CosmosServer, container: ContainerProxy) -> None:
    """Replace the container by itself with a policy, which the SDK cannot do."""
    link = container.container_link
    signature = auth.signature(server.key, f"put\ncolls\n{link}\n{DATE.lower()}\n\n")
    headers = {"x-ms-date": DATE, "authorization": f"type=master&ver=1.0&sig={signature}"}
    body = container.read() | {"changeFeedPolicy": {"retentionDuration": 10}}
    answer = requests.put(f"{server.endpoint}{link}", json=body, headers=headers, timeout=PATIENCE_SECONDS)
    assert answer.status_code == 200


def test_history_of_one_parent_begins_where_it_did(database: DatabaseProxy, server: CosmosServer) -> None:
    """A container that keeps all versions since a moment keeps them since then, in each part on its own."""
    container = database.create_container("late", PartitionKey(path="/pk"))
    for number in range(20):
        container.create_item({"id": "a", "pk": f"pk-{number}"})
    for number in range(50):
        container.upsert_item({"id": "b", "pk": "pk-0", "number": number})
    keep_all_versions(server, container)
    mode = {"mode": "AllVersionsAndDeletes"}
    positions = [read(container, feed_range=each, **mode)[1] for each in container.read_feed_ranges()]

    server.controls.merge(database.id, "late", "0")
    server.controls.merge(database.id, "late", "3")

    assert [read(container, continuation=position, **mode)[0] for position in positions] == [[], [], []]


def test_merge_is_reached_over_http(server: CosmosServer, database: DatabaseProxy, filled: ContainerProxy) -> None:
    """The last physical partition has none to merge with."""
    names = {"database": database.id, "container": "things"}

    assert admin(server, "POST", "merge", **names, range_id="1") == (200, {"merged": "3"})
    assert admin(server, "POST", "merge", **names, range_id="3")[0] == 400
    assert admin(server, "POST", "merge", **names, range_id="1")[0] == 410
