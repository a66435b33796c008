"""A container does as much in a second as was offered for it, and no more."""

import json
import time

import pytest
import requests
from azure.cosmos import ContainerProxy, CosmosClient, DatabaseProxy, PartitionKey, ThroughputProperties

from local.cosmos import CosmosServer
from tests.local.cosmos.test_change_feed import get
from tests.local.cosmos.test_documents import post

KEY = PartitionKey(path="/pk")


def write(server: CosmosServer, container: ContainerProxy, pk: str, kilobytes: int = 1) -> requests.Response:
    """Upsert a document of some size: about six request units for each kilobyte."""
    headers = {"x-ms-documentdb-partitionkey": json.dumps([pk]), "x-ms-documentdb-is-upsert": "True"}
    return post(server, container, {"id": "a", "pk": pk, "text": "y" * 1024 * (kilobytes - 1)}, **headers)


def exhaust(server: CosmosServer, container: ContainerProxy, pk: str, kilobytes: int = 1_800) -> requests.Response:
    """Spend the units of many seconds with one write; give the refusal of the next."""
    assert write(server, container, pk, kilobytes).status_code in (200, 201)
    answer = write(server, container, pk)
    assert answer.status_code == 429
    return answer


def test_what_exceeds_the_throughput_comes_later(server: CosmosServer, database: DatabaseProxy) -> None:
    """A second's worth is done at once; then 429 with the sub-status and the time until there is something left."""
    container = database.create_container("paid", KEY, offer_throughput=400)
    begun = time.monotonic()

    assert [write(server, container, "x", 10).status_code for _ in range(7)] == [201] + [200] * 6
    refusal = exhaust(server, container, "x", 200)

    assert refusal.headers["x-ms-substatus"] == "3200"
    assert 1_000 < int(refusal.headers["x-ms-retry-after-ms"]) <= 4_000
    assert get(server, container).status_code == 429
    time.sleep(int(refusal.headers["x-ms-retry-after-ms"]) / 1000)
    assert container.read_item("a", "x")["id"] == "a"
    assert time.monotonic() - begun >= 1


def test_sdk_waits_as_long_as_it_is_told(database: DatabaseProxy, server: CosmosServer) -> None:
    """Everything is done in the end, at the speed that was offered."""
    container = database.create_container("paid", KEY, offer_throughput=400)
    begun = time.monotonic()

    for number in range(15):
        container.create_item({"id": str(number), "pk": "x", "text": "y" * 10_000})

    assert time.monotonic() - begun > 1
    assert server.controls.counters["create_document"].refused > 0
    assert len(list(container.read_all_items())) == 15


def test_physical_partitions_have_equal_shares(server: CosmosServer, database: DatabaseProxy) -> None:
    """One that is busy is throttled alone, and a query over all of them with it; another split begins anew."""
    container = database.create_container("paid", KEY, offer_throughput=1_000)
    server.controls.split(database.id, "paid", "0")
    keys = [f"pk-{number}" for number in range(20)]
    homes = {pk: write(server, container, pk).headers["x-ms-documentdb-partitionkeyrangeid"] for pk in keys}
    busy, idle = (next(pk for pk in keys if homes[pk] == range_id) for range_id in "12")

    exhaust(server, container, busy)

    query = {"x-ms-documentdb-isquery": "True", "x-ms-documentdb-query-enablecrosspartition": "True"}
    assert post(server, container, {"query": "SELECT * FROM c"}, **query).status_code == 429
    assert write(server, container, idle).status_code == 200
    server.controls.split(database.id, "paid", "1")
    assert write(server, container, busy).status_code == 200


@pytest.mark.parametrize("offered", [None, "of its database"])
def test_container_without_a_throughput_of_its_own_is_never_throttled(
    server: CosmosServer, client: CosmosClient, offered: str | None
) -> None:
    """Whatever its default throughput is called."""
    database = client.create_database("free", offer_throughput=400 if offered else None)
    container = database.create_container("free", KEY)

    assert {write(server, container, "x", 50).status_code for _ in range(30)} == {201, 200}


def test_other_throughput_counts_at_once(server: CosmosServer, database: DatabaseProxy) -> None:
    """Also that of a container that was created without."""
    container = database.create_container("later", KEY)
    container.replace_throughput(400)
    exhaust(server, container, "x")

    container.replace_throughput(4_000)

    assert write(server, container, "x").status_code == 200


def test_autoscale_counts_with_its_most(server: CosmosServer, database: DatabaseProxy) -> None:
    """It is there at once."""
    offered = ThroughputProperties(auto_scale_max_throughput=4_000)
    container = database.create_container("auto", KEY, offer_throughput=offered)

    assert {write(server, container, "x", 100).status_code for _ in range(5)} == {201, 200}
    assert exhaust(server, container, "x").status_code == 429


def test_throttling_is_left_out_when_asked_for() -> None:
    """As the official emulator does by default."""
    with (
        CosmosServer(throttles=False) as server,
        CosmosClient.from_connection_string(server.connection_string) as client,
    ):
        container = client.create_database("free").create_container("paid", KEY, offer_throughput=400)

        assert {write(server, container, "x", 50).status_code for _ in range(30)} == {201, 200}
