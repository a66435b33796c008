"""Databases, containers and ranges are what the SDK expects."""

import pytest
from azure.cosmos import ContainerProxy, CosmosClient, DatabaseProxy, PartitionKey
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceExistsError, CosmosResourceNotFoundError


def test_databases_are_created_listed_and_deleted(client: CosmosClient) -> None:
    """A database lives from create to delete."""
    client.create_database_if_not_exists("one")
    client.create_database_if_not_exists("one")

    with pytest.raises(CosmosResourceExistsError):
        client.create_database("one")
    assert [found["id"] for found in client.list_databases()] == ["one"]
    client.delete_database("one")
    assert list(client.list_databases()) == []
    with pytest.raises(CosmosResourceNotFoundError):
        client.get_database_client("one").read()


def test_containers_are_created_listed_and_deleted(database: DatabaseProxy) -> None:
    """A container lives from create to delete and tells its partition key."""
    created = database.create_container_if_not_exists("one", PartitionKey(path="/a/b"))
    database.create_container_if_not_exists("one", PartitionKey(path="/a/b"))

    assert created.read()["partitionKey"] == {"paths": ["/a/b"], "kind": "Hash", "version": 2}
    assert [found["id"] for found in database.query_containers("SELECT * FROM c WHERE c.id = 'one'")] == ["one"]
    with pytest.raises(CosmosResourceExistsError):
        database.create_container("one", PartitionKey(path="/a"))
    database.delete_container("one")
    assert list(database.list_containers()) == []
    with pytest.raises(CosmosResourceNotFoundError):
        database.get_container_client("one").read()


def test_missing_owner_has_a_sub_status(database: DatabaseProxy) -> None:
    """A document's absence and its container's absence are told apart."""
    container = database.create_container("one", PartitionKey(path="/pk"))
    database.delete_container("one")

    with pytest.raises(CosmosResourceNotFoundError) as absence:
        list(container.read_all_items())

    assert absence.value.sub_status in (0, 1003)


def test_recreated_container_refuses_the_old_one_s_clients(database: DatabaseProxy) -> None:
    """A cached resource id of another life is found out; the SDK then reads the new one and goes on."""
    container = database.create_container("one", PartitionKey(path="/pk"))
    container.create_item({"id": "a", "pk": "x"})
    with CosmosClient.from_connection_string(_connection(database)) as other:
        other.get_database_client(database.id).delete_container("one")
        other.get_database_client(database.id).create_container("one", PartitionKey(path="/pk"))

    assert list(container.read_all_items()) == []


@pytest.mark.parametrize(("throughput", "ranges"), [(None, 3), (400, 1), (6000, 1), (6001, 2), (30000, 5)])
def test_throughput_decides_the_number_of_physical_partitions(
    database: DatabaseProxy, throughput: int | None, ranges: int
) -> None:
    """Six thousand request units fill a physical partition; without a throughput the server's default holds."""
    container = database.create_container("one", PartitionKey(path="/pk"), offer_throughput=throughput)

    assert len(list(container.read_feed_ranges())) == ranges
    assert len(list(container.read_feed_ranges(force_refresh=True))) == ranges


def test_property_that_changes_behaviour_is_refused(database: DatabaseProxy) -> None:
    """A unique key would silently be broken."""
    with pytest.raises(CosmosHttpResponseError, match="'uniqueKeyPolicy' is not imitated"):
        database.create_container(
            "one", PartitionKey(path="/pk"), unique_key_policy={"uniqueKeys": [{"paths": ["/email"]}]}
        )


@pytest.mark.parametrize(
    "definition",
    [
        {"paths": ["/a", "/b"], "kind": "Hash", "version": 2},
        {"paths": ["/a", "/b", "/c", "/d"], "kind": "MultiHash", "version": 2},
        {"paths": ["/a"], "kind": "Range"},
        {"paths": ["/a"], "kind": "Hash", "version": 3},
    ],
)
def test_impossible_partition_key_is_refused(database: DatabaseProxy, definition: dict[str, object]) -> None:
    """A hash has one path, a hierarchy up to three."""
    with pytest.raises(CosmosHttpResponseError) as refusal:
        database.create_container("one", definition)

    assert refusal.value.status_code == 400


def test_container_is_replaced(database: DatabaseProxy, container: ContainerProxy) -> None:
    """Other properties are taken; the documents, the identity and the partition key stay."""
    container.create_item({"id": "a", "pk": "x"})
    before = container.read()

    database.replace_container(container, PartitionKey(path="/pk"), default_ttl=100)

    after = container.read()
    assert (after["defaultTtl"], after["_rid"]) == (100, before["_rid"])
    assert after["_etag"] != before["_etag"]
    assert container.read_item("a", "x")["id"] == "a"
    with pytest.raises(CosmosHttpResponseError, match="partitionKey of a container cannot be changed"):
        database.replace_container(container, PartitionKey(path="/other"))


def _connection(database: DatabaseProxy) -> str:
    connection = database.client_connection
    return f"AccountEndpoint={connection.url_connection};AccountKey={connection.master_key};"
