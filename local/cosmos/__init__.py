"""Imitate Azure Cosmos DB over HTTP for the unmodified azure-cosmos SDK."""

from local.cosmos.server import CosmosServer

__all__ = ["CosmosServer"]
