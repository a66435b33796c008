"""Faults are real: the SDK meets each of them."""

import json
import time
from typing import Any

import pytest
import requests
from azure.core.exceptions import ServiceResponseError
from azure.cosmos import ContainerProxy, CosmosClient, DatabaseProxy, PartitionKey
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceNotFoundError

from local.cosmos import CosmosServer, auth
from local.patience import PATIENCE_SECONDS

DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


def admin(server: CosmosServer, method: str, control: str, key: str | None = None, **arguments: Any) -> Any:
    """Call the admin route."""
    answer = requests.request(
        method,
        f"{server.endpoint}_admin/{control}",
        headers={"Authorization": f"Bearer {key or server.key}"},
        data=json.dumps(arguments) if arguments else None,
        timeout=PATIENCE_SECONDS,
    )
    return answer.status_code, answer.json()


def test_throttled_request_is_tried_again(server: CosmosServer, container: ContainerProxy) -> None:
    """The SDK waits as long as the answer says, and succeeds."""
    throttled = server.controls.throttle(3, operation="create_document")

    container.create_item({"id": "a", "pk": "x"})

    assert throttled.hits == 3
    count = server.controls.counters["create_document"]
    assert (count.requests, count.refused, count.documents) == (4, 3, 1)


def test_throttled_client_is_told_when_to_come_again(server: CosmosServer, container: ContainerProxy) -> None:
    """A part of a second, or as long as the test says."""
    waits: list[str] = []
    container.create_item({"id": "a", "pk": "x"})
    link = f"{container.container_link}/docs/a"
    signature = auth.signature(server.key, f"get\ndocs\n{link}\n{DATE.lower()}\n\n")
    headers = {"x-ms-date": DATE, "authorization": f"type=master&ver=1.0&sig={signature}"}

    for options in ({}, {"retry_after_ms": 2_000}):
        server.controls.throttle(operation="read_document", **options)
        answer = requests.get(f"{server.endpoint}{link}", headers=headers, timeout=PATIENCE_SECONDS)
        assert (answer.status_code, answer.headers["x-ms-substatus"]) == (429, "3200")
        waits.append(answer.headers["x-ms-retry-after-ms"])

    assert waits == ["100", "2000"]


def test_a_share_of_the_requests_is_throttled(server: CosmosServer, container: ContainerProxy) -> None:
    """Chance says which: of fifty documents some come at once, and some are tried again."""
    throttled = server.controls.throttle(1_000, share=0.2, operation="create_document")

    for number in range(50):
        container.create_item({"id": str(number), "pk": "x"})

    count = server.controls.counters["create_document"]
    assert count.documents == 50
    assert 0 < throttled.hits == count.refused < count.requests
    with pytest.raises(ValueError, match="share must be"):
        server.controls.drop(share=0)


def test_rate_of_requests_is_limited(server: CosmosServer, container: ContainerProxy) -> None:
    """What exceeds the rate is answered 429, and comes later because the SDK tries again."""
    server.controls.limit(requests=0.5, operation="upsert_document")

    for _ in range(2):
        container.upsert_item({"id": "a", "pk": "x"})

    assert server.controls.counters["upsert_document"].refused > 0


def test_rate_of_request_units_is_limited(server: CosmosServer, container: ContainerProxy) -> None:
    """Once the units of a second are spent, even a read has to wait."""
    container.create_item({"id": "a", "pk": "x"})
    server.controls.limit(request_units=50, path="/docs/")

    container.upsert_item({"id": "a", "pk": "x", "text": "y" * 25_000})
    container.read_item("a", "x")

    assert server.controls.counters["read_document"].refused > 0


def test_failure_has_the_status_that_was_asked_for(server: CosmosServer, container: ContainerProxy) -> None:
    """A request that fails is not executed; the next one is."""
    server.controls.fail(403, substatus=7, method="POST", path="/colls/things/docs/$")

    with pytest.raises(CosmosHttpResponseError) as failure:
        container.create_item({"id": "a", "pk": "x"})

    assert (failure.value.status_code, failure.value.sub_status) == (403, 7)
    container.create_item({"id": "a", "pk": "x"})


def test_delayed_request_waits(server: CosmosServer, container: ContainerProxy) -> None:
    """The delay is the time that the client sees."""
    container.create_item({"id": "a", "pk": "x"})
    server.controls.delay(0.3, operation="read_document")
    begun = time.monotonic()

    container.read_item("a", "x")

    assert time.monotonic() - begun >= 0.3


def test_dropped_write_did_not_happen(server: CosmosServer, container: ContainerProxy) -> None:
    """The connection is lost before the request is executed."""
    server.controls.drop(operation="create_document")

    with pytest.raises(ServiceResponseError):
        container.create_item({"id": "a", "pk": "x"}, retry_write=0)

    with pytest.raises(CosmosResourceNotFoundError):
        container.read_item("a", "x")


def test_answer_of_a_write_that_happened_is_lost(server: CosmosServer, container: ContainerProxy) -> None:
    """The client cannot know that its write was executed."""
    server.controls.drop(executed=True, operation="create_document")

    with pytest.raises(ServiceResponseError):
        container.create_item({"id": "a", "pk": "x"}, retry_write=0)

    assert container.read_item("a", "x")["id"] == "a"


def test_lost_read_is_tried_again(server: CosmosServer, container: ContainerProxy) -> None:
    """A read whose connection is lost may be repeated, and the SDK does so."""
    container.create_item({"id": "a", "pk": "x"})
    dropped = server.controls.drop(operation="read_document")

    assert container.read_item("a", "x")["id"] == "a"
    assert dropped.hits == 1


def test_clearing_ends_all_faults(server: CosmosServer, container: ContainerProxy) -> None:
    """Nothing that was asked for is left."""
    server.controls.fail(403, times=100)
    server.controls.limit(requests=0.001)

    server.controls.clear()

    container.create_item({"id": "a", "pk": "x"})


def test_time_is_set(server: CosmosServer, container: ContainerProxy) -> None:
    """Documents and the Date header follow the clock."""
    server.controls.clock.set(1_800_000_000)
    assert container.create_item({"id": "a", "pk": "x"})["_ts"] == 1_800_000_000

    server.controls.clock.advance(60)

    created = container.create_item({"id": "b", "pk": "x"})
    assert created["_ts"] == 1_800_000_060
    assert created.get_response_headers()["Date"] == "Fri, 15 Jan 2027 08:01:00 GMT"


def test_counters_say_what_was_done(server: CosmosServer, filled: ContainerProxy) -> None:
    """Requests, documents and charges are counted by operation."""
    server.controls.counters.reset()

    list(filled.query_items_change_feed(start_time="Beginning", max_item_count=5))

    count = server.controls.counters["read_change_feed"]
    assert count.documents == 40
    assert count.requests > 8
    assert count.charge >= count.requests
    assert server.controls.counters["create_document"].requests == 0


def test_account_is_read_whatever_fails(server: CosmosServer) -> None:
    """A fault for everything leaves alone what clients do unasked."""
    server.controls.fail(503, times=1000)

    with CosmosClient.from_connection_string(server.connection_string) as client:
        assert client.get_database_account() is not None


def test_controls_are_reached_over_http(server: CosmosServer, database: DatabaseProxy) -> None:
    """Every control has a route that takes the arguments of its method."""
    container = database.create_container("one", {"paths": ["/pk"], "kind": "Hash", "version": 2})
    split = admin(server, "POST", "split", database=database.id, container="one", range_id="1", pieces=3)
    assert split == (200, {"children": ["3", "4", "5"]})

    assert admin(server, "POST", "throttle", times=2, operation="create_document") == (200, {"times": 2})
    assert admin(server, "POST", "clock", now=1_800_000_000, advance=5)[1]["now"] == pytest.approx(1_800_000_005)
    created = container.create_item({"id": "a", "pk": "x"})

    assert created["_ts"] == 1_800_000_005
    status, counters = admin(server, "GET", "counters")
    assert (status, counters["create_document"]["requests"]) == (200, 3)
    assert admin(server, "DELETE", "counters") == (200, {})
    assert admin(server, "POST", "limit", requests=1000) == (200, {})
    assert admin(server, "POST", "clear") == (200, {})


@pytest.mark.parametrize(
    ("control", "arguments", "status"),
    [
        ("nothing", {}, 404),
        ("split", {"database": "absent", "container": "absent"}, 404),
        ("throttle", {"unknown": 1}, 400),
        ("limit", {}, 400),
        ("fail", {"status": 500, "path": "("}, 400),
    ],
)
def test_impossible_control_is_refused(
    server: CosmosServer, control: str, arguments: dict[str, Any], status: int
) -> None:
    """A mistake is answered with a sentence."""
    found, body = admin(server, "POST", control, **arguments)

    assert found == status
    assert body["message"]


def test_controls_need_the_key(server: CosmosServer) -> None:
    """Nobody else on this machine, and no page in a browser, can steer the server."""
    assert admin(server, "POST", "clear", key="wrong")[0] == 401


def test_a_write_whose_answer_is_lost_is_counted(server: CosmosServer, container: ContainerProxy) -> None:
    """What was executed costs and counts, whether or not the client heard of it."""
    server.controls.drop(executed=True, operation="create_document")

    with pytest.raises(ServiceResponseError):
        container.create_item({"id": "a", "pk": "x"})

    assert server.controls.counters["create_document"].requests == 1


@pytest.mark.parametrize(
    ("control", "arguments"),
    [
        ("fail", {"status": "x"}),
        ("fail", {"status": 99999}),
        ("throttle", {"times": "x"}),
        ("delay", {"seconds": -1}),
        ("throttle", {"retry_after_ms": -1}),
        ("drop", {"path": 5}),
        ("clock", {"now": 1e30}),
    ],
)
def test_a_control_that_makes_no_sense_is_refused(
    server: CosmosServer, container: ContainerProxy, control: str, arguments: dict[str, Any]
) -> None:
    """It is refused itself, and breaks no later request."""
    status, _ = admin(server, "POST", control, **arguments)

    assert status == 400
    container.create_item({"id": "a", "pk": "x"})


def test_refused_writes_are_those_of_one_database(
    server: CosmosServer, client: CosmosClient, database: DatabaseProxy, container: ContainerProxy
) -> None:
    """Reads go on, and so do leases, which are in another database; then everything is accepted again."""
    container.create_item({"id": "a", "pk": "x"})
    other = client.create_database("others").create_container("leases", PartitionKey("/id"))

    assert admin(server, "POST", "refuse-writes", database=database.id)[0] == 200

    for write in (
        lambda: container.create_item({"id": "b", "pk": "x"}),
        lambda: container.upsert_item({"id": "a", "pk": "x"}),
        lambda: container.replace_item("a", {"id": "a", "pk": "x"}),
        lambda: container.patch_item("a", "x", [{"op": "add", "path": "/n", "value": 1}]),
        lambda: container.execute_item_batch([("create", ({"id": "c", "pk": "x"},))], "x"),
        lambda: container.delete_item("a", "x"),
    ):
        with pytest.raises(CosmosHttpResponseError) as refused:
            write()
        assert (refused.value.status_code, refused.value.sub_status) == (403, 5301)
    assert [item["id"] for item in container.query_items("SELECT * FROM c", partition_key="x")] == ["a"]
    other.upsert_item({"id": "lease"})
    admin(server, "POST", "allow-writes", database=database.id)
    container.upsert_item({"id": "b", "pk": "x"})


def test_a_document_is_written_without_a_request(
    server: CosmosServer, database: DatabaseProxy, container: ContainerProxy
) -> None:
    """It is what the SDK's own upsert would have made: new, and again in place of what was there."""
    written = server.controls.write(database.id, "things", {"id": "a", "pk": "x", "half": 0.5})
    assert container.read_item("a", "x") == written

    upserted = container.upsert_item({"id": "a", "pk": "x"})
    again = server.controls.write(database.id, "things", {"id": "a", "pk": "x"})

    assert upserted.keys() == again.keys()
    assert container.read_item("a", "x") == again
    assert {written["_etag"], upserted["_etag"]}.isdisjoint({again["_etag"]})
    assert [each["_etag"] for each in container.query_items_change_feed(start_time="Beginning")] == [again["_etag"]]
    assert server.controls.counters["upsert_document"].requests == 1
