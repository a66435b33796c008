"""The source database, and steady changes of it."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey
from azure.cosmos.partition_key import NonePartitionKeyValue

from local.cosmos.auth import EMULATOR_KEY
from local.sample.families import Sample
from local.sample.values import Document

DATABASE = "MystiraAppDb"
EMULATOR = f"AccountEndpoint=http://127.0.0.1:8081/;AccountKey={EMULATOR_KEY};"
# The containers of the sample. A hierarchical key is written as its paths, separated by commas.
PARTITION_KEYS: Mapping[str, str] = {
    "Accounts": "/id",
    "UserProfiles": "/id",
    "GameSessions": "/accountId",
    "PlayerScenarioScores": "/ProfileId",
    "PendingSignups": "/email",
}
_ALL_VERSIONS = {"change_feed_policy": {"retentionDuration": 10}, "default_ttl": -1}


@dataclass(frozen=True)
class Source:
    """The source database, as an application would use it."""

    client: CosmosClient
    containers: Mapping[str, ContainerProxy]
    partition_keys: Mapping[str, str] = field(default_factory=lambda: PARTITION_KEYS)

    @classmethod
    def open(
        cls,
        connection: str,
        database: str,
        containers: Mapping[str, str] = PARTITION_KEYS,
        *,
        all_versions: bool = False,
    ) -> "Source":
        """Connect, and create the database and the containers where they are missing.

        `containers` are names with their partition keys, such as /id or /tenant,/id.
        With `all_versions` new containers keep every version and delete for ten minutes, and let documents expire.
        """
        options: dict[str, Any] = _ALL_VERSIONS if all_versions else {}
        client = CosmosClient.from_connection_string(connection)
        proxy = client.create_database_if_not_exists(database)
        return cls(
            client,
            {
                name: proxy.create_container_if_not_exists(name, make_partition_key(paths), **options)
                for name, paths in containers.items()
            },
            containers,
        )

    def write(self, container: str, document: Document) -> Document:
        """Upsert one document and return it as the source keeps it."""
        return dict(self.containers[container].upsert_item(document))

    def delete(self, container: str, document: Document) -> None:
        """Delete one document; where it lacks the partition key, it stands under no value at all."""
        names = self.partition_keys[container].removeprefix("/").split(",/")
        keys = [document.get(name, NonePartitionKeyValue) for name in names]
        self.containers[container].delete_item(document["id"], keys if len(keys) > 1 else keys[0])

    def count(self, container: str) -> int:
        """Count the documents of a container."""
        proxy = self.containers[container]
        counts: list[Any] = [
            next(iter(proxy.query_items("SELECT VALUE COUNT(1) FROM c", feed_range=feed_range)))
            for feed_range in proxy.read_feed_ranges()
        ]
        return sum(counts)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def make_partition_key(text: str) -> PartitionKey:
    """Return the partition key of a text such as /id, or /tenant,/id for a hierarchical one."""
    paths = text.split(",")
    return PartitionKey(paths[0]) if len(paths) == 1 else PartitionKey(paths, kind="MultiHash")


def write_changes(sample: Sample, source: Source, *, per_second: float, seconds: float) -> Iterator[int]:
    """Write changes at a steady pace for a while; yield how many were written so far."""
    start = time.monotonic()
    for number in range(int(per_second * seconds)):
        time.sleep(max(0.0, start + number / per_second - time.monotonic()))
        source.write(*sample.change())
        yield number + 1
