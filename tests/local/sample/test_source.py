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
