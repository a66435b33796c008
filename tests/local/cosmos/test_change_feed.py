"""The change feed yields the newest version of every document, in order, from anywhere."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from azure.cosmos import ContainerProxy

from local.cosmos import CosmosServer, auth
from local.patience import PATIENCE_SECONDS
from tests.local.cosmos.conftest import SettableClock

DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


def pages(container: ContainerProxy, **options: Any) -> list[list[dict[str, Any]]]:
    """Read a change feed to its end, page by page."""
    return [list(page) for page in container.query_items_change_feed(**options).by_page() if page is not None]


def read(container: ContainerProxy, **options: Any) -> list[dict[str, Any]]:
    """Read a change feed to its end."""
    return list(container.query_items_change_feed(**options))


def get(server: CosmosServer, container: ContainerProxy, **extra: str) -> requests.Response:
    """Ask for a page as the wire has it."""
    link = container.container_link
    signature = auth.signature(server.key, f"get\ndocs\n{link}\n{DATE.lower()}\n\n")
    headers = {"x-ms-date": DATE, "authorization": f"type=master&ver=1.0&sig={signature}", "A-IM": "Incremental Feed"}
    return requests.get(f"{server.endpoint}{link}/docs/", headers={**headers, **extra}, timeout=PATIENCE_SECONDS)


def test_feed_ranges_yield_every_document_once_in_order(filled: ContainerProxy) -> None:
    """Each physical partition counts its own writes, and together they hold everything."""
    ids: list[str] = []
    for feed_range in filled.read_feed_ranges():
        changes = read(filled, feed_range=feed_range, start_time="Beginning", max_item_count=4)
        assert [change["_lsn"] for change in changes] == list(range(1, len(changes) + 1))
        ids.extend(change["id"] for change in changes)

    assert sorted(ids) == sorted(f"id-{number}" for number in range(40))


def test_whole_container_is_read_over_all_ranges(filled: ContainerProxy) -> None:
    """Without a feed range the SDK walks all physical partitions."""
    changes = read(filled, start_time="Beginning", max_item_count=7)

    assert Counter(change["id"] for change in changes) == Counter(f"id-{number}" for number in range(40))


def test_page_has_as_many_items_as_asked_for(filled: ContainerProxy) -> None:
    """x-ms-max-item-count is the page size."""
    feed_range = next(iter(filled.read_feed_ranges()))

    sizes = [len(page) for page in pages(filled, feed_range=feed_range, start_time="Beginning", max_item_count=3)]

    assert sum(sizes) > 3
    assert set(sizes[:-2]) <= {3}


def test_feed_is_resumed_from_any_page(filled: ContainerProxy) -> None:
    """A continuation taken after a page yields exactly the rest, in a client of its own."""
    for feed_range in filled.read_feed_ranges():
        whole = read(filled, feed_range=feed_range, start_time="Beginning")
        iterator = filled.query_items_change_feed(
            feed_range=feed_range, start_time="Beginning", max_item_count=2
        ).by_page()
        first = list(next(iterator))

        rest = read(filled, continuation=iterator.continuation_token)

        assert [change["_lsn"] for change in first + rest] == [change["_lsn"] for change in whole]


def test_document_changed_twice_appears_once_at_its_newest_position(container: ContainerProxy) -> None:
    """Older versions vanish from the feed."""
    container.create_item({"id": "a", "pk": "x", "number": 1})
    container.create_item({"id": "b", "pk": "x"})
    container.upsert_item({"id": "a", "pk": "x", "number": 2})
    container.upsert_item({"id": "a", "pk": "x", "number": 3})

    changes = read(container, start_time="Beginning")

    assert [(change["id"], change.get("number"), change["_lsn"]) for change in changes] == [("b", None, 2), ("a", 3, 4)]


def test_deleted_document_vanishes(container: ContainerProxy) -> None:
    """A delete leaves no change and still counts as a write."""
    container.create_item({"id": "a", "pk": "x"})
    container.delete_item("a", "x")
    container.create_item({"id": "b", "pk": "x"})

    assert [(change["id"], change["_lsn"]) for change in read(container, start_time="Beginning")] == [("b", 3)]


def test_now_begins_after_what_was_written(filled: ContainerProxy) -> None:
    """The default start sees later changes only."""
    seen: list[Any] = []
    options = {"start_time": "Now", "response_hook": lambda headers, _body: seen.append(headers)}
    assert read(filled, **options) == []

    filled.upsert_item({"id": "later", "pk": "x"})

    # The SDK writes the continuation into the headers only after the hook has seen them.
    assert [change["id"] for change in read(filled, continuation=seen[-1]["etag"])] == ["later"]


def test_start_time_leaves_out_what_is_older(container: ContainerProxy, clock: SettableClock) -> None:
    """A start is in whole seconds and leaves out that second."""
    for number in range(10):
        container.create_item({"id": f"id-{number}", "pk": f"pk-{number}"})
        clock.now += 1

    start = datetime.fromtimestamp(1_700_000_004, tz=UTC)
    changes = read(container, start_time=start, max_item_count=1)

    assert sorted(change["id"] for change in changes) == [f"id-{number}" for number in range(5, 10)]


@pytest.mark.parametrize("second", ["00", "59"], ids=["something newer", "nothing newer"])
def test_start_time_is_first_answered_with_an_empty_page(
    server: CosmosServer, filled: ContainerProxy, second: str
) -> None:
    """The first answer is 200 and only names the position; what follows begins there, and ends with 304."""
    started = {"x-ms-documentdb-partitionkeyrangeid": "0", "If-Modified-Since": f"Tue, 14 Nov 2023 22:13:{second} GMT"}

    first = get(server, filled, **started)

    assert (first.status_code, first.json()["Documents"], first.json()["_count"]) == (200, [], 0)
    found, etag = [], first.headers["etag"]
    while (page := get(server, filled, **started, **{"If-None-Match": etag})).status_code == 200:
        found += page.json()["Documents"]
        etag = page.headers["etag"]
    assert page.status_code == 304
    assert bool(found) == (second == "00")


def test_partition_key_narrows_the_feed(filled: ContainerProxy) -> None:
    """One logical partition can be followed alone."""
    changes = read(filled, partition_key="pk-3", start_time="Beginning")

    assert [change["id"] for change in changes] == ["id-3", "id-23"]


def test_nothing_new_is_304_with_the_position(server: CosmosServer, filled: ContainerProxy) -> None:
    """The end answers 304 with an etag that finds the next change."""
    range_header = {"x-ms-documentdb-partitionkeyrangeid": "0"}
    page = get(server, filled, **range_header)
    assert page.headers["etag"] == f'"{page.json()["Documents"][-1]["_lsn"]}"'

    end = get(server, filled, **range_header, **{"If-None-Match": page.headers["etag"]})

    assert end.status_code == 304
    assert end.headers["etag"] == page.headers["etag"]
    assert end.headers["x-ms-session-token"]
    assert float(end.headers["x-ms-request-charge"]) > 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"x-ms-documentdb-partitionkeyrangeid": "7"}, 410),
        ({"x-ms-documentdb-partitionkeyrangeid": "0", "If-None-Match": '"nonsense"'}, 400),
        ({"x-ms-documentdb-partitionkeyrangeid": "0", "If-None-Match": '"999999"'}, 400),
        ({"x-ms-documentdb-partitionkeyrangeid": "0", "x-ms-max-item-count": "many"}, 400),
        ({"x-ms-documentdb-partitionkeyrangeid": "0", "If-Modified-Since": "yesterday"}, 400),
        ({"x-ms-documentdb-partitionkeyrangeid": "0", "A-IM": "Full-Fidelity Feed"}, 400),
        ({"x-ms-documentdb-partitionkeyrangeid": "0", "A-IM": "Another Feed"}, 400),
        ({"x-ms-documentdb-partitionkeyrangeid": "0", "x-ms-cosmos-intended-collection-rid": "other"}, 400),
    ],
)
def test_request_that_makes_no_sense_is_refused(
    server: CosmosServer, filled: ContainerProxy, headers: dict[str, str], status: int
) -> None:
    """A wrong position, range or mode is never answered with an empty page."""
    assert get(server, filled, **headers).status_code == status


def test_wrong_resource_id_has_its_sub_status(server: CosmosServer, filled: ContainerProxy) -> None:
    """1024 tells the SDK to read the container again."""
    answer = get(server, filled, **{"x-ms-cosmos-intended-collection-rid": "other"})

    assert answer.headers["x-ms-substatus"] == "1024"


def test_page_ends_before_it_weighs_too_much(container: ContainerProxy) -> None:
    """A page of large documents is cut short, and nothing is lost."""
    for number in range(6):
        container.create_item({"id": f"id-{number}", "pk": "x", "text": "y" * 1_500_000})

    sizes = [len(page) for page in pages(container, start_time="Beginning", max_item_count=100)]

    assert max(sizes) == 3
    assert sum(sizes) == 6


def test_page_is_never_cut_within_a_transaction(container: ContainerProxy) -> None:
    """All documents of a batch share one LSN and one page, whatever the page size."""
    container.execute_item_batch([("create", ({"id": f"id-{number}", "pk": "x"},)) for number in range(5)], "x")
    container.create_item({"id": "id-5", "pk": "x"})

    found = pages(container, start_time="Beginning", max_item_count=2)

    assert [len(page) for page in found if page] == [5, 1]
    assert len({change["_lsn"] for change in found[0]}) == 1
