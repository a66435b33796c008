"""A physical partition splits and the SDK follows."""

from typing import Any

import pytest
import requests
from azure.cosmos import ContainerProxy, CosmosClient, DatabaseProxy, PartitionKey
from azure.cosmos.exceptions import CosmosHttpResponseError

from local.cosmos import CosmosServer, auth
from local.patience import PATIENCE_SECONDS

DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


def ranges(server: CosmosServer, container: ContainerProxy, etag: str | None = None) -> requests.Response:
    """Read the physical partitions as the SDK does."""
    link = container.container_link
    signature = auth.signature(server.key, f"get\npkranges\n{link}\n{DATE.lower()}\n\n")
    headers = {"x-ms-date": DATE, "authorization": f"type=master&ver=1.0&sig={signature}"}
    headers |= {"If-None-Match": etag} if etag else {}
    return requests.get(f"{server.endpoint}{link}/pkranges/", headers=headers, timeout=PATIENCE_SECONDS)


def split(server: CosmosServer, database: DatabaseProxy, range_id: str, **arguments: Any) -> list[str]:
    """Split a physical partition of the container."""
    return server.controls.split(database.id, "things", range_id, **arguments)


def test_children_replace_their_parent(server: CosmosServer, database: DatabaseProxy, filled: ContainerProxy) -> None:
    """They share its range and name it; every document is still found."""
    before = {document["id"] for document in filled.read_all_items()}
    assert split(server, database, "1") == ["3", "4"]
    assert split(server, database, "4") == ["5", "6"]

    found = {item["id"]: item for item in ranges(server, filled).json()["PartitionKeyRanges"]}

    assert list(found) == ["0", "3", "5", "6", "2"]
    assert (found["3"]["parents"], found["6"]["parents"]) == (["1"], ["1", "4"])
    edges = [(item["minInclusive"], item["maxExclusive"]) for item in found.values()]
    assert [high for _, high in edges[:-1]] == [low for low, _ in edges[1:]]
    assert {document["id"] for document in filled.read_all_items()} == before
    assert filled.read_item("id-7", "pk-7")["number"] == 7


def test_only_new_children_are_sent_to_those_who_know_the_rest(
    server: CosmosServer, database: DatabaseProxy, filled: ContainerProxy
) -> None:
    """The etag says what a client knows; nothing new is 304."""
    known = ranges(server, filled).headers["etag"]
    split(server, database, "0")

    answer = ranges(server, filled, known)

    assert [item["id"] for item in answer.json()["PartitionKeyRanges"]] == ["3", "4"]
    assert ranges(server, filled, answer.headers["etag"]).status_code == 304


def test_parent_is_gone(server: CosmosServer, database: DatabaseProxy, filled: ContainerProxy) -> None:
    """A request for it is answered 410 with the sub-status that makes clients read the ranges again."""
    split(server, database, "0")
    link = filled.container_link
    signature = auth.signature(server.key, f"get\ndocs\n{link}\n{DATE.lower()}\n\n")
    headers = {
        "x-ms-date": DATE,
        "authorization": f"type=master&ver=1.0&sig={signature}",
        "A-IM": "Incremental Feed",
        "x-ms-documentdb-partitionkeyrangeid": "0",
    }

    answer = requests.get(f"{server.endpoint}{link}/docs/", headers=headers, timeout=PATIENCE_SECONDS)

    assert (answer.status_code, answer.headers["x-ms-substatus"]) == (410, "1002")


def test_change_feed_goes_on_in_the_children(
    server: CosmosServer, database: DatabaseProxy, filled: ContainerProxy
) -> None:
    """A reader in the middle of a page loses nothing and sees nothing twice."""
    feed = filled.query_items_change_feed(start_time="Beginning", max_item_count=3).by_page()
    seen = [change["id"] for change in next(feed)]

    for range_id in ("0", "1", "2"):
        split(server, database, range_id)
    for page in feed:
        seen += [change["id"] for change in page]

    assert sorted(seen) == sorted(f"id-{number}" for number in range(40))


def test_continuation_of_the_parent_is_honoured_by_another_client(
    server: CosmosServer, database: DatabaseProxy, filled: ContainerProxy
) -> None:
    """Each child goes on where the parent was read to."""
    feed_range = next(iter(filled.read_feed_ranges()))
    feed = filled.query_items_change_feed(start_time="Beginning", feed_range=feed_range)
    before = [change["id"] for change in feed]
    continuation = filled.client_connection.last_response_headers["etag"]
    split(server, database, "0")
    lsn = max(item["_lsn"] for item in ranges(server, filled).json()["PartitionKeyRanges"] if item["parents"])

    for number in range(40, 80):
        filled.upsert_item({"id": f"id-{number}", "pk": f"pk-{number % 20}"})
    with CosmosClient.from_connection_string(server.connection_string) as other:
        container = other.get_database_client(database.id).get_container_client("things")
        after = list(container.query_items_change_feed(continuation=continuation))

    assert before
    assert {change["pk"] for change in after} == {f"pk-{int(name[3:]) % 20}" for name in before}
    assert all(int(change["id"][3:]) >= 40 for change in after)
    assert all(change["_lsn"] > lsn for change in after)


def test_more_throughput_splits(database: DatabaseProxy) -> None:
    """A physical partition bears ten thousand request units; children take the place of as few as needed."""
    container = database.create_container("paid", PartitionKey(path="/pk"), offer_throughput=11_000)
    assert container.get_throughput().offer_throughput == 11_000
    assert len(list(container.read_feed_ranges())) == 2

    replaced = container.replace_throughput(25_000)

    assert replaced.properties["content"]["isOfferReplacePending"] is True
    current = container.get_throughput()
    assert current.offer_throughput == 25_000
    assert "isOfferReplacePending" not in current.properties["content"]
    assert len(list(container.read_feed_ranges(force_refresh=True))) == 3


def test_throughput_of_the_database_is_shared(client: CosmosClient) -> None:
    """A container without its own has as many physical partitions as the database pays for, by default."""
    database = client.create_database("shared", offer_throughput=400)
    container = database.create_container("one", PartitionKey(path="/pk"))

    assert len(list(container.read_feed_ranges())) == 1
    database.replace_throughput(20_000)
    assert len(list(container.read_feed_ranges(force_refresh=True))) == 2


def test_impossible_throughput_is_refused(database: DatabaseProxy, container: ContainerProxy) -> None:
    """There is a least throughput."""
    assert container.get_throughput().offer_throughput == 400
    with pytest.raises(CosmosHttpResponseError, match="less than required minimum throughput 400"):
        container.replace_throughput(100)
