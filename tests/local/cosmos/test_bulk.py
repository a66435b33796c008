"""Operations in bulk: each is on its own. The Python SDK has no bulk; the requests are those of the JavaScript SDK."""

import json
from typing import Any

import requests
from azure.cosmos import ContainerProxy, DatabaseProxy

from local.cosmos import CosmosServer
from tests.local.cosmos.test_documents import post

JSON = list[dict[str, Any]]


def bulk(
    server: CosmosServer, container: ContainerProxy, operations: JSON, *, goes_on: bool = True, **more: str
) -> requests.Response:
    """Send operations as the JavaScript SDK does."""
    headers = {
        "x-ms-cosmos-is-batch-request": "True",
        "x-ms-cosmos-batch-atomic": "False",
        "x-ms-cosmos-batch-continue-on-error": str(goes_on),
        **(more or {"x-ms-documentdb-partitionkeyrangeid": "0"}),
    }
    return post(server, container, operations, **headers)


def create(document_id: str, pk: str) -> dict[str, Any]:
    """Write an operation that creates a document."""
    body = {"id": document_id, "pk": pk}
    return {"operationType": "Create", "partitionKey": json.dumps([pk]), "resourceBody": body}


def keys_of_first_range(container: ContainerProxy) -> list[str]:
    """Find partition keys of the first physical partition."""
    feed_range = next(iter(container.read_feed_ranges()))
    feed = container.query_items_change_feed(feed_range=feed_range, start_time="Beginning")
    return sorted({change["pk"] for change in feed})


def test_each_operation_is_on_its_own(server: CosmosServer, filled: ContainerProxy) -> None:
    """What fails has its own status, and what comes before and after it is done, each under its own LSN."""
    first, second = keys_of_first_range(filled)[:2]
    read = {"operationType": "Read", "id": "new", "partitionKey": json.dumps([first])}
    patch = {"operationType": "Patch", "id": "new", "resourceBody": [{"op": "add", "path": "/a", "value": 1}]}

    answer = bulk(
        server,
        filled,
        [
            create("new", first),
            create("new", first),
            create("new", second),
            read,
            read | {"id": "absent"},
            read | patch,
            create("new", "of another key") | {"partitionKey": json.dumps([first])},
        ],
    )

    assert answer.status_code == 207
    results = answer.json()
    assert [result["statusCode"] for result in results] == [201, 409, 201, 200, 404, 200, 400]
    assert results[3]["resourceBody"]["pk"] == first
    assert results[6]["subStatusCode"] == 1001
    lsns = [
        change["_lsn"] for change in filled.query_items_change_feed(start_time="Beginning") if change["id"] == "new"
    ]
    assert len(set(lsns)) == 2
    assert filled.read_item("new", first)["a"] == 1


def test_success_of_all_is_200(server: CosmosServer, container: ContainerProxy) -> None:
    """A partition key for the whole request will do as well."""
    key = {"x-ms-documentdb-partitionkey": '["x"]'}
    operations = [{"operationType": "Upsert", "resourceBody": {"id": name, "pk": "x"}} for name in "ab"]

    answer = bulk(server, container, operations, **key)

    assert (answer.status_code, [result["statusCode"] for result in answer.json()]) == (200, [201, 201])
    assert float(answer.headers["x-ms-request-charge"]) > 10


def test_first_failure_ends_it_when_asked_for(server: CosmosServer, filled: ContainerProxy) -> None:
    """What was done before stays done."""
    key = keys_of_first_range(filled)[0]
    operations = [create("a", key), create("a", key), create("b", key)]

    answer = bulk(server, filled, operations, goes_on=False)

    assert [result["statusCode"] for result in answer.json()] == [201, 409, 424]
    assert filled.read_item("a", key)


def test_partition_key_of_another_range_is_gone(
    server: CosmosServer, database: DatabaseProxy, filled: ContainerProxy
) -> None:
    """The client has to read the ranges again; a range that has split is gone as a whole."""
    first = keys_of_first_range(filled)
    other = next(f"pk-{number}" for number in range(20) if f"pk-{number}" not in first)

    results = bulk(server, filled, [create("a", other), create("b", first[0])]).json()

    assert [(result["statusCode"], result.get("subStatusCode")) for result in results] == [(410, 1002), (201, None)]
    server.controls.split(database.id, "things", "0")
    answer = bulk(server, filled, [create("c", first[0])])
    assert (answer.status_code, answer.headers["x-ms-substatus"]) == (410, "1002")


def test_bulk_without_a_place_is_refused(server: CosmosServer, container: ContainerProxy) -> None:
    """It goes to one physical partition, and says to which."""
    answer = bulk(server, container, [create("a", "x")], **{"x-ms-documentdb-partitionkeyrangeid": ""})

    assert (answer.status_code, answer.json()["message"][:14]) == (400, "A bulk request")


def test_batch_refuses_an_operation_of_another_partition_key(server: CosmosServer, container: ContainerProxy) -> None:
    """As a whole, before anything is done."""
    atomic = {
        "x-ms-cosmos-is-batch-request": "True",
        "x-ms-cosmos-batch-atomic": "True",
        "x-ms-documentdb-partitionkey": '["x"]',
    }
    container.create_item({"id": "a", "pk": "x"})
    delete = {"operationType": "Delete", "id": "a", "partitionKey": '["y"]'}

    answer = post(server, container, [create("b", "x"), delete], **atomic)

    assert answer.status_code == 400
    assert [document["id"] for document in container.read_all_items()] == ["a"]
