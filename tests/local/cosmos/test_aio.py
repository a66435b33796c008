"""The SDK's asynchronous client is served as well."""

import asyncio
from typing import Any

from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient

from local.cosmos import CosmosServer


async def _read_through_a_split(server: CosmosServer) -> list[str]:
    async with CosmosClient(server.endpoint, server.key) as client:
        database = await client.create_database("db")
        container = await database.create_container("things", PartitionKey("/pk"))
        for number in range(40):
            await container.create_item({"id": str(number), "pk": str(number)})
        options: dict[str, Any] = {"start_time": "Beginning", "max_item_count": 5}
        pages = container.query_items_change_feed(**options).by_page()
        found = [document["id"] async for document in await anext(pages)]
        server.controls.split("db", "things")
        async for page in pages:
            found += [document["id"] async for document in page]
        return found


def test_a_change_feed_is_read_through_a_split() -> None:
    """Every document comes once, although its range is divided after the first page."""
    with CosmosServer() as server:
        found = asyncio.run(_read_through_a_split(server))

    assert sorted(found, key=int) == [str(number) for number in range(40)]
