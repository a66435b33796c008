"""The unmodified JavaScript SDK works with the server, too; it relies on more of the protocol than the Python SDK."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Protocol

import pytest
from azure.cosmos import ContainerProxy, DatabaseProxy

from local.cosmos import CosmosServer
from tests.local.cosmos.conftest import SettableClock

HOME = Path(__file__).parent / "javascript"
SDK = HOME / "node_modules" / "@azure" / "cosmos"
NODE = shutil.which("node")
SECONDS = 120.0


def missing() -> str:
    """Say what keeps the tests from running, if anything does."""
    if NODE is None:
        return "Node.js is not installed"
    version = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout
    oldest = json.loads((HOME / "package.json").read_text())["engines"]["node"]
    if int(re.findall(r"\d+", version)[0]) < int(re.findall(r"\d+", oldest)[0]):
        return f"Node.js {version.strip()} is too old for the SDK, which needs {oldest}"
    if not SDK.exists():
        return "@azure/cosmos is not installed: `make test` installs it where npm is"
    return ""


REASON = missing()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)


class Run(Protocol):
    """Run a scenario and tell what it saw."""

    def __call__(self, scenario: str, **given: Any) -> Any:
        """Run it with these arguments."""


@pytest.fixture
def run(server: CosmosServer, database: DatabaseProxy, filled: ContainerProxy) -> Run:
    """Offer the scenarios over the container with forty documents, in three physical partitions."""

    def run_scenario(scenario: str, **given: Any) -> Any:
        place = {"endpoint": server.endpoint, "key": server.key, "database": database.id, "container": filled.id}
        finished = subprocess.run(
            [str(NODE), "scenarios.mjs"],
            cwd=HOME,
            input=json.dumps({"scenario": scenario, **place, **given}),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        answer = json.loads(finished.stdout)
        assert "error" not in answer, answer["error"]
        return answer["seen"]

    return run_scenario


QUERIES: dict[str, list[Any]] = {
    "SELECT VALUE c.number FROM c WHERE c.number < 4 ORDER BY c.number DESC": [3, 2, 1, 0],
    "SELECT TOP 3 VALUE c.number FROM c ORDER BY c.pk, c.number": [0, 20, 1],
    "SELECT c.number AS n FROM c ORDER BY c.number OFFSET 2 LIMIT 2": [{"n": 2}, {"n": 3}],
    "SELECT DISTINCT VALUE c.pk FROM c WHERE c.number % 20 < 2 ORDER BY c.pk": ["pk-0", "pk-1"],
    "SELECT VALUE MIN(c.number) FROM c": [0],
    "SELECT VALUE MAX(c.number) FROM c": [39],
    "SELECT VALUE MIN(c.number) FROM c WHERE c.number = 7": [7],
    "SELECT VALUE MAX(c.absent) FROM c": [],
    "SELECT VALUE SUM(c.number) FROM c": [780],
    "SELECT VALUE COUNT(1) FROM c": [40],
    "SELECT VALUE AVG(c.number) FROM c WHERE c.number < 10": [4.5],
    "SELECT COUNT(1) AS n, MIN(c.number) AS least FROM c": [{"n": 40, "least": 0}],
}
# Their rows come in no defined order.
UNORDERED: dict[str, list[Any]] = {
    "SELECT c.number % 2 AS odd, COUNT(1) AS n, MAX(c.number) AS most, AVG(c.number) AS mean FROM c "
    "GROUP BY c.number % 2": [
        {"odd": 0, "n": 20, "most": 38, "mean": 19},
        {"odd": 1, "n": 20, "most": 39, "mean": 20},
    ],
    "SELECT VALUE COUNT(1) FROM c GROUP BY c.number % 2": [20, 20],
    "SELECT VALUE c.number % 4 FROM c GROUP BY c.number % 4": [0, 1, 2, 3],
    "SELECT DISTINCT c.number % 3 AS rest FROM c": [{"rest": 0}, {"rest": 1}, {"rest": 2}],
}


@pytest.mark.parametrize("size", [2, 100])
def test_queries_are_put_together(run: Run, size: int) -> None:
    """The SDK takes the plan's word for what it does with the physical partitions' answers."""
    found = run("queries", queries=[{"text": text} for text in (*QUERIES, *UNORDERED)], maxItemCount=size)

    assert {text: found[text] for text in QUERIES} == QUERIES
    assert {text: sorted(found[text], key=json.dumps) for text in UNORDERED} == UNORDERED


def test_partition_key_and_parameters(run: Run) -> None:
    """One logical partition needs no plan; the queries of a plan keep the parameters."""
    grouped = "SELECT c.pk, SUM(c.number) AS total FROM c GROUP BY c.pk"
    least = "SELECT VALUE MIN(c.number) FROM c WHERE c.number > @low"
    queries = [
        {"text": grouped, "partitionKey": "pk-3"},
        {"text": least, "parameters": [{"name": "@low", "value": 11}]},
    ]

    assert run("queries", queries=queries) == {grouped: [{"pk": "pk-3", "total": 26}], least: [12]}


@pytest.mark.parametrize("size", [1, 100])
def test_change_feed_from_a_time_sees_every_document(
    run: Run, filled: ContainerProxy, clock: SettableClock, size: int
) -> None:
    """Reading until 304 misses nothing that was written since."""
    clock.now += 60
    for number in range(5):
        filled.create_item({"id": f"late-{number}", "pk": f"pk-{number}"})

    seen = run("feedFrom", seconds=clock.now - 30, maxItemCount=size)

    assert sorted(seen["ids"]) == [f"late-{number}" for number in range(5)]


def test_change_feed_from_a_time_begins_with_an_empty_page(run: Run, clock: SettableClock) -> None:
    """With nothing newer the service first answers 200, and 304 only after it."""
    seen = run("feedFrom", seconds=clock.now + 60, maxItemCount=10)

    assert seen["ids"] == []
    assert seen["statuses"][0] == 200
    assert seen["statuses"][-1] == 304


def test_bulk(run: Run, filled: ContainerProxy) -> None:
    """Each operation succeeds or fails for itself."""
    operations = [
        {"operationType": "Create", "partitionKey": f"pk-{n}", "resourceBody": {"id": f"new-{n}", "pk": f"pk-{n}"}}
        for n in range(10)
    ]
    operations.append({"operationType": "Create", "partitionKey": "pk-0", "resourceBody": {"id": "id-0", "pk": "pk-0"}})

    assert run("bulk", operations=operations) == [201] * 10 + [409]
    assert filled.read_item("new-7", "pk-7")["id"] == "new-7"


def test_patch_may_be_an_array(run: Run) -> None:
    """The SDK sends the operations as they were given."""
    operations = [{"op": "set", "path": "/name", "value": "x"}, {"op": "incr", "path": "/number", "value": 1}]

    patched = run("patch", id="id-3", partitionKey="pk-3", operations=operations)

    assert patched["statusCode"] == 200
    assert (patched["resource"]["name"], patched["resource"]["number"]) == ("x", 4)


def test_batch_refuses_another_partition_key(run: Run, filled: ContainerProxy) -> None:
    """Nothing of it is written."""
    operations = [
        {"operationType": "Create", "resourceBody": {"id": "one", "pk": "pk-1"}},
        {"operationType": "Create", "resourceBody": {"id": "two", "pk": "pk-2"}},
    ]

    answer = run("batch", partitionKey="pk-1", operations=operations)

    assert answer["statuses"] == [424, 400]
    text = "SELECT * FROM c WHERE c.id IN ('one', 'two')"
    assert list(filled.query_items(text, enable_cross_partition_query=True)) == []


def test_batch_refuses_an_operation_of_another_partition_key(run: Run, filled: ContainerProxy) -> None:
    """A deletion that names another key than the batch's deletes nothing."""
    operations = [{"operationType": "Delete", "id": "id-3", "partitionKey": "pk-4"}]

    answer = run("batch", partitionKey="pk-3", operations=operations)

    assert "must all have the partition key of the batch" in answer["refused"]
    assert filled.read_item("id-3", "pk-3")["number"] == 3
