"""The source database is worked as an application would work it."""

from local.cosmos import CosmosServer
from local.sample import DATABASE, PARTITION_KEYS, Sample, Source


def test_the_source_deletes_documents_with_and_without_a_partition_key():
    """Sessions of generation A lack the property that the container is partitioned by."""
    with CosmosServer(port=0) as server:
        source = Source.open(server.connection_string, DATABASE)
        sample = Sample(1, containers=PARTITION_KEYS, mix={"A": 1, "D": 1})
        for document in sample.create(60):
            source.write(*document)
        assert sum(map(source.count, PARTITION_KEYS)) == 60

        for _ in range(60):
            source.delete(*sample.delete())

        assert sum(map(source.count, PARTITION_KEYS)) == 0
        source.close()


def test_containers_are_data():
    """Other containers than the sample's, also with a hierarchical key: documents come and go."""
    with CosmosServer(port=0) as server:
        source = Source.open(
            server.connection_string, DATABASE, {"Orders": "/customerId", "Lines": "/tenantId,/orderId"}
        )
        line = {"id": "l", "tenantId": "t", "orderId": 7}
        source.write("Orders", {"id": "o", "customerId": "c"})
        source.write("Lines", line)

        assert (source.count("Orders"), source.count("Lines")) == (1, 1)
        assert source.containers["Lines"].read()["partitionKey"]["paths"] == ["/tenantId", "/orderId"]

        source.delete("Orders", {"id": "o", "customerId": "c"})
        source.delete("Lines", line)
        assert (source.count("Orders"), source.count("Lines")) == (0, 0)
        source.close()
