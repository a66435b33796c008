"""A patch changes a document in part."""

from typing import Any

import pytest
import requests
from azure.cosmos import ContainerProxy
from azure.cosmos.exceptions import CosmosHttpResponseError

from local.cosmos import CosmosServer, auth
from local.patience import PATIENCE_SECONDS

DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.fixture
def patched(container: ContainerProxy) -> ContainerProxy:
    """Create the document that is patched."""
    container.create_item({"id": "a", "pk": "x", "count": 1, "list": [1, 3], "inner": {"old": True}})
    return container


def patch(container: ContainerProxy, *operations: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Patch the document and show what is left beside its system properties."""
    document = container.patch_item("a", "x", list(operations), **options)
    return {name: value for name, value in document.items() if not name.startswith("_")}


@pytest.mark.parametrize(
    ("operation", "name", "value"),
    [
        ({"op": "add", "path": "/new", "value": [1]}, "new", [1]),
        ({"op": "add", "path": "/list/1", "value": 2}, "list", [1, 2, 3]),
        ({"op": "add", "path": "/list/-", "value": 4}, "list", [1, 3, 4]),
        ({"op": "set", "path": "/list/0", "value": 0}, "list", [0, 3]),
        ({"op": "set", "path": "/inner/new", "value": 1}, "inner", {"old": True, "new": 1}),
        ({"op": "replace", "path": "/inner/old", "value": None}, "inner", {"old": None}),
        ({"op": "remove", "path": "/inner/old"}, "inner", {}),
        ({"op": "remove", "path": "/list/0"}, "list", [3]),
        ({"op": "incr", "path": "/count", "value": -1.5}, "count", -0.5),
        ({"op": "incr", "path": "/new", "value": 5}, "new", 5),
        ({"op": "move", "from": "/inner/old", "path": "/moved"}, "moved", True),
    ],
)
def test_operation(patched: ContainerProxy, operation: dict[str, Any], name: str, value: Any) -> None:
    """Each operation changes its path alone."""
    before = patch(patched, {"op": "set", "path": "/count", "value": 1})

    after = patch(patched, operation)

    assert after[name] == value
    assert {key for key in before if before[key] != after.get(key)} <= {name, "inner"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/absent", "value": 1},
        {"op": "remove", "path": "/absent"},
        {"op": "incr", "path": "/inner", "value": 1},
        {"op": "add", "path": "/list/9", "value": 1},
        {"op": "add", "path": "/absent/deep", "value": 1},
        {"op": "set", "path": "no slash", "value": 1},
        {"op": "set", "path": "/id", "value": "b"},
        {"op": "set", "path": "/pk", "value": "y"},
        {"op": "set", "path": "/_ts", "value": 1},
        {"op": "add", "path": "/new"},
        {"op": "invent", "path": "/new", "value": 1},
    ],
)
def test_impossible_operation_is_refused_and_changes_nothing(
    patched: ContainerProxy, operation: dict[str, Any]
) -> None:
    """Not even the operations before it."""
    before = patched.read_item("a", "x")

    with pytest.raises(CosmosHttpResponseError) as refusal:
        patch(patched, {"op": "set", "path": "/count", "value": 2}, operation)

    assert refusal.value.status_code == 400
    assert patched.read_item("a", "x") == before


def test_condition_decides(patched: ContainerProxy) -> None:
    """A patch whose condition does not hold is refused with 412."""
    increment = {"op": "incr", "path": "/count", "value": 1}
    assert patch(patched, increment, filter_predicate="from c where c.count = 1")["count"] == 2

    with pytest.raises(CosmosHttpResponseError) as refusal:
        patch(patched, increment, filter_predicate="from c where c.count = 1")

    assert refusal.value.status_code == 412


def test_patch_has_at_most_ten_operations(patched: ContainerProxy) -> None:
    """More are refused."""
    with pytest.raises(CosmosHttpResponseError, match="from 1 to 10 operations"):
        patch(patched, *[{"op": "incr", "path": "/count", "value": 1}] * 11)


def test_patch_may_be_only_its_operations(server: CosmosServer, patched: ContainerProxy) -> None:
    """Without a condition the JavaScript SDK sends the bare array."""
    link = f"{patched.container_link}/docs/a"
    signature = auth.signature(server.key, f"patch\ndocs\n{link}\n{DATE.lower()}\n\n")
    headers = {
        "x-ms-date": DATE,
        "authorization": f"type=master&ver=1.0&sig={signature}",
        "x-ms-documentdb-partitionkey": '["x"]',
    }

    def send(body: Any) -> int:
        url = f"{server.endpoint}{link}"
        return requests.patch(url, json=body, headers=headers, timeout=PATIENCE_SECONDS).status_code

    assert send([{"op": "set", "path": "/count", "value": 9}]) == 200
    assert patched.read_item("a", "x")["count"] == 9
    assert [send(body) for body in ([], 5, "text", [5])] == [400] * 4
