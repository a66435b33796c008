"""Documents are written and read as the service would."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from azure.core import MatchConditions
from azure.cosmos import ContainerProxy, DatabaseProxy, PartitionKey
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)
from azure.cosmos.partition_key import NonePartitionKeyValue

from local.cosmos import CosmosServer, auth
from local.patience import PATIENCE_SECONDS
from tests.local.cosmos.conftest import SettableClock

DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


def post(server: CosmosServer, container: ContainerProxy, body: Any, **extra: str) -> requests.Response:
    """Post to a container's documents what the SDK would not."""
    link = container.container_link
    signature = auth.signature(server.key, f"post\ndocs\n{link}\n{DATE.lower()}\n\n")
    headers = {"x-ms-date": DATE, "authorization": f"type=master&ver=1.0&sig={signature}", **extra}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(f"{server.endpoint}{link}/docs/", data=data, headers=headers, timeout=PATIENCE_SECONDS)


def test_created_document_carries_system_properties(container: ContainerProxy) -> None:
    """A document comes back with identity, version and whole seconds."""
    created = container.create_item({"id": "a", "pk": "x", "nested": {"list": [1, None, "é", 1.5]}})

    assert container.read_item("a", "x") == created
    assert created["nested"] == {"list": [1, None, "é", 1.5]}
    assert created["_ts"] == 1_700_000_000
    assert created["_etag"].startswith('"')
    assert created["_attachments"] == "attachments/"
    assert created["_self"].endswith(f"docs/{created['_rid']}/")
    assert "_lsn" not in created


def test_every_version_has_its_own_etag(container: ContainerProxy, clock: SettableClock) -> None:
    """A replaced document keeps its _rid and gets another etag and time."""
    first = container.create_item({"id": "a", "pk": "x"})
    clock.now += 10

    second = container.replace_item("a", {"id": "a", "pk": "x", "more": True})

    assert second["_rid"] == first["_rid"]
    assert second["_etag"] != first["_etag"]
    assert second["_ts"] == first["_ts"] + 10


def test_id_is_taken_within_a_logical_partition_only(container: ContainerProxy) -> None:
    """The same id is free under another partition key and a conflict under the same."""
    container.create_item({"id": "a", "pk": "x"})
    container.create_item({"id": "a", "pk": "y"})

    with pytest.raises(CosmosResourceExistsError):
        container.create_item({"id": "a", "pk": "x"})


def test_upsert_creates_then_replaces(container: ContainerProxy) -> None:
    """The status tells whether the document is new."""
    statuses: list[int] = []

    for number in range(2):
        container.upsert_item({"id": "a", "pk": "x", "number": number})
        statuses.append(len(list(container.read_all_items())))

    assert statuses == [1, 1]
    assert container.read_item("a", "x")["number"] == 1


def test_deleted_document_is_gone(container: ContainerProxy) -> None:
    """Reading, replacing and deleting it again are 404 without a sub-status."""
    container.create_item({"id": "a", "pk": "x"})
    container.delete_item("a", "x")

    with pytest.raises(CosmosResourceNotFoundError) as absence:
        container.read_item("a", "x")
    assert absence.value.sub_status in (None, 0)
    with pytest.raises(CosmosResourceNotFoundError):
        container.delete_item("a", "x")
    with pytest.raises(CosmosResourceNotFoundError):
        container.replace_item("a", {"id": "a", "pk": "x"})


@pytest.mark.parametrize(
    "write",
    [
        lambda container, **condition: container.replace_item("a", {"id": "a", "pk": "x"}, **condition),
        lambda container, **condition: container.upsert_item({"id": "a", "pk": "x"}, **condition),
        lambda container, **condition: container.delete_item("a", "x", **condition),
    ],
    ids=["replace", "upsert", "delete"],
)
def test_stale_etag_fails_the_precondition(container: ContainerProxy, write: Callable[..., Any]) -> None:
    """A write under the condition of an older version changes nothing."""
    first = container.create_item({"id": "a", "pk": "x"})
    second = container.upsert_item({"id": "a", "pk": "x"})

    with pytest.raises(CosmosAccessConditionFailedError):
        write(container, etag=first["_etag"], match_condition=MatchConditions.IfNotModified)

    assert container.read_item("a", "x")["_etag"] == second["_etag"]


def test_current_etag_meets_the_precondition(container: ContainerProxy) -> None:
    """A write under the condition of the current version succeeds."""
    first = container.create_item({"id": "a", "pk": "x"})

    container.replace_item(
        "a", {"id": "a", "pk": "x"}, etag=first["_etag"], match_condition=MatchConditions.IfNotModified
    )

    assert container.read_item("a", "x")["_etag"] != first["_etag"]


@pytest.mark.parametrize("key", ["text", "", "ü/\\#?", 1, 1.5, -0.0, 2**53, True, False, None])
def test_partition_key_keeps_its_type(container: ContainerProxy, key: Any) -> None:
    """Every JSON scalar is a partition key, found by its value."""
    container.create_item({"id": "a", "pk": key})

    assert container.read_item("a", key)["pk"] == key


def test_one_and_true_are_different_partition_keys(container: ContainerProxy) -> None:
    """Only 1 and 1.0 are the same."""
    container.create_item({"id": "a", "pk": 1})
    container.create_item({"id": "a", "pk": True})
    container.create_item({"id": "a", "pk": "1"})

    with pytest.raises(CosmosResourceExistsError):
        container.create_item({"id": "a", "pk": 1.0})


def test_missing_partition_key_is_undefined_and_not_null(container: ContainerProxy) -> None:
    """A document without the property is found by NonePartitionKeyValue alone."""
    container.create_item({"id": "a"})
    container.create_item({"id": "a", "pk": None})

    assert "pk" not in container.read_item("a", NonePartitionKeyValue)
    assert container.read_item("a", None)["pk"] is None


def test_partition_key_may_be_nested(database: DatabaseProxy) -> None:
    """A path of two names reads an inner property."""
    container = database.create_container("nested", PartitionKey(path="/owner/id"))
    container.create_item({"id": "a", "owner": {"id": "x"}})

    assert container.read_item("a", "x")["owner"] == {"id": "x"}


def test_partition_key_that_contradicts_the_document_is_refused(
    server: CosmosServer, container: ContainerProxy
) -> None:
    """Header and document must agree: 400 with sub-status 1001."""
    headers = {"x-ms-documentdb-partitionkey": '["y"]'}

    answer = post(server, container, {"id": "a", "pk": "x"}, **headers)

    assert (answer.status_code, answer.headers["x-ms-substatus"]) == (400, "1001")


@pytest.mark.parametrize("header", ["[]", '["x","y"]', '"x"', '[{"a":1}]', "[[]]", "["])
def test_impossible_partition_key_is_refused(server: CosmosServer, container: ContainerProxy, header: str) -> None:
    """A partition key is one scalar in an array."""
    answer = post(server, container, {"id": "a", "pk": "x"}, **{"x-ms-documentdb-partitionkey": header})

    assert answer.status_code == 400


def test_write_without_partition_key_header_is_refused(server: CosmosServer, container: ContainerProxy) -> None:
    """The service does not guess the partition key."""
    assert post(server, container, {"id": "a", "pk": "x"}).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {"pk": "x"},
        {"id": 1, "pk": "x"},
        {"id": "", "pk": "x"},
        {"id": "y" * 1024, "pk": "x"},
        [],
        b"{",
        b'{"id":"a","n":NaN}',
    ],
)
def test_malformed_document_is_refused(server: CosmosServer, container: ContainerProxy, body: Any) -> None:
    """What is no document with a proper id is a bad request."""
    answer = post(server, container, body, **{"x-ms-documentdb-partitionkey": '["x"]'})

    assert answer.status_code == 400
    assert answer.json()["code"] == "BadRequest"


def test_too_large_a_document_is_refused(container: ContainerProxy) -> None:
    """Two megabytes are the most."""
    with pytest.raises(CosmosHttpResponseError) as refusal:
        container.create_item({"id": "a", "pk": "x", "text": "y" * 2**21})

    assert refusal.value.status_code == 413


def test_numbers_and_text_come_back_as_the_service_writes_them(container: ContainerProxy) -> None:
    """A whole double loses its point, and a lone surrogate survives."""
    created = container.create_item({"id": "a", "pk": "x", "double": 3.0, "large": 1e300, "text": "\ud800 \u2028 😀"})

    assert isinstance(created["double"], int)
    assert created["large"] == 1e300
    assert created["text"] == "\ud800 \u2028 😀"


def test_unchanged_document_is_not_sent_again(container: ContainerProxy) -> None:
    """If-None-Match with the current etag is answered without a body."""
    created = container.create_item({"id": "a", "pk": "x"})

    def read_unless(etag: str) -> dict[str, Any]:
        return dict(container.read_item("a", "x", etag=etag, match_condition=MatchConditions.IfModified))

    assert read_unless('"another"') == created
    assert read_unless(created["_etag"]) == {}


def test_answer_tells_version_position_and_time(container: ContainerProxy) -> None:
    """Headers carry what the body does not."""
    created = container.create_item({"id": "a", "pk": "x"})
    headers: dict[str, str] = {}

    container.read_item("a", "x", response_hook=lambda given, _body: headers.update(given))

    assert headers["etag"] == created["_etag"]
    assert headers["Date"] == DATE
    assert float(headers["x-ms-request-charge"]) > 0
    assert headers["x-ms-session-token"].startswith(f"{headers['x-ms-documentdb-partitionkeyrangeid']}:-1#")


def test_minimal_answer_has_no_body(container: ContainerProxy) -> None:
    """The client may ask not to get back what it wrote."""
    assert dict(container.create_item({"id": "a", "pk": "x"}, no_response=True)) == {}


def test_document_is_addressed_by_its_resource_id(container: ContainerProxy) -> None:
    """The SDK takes the _rid path, with its own signature, when it is given a document in the place of an id."""
    document = container.create_item({"id": "a", "pk": "x"})

    assert container.read_item(document, "x") == document
    container.replace_item(document, {"id": "a", "pk": "x", "more": True})
    container.delete_item(document, "x")

    with pytest.raises(CosmosResourceNotFoundError):
        container.read_item("a", "x")


def test_id_is_changed_by_replacing(container: ContainerProxy) -> None:
    """The document is found by its new id alone and keeps its resource id."""
    first = container.create_item({"id": "a", "pk": "x"})

    second = container.replace_item("a", {"id": "b", "pk": "x"})

    assert second["_rid"] == first["_rid"]
    assert [document["id"] for document in container.read_all_items()] == ["b"]
    with pytest.raises(CosmosResourceNotFoundError):
        container.read_item("a", "x")


def test_write_is_ruled_out_by_an_etag(container: ContainerProxy) -> None:
    """A version that must not be there refuses the write."""
    document = container.create_item({"id": "a", "pk": "x"})
    condition = {"etag": document["_etag"], "match_condition": MatchConditions.IfModified}

    with pytest.raises(CosmosHttpResponseError) as refusal:
        container.upsert_item({"id": "a", "pk": "x"}, **condition)

    assert refusal.value.status_code == 412
    container.upsert_item({"id": "b", "pk": "x"}, **condition)


def test_partition_key_is_deleted_whole(container: ContainerProxy) -> None:
    """All documents of one logical partition go, and no other."""
    for number in range(4):
        container.create_item({"id": f"id-{number}", "pk": f"pk-{number % 2}"})

    container.delete_all_items_by_partition_key("pk-0")

    assert [document["id"] for document in container.read_all_items()] == ["id-1", "id-3"]


def test_larger_work_costs_more(container: ContainerProxy) -> None:
    """Charges grow with the size of a document, and a write costs more than a read."""

    def charge(size: int, write: bool) -> float:
        answer = container.upsert_item({"id": "a", "pk": "x", "text": "y" * size})
        answer = answer if write else container.read_item("a", "x")
        return float(answer.get_response_headers()["x-ms-request-charge"])

    assert charge(10, False) < charge(10, True) < charge(100_000, True)
    assert charge(10, False) < charge(100_000, False)


def test_what_is_not_imitated_says_so(container: ContainerProxy) -> None:
    """Nothing unknown is answered wrongly: it fails with one sentence."""
    with pytest.raises(CosmosHttpResponseError, match="is not imitated by this server") as refusal:
        container.create_item({"id": "a", "pk": "x"}, pre_trigger_include="trigger")

    assert refusal.value.status_code == 501


def test_documents_own_lsn_is_kept(container: ContainerProxy) -> None:
    """Reads and queries return what the document says, and the change feed its own position."""
    container.create_item({"id": "a", "pk": "x", "_lsn": 1_000_000_000})
    container.patch_item("a", "x", [{"op": "add", "path": "/more", "value": 1}])

    assert container.read_item("a", "x")["_lsn"] == 1_000_000_000
    assert [item["_lsn"] for item in container.query_items("SELECT * FROM c", partition_key="x")] == [1_000_000_000]
    assert [item["_lsn"] for item in container.query_items_change_feed(start_time="Beginning")] == [2]
