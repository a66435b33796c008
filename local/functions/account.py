"""Reach the Cosmos accounts that bindings name."""

import importlib
from typing import Any
from urllib.parse import urlsplit

from azure.cosmos import CosmosClient, PartitionKey

from local.functions.errors import HostError
from local.functions.settings import Connection

# Throttling is waited out by the caller: the SDK multiplies its own retries of change-feed requests.
_OPTIONS: dict[str, Any] = {"retry_throttle_total": 1, "connection_timeout": 5}


def connect(connection: Connection) -> CosmosClient:
    """Open an account."""
    if connection.connection_string is not None:
        try:
            return CosmosClient.from_connection_string(connection.connection_string, **_OPTIONS)
        except ValueError as error:
            raise HostError(f"a Cosmos connection string cannot be read: {error}") from None
    try:
        identity = importlib.import_module("azure.identity")
    except ImportError:
        raise HostError("a connection by accountEndpoint needs the package azure-identity") from None
    return CosmosClient(str(connection.endpoint), identity.DefaultAzureCredential(), **_OPTIONS)


def host_of(connection: Connection) -> str:
    """Return the host name of an account, which names its leases."""
    endpoint = connection.endpoint
    if connection.connection_string is not None:
        parts = dict(part.split("=", 1) for part in connection.connection_string.split(";") if "=" in part)
        endpoint = parts["AccountEndpoint"]
    return urlsplit(endpoint or "").hostname or ""


def create_lease_container(client: CosmosClient, database: str, name: str) -> None:
    """Create a lease container, unless it exists."""
    client.get_database_client(database).create_container_if_not_exists(name, PartitionKey("/id"))
