"""Reach the Cosmos accounts that bindings name."""

import importlib
from typing import Any
from urllib.parse import urlsplit

from azure.cosmos import CosmosClient, PartitionKey

from local.functions.errors import HostError
from local.functions.settings import Connection

# Two retries are three attempts, and nine of a change-feed read, which the SDK repeats within its repetition: about as
# many as the ten of the .NET SDK, after which the processor gives a lease up.
_OPTIONS: dict[str, Any] = {"retry_throttle_total": 2, "connection_timeout": 5}


def connect(connection: Connection) -> CosmosClient:
    """Open an account."""
    if connection.connection_string is not None:
        return CosmosClient.from_connection_string(connection.connection_string, **_OPTIONS)
    try:
        identity = importlib.import_module("azure.identity")
    except ImportError:
        raise HostError("a connection by accountEndpoint needs the package azure-identity") from None
    return CosmosClient(connection.endpoint, identity.DefaultAzureCredential(), **_OPTIONS)


def host_of(connection: Connection) -> str:
    """Return the host name of an account, which names its leases."""
    return urlsplit(connection.endpoint).hostname or ""


def create_lease_container(client: CosmosClient, database: str, name: str) -> None:
    """Create a lease container, unless it exists."""
    client.get_database_client(database).create_container_if_not_exists(name, PartitionKey("/id"))
