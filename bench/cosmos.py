"""Read a change feed with the sync SDK from local.cosmos and from a bare server that sends the same pages."""

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey

from local.cosmos import auth

GOAL = 0.5
PAGE = 1000
BATCH = 100
# With the properties that the server adds, a document weighs one kilobyte.
FILLER = "x" * 772


def run(documents: int, rounds: int) -> int:
    """Print both rates and their ratio, and return 1 when it is less than the goal."""
    with _serve("local.cosmos", "--port", "0") as address, _serve("bench.bare", address) as bare_address:
        weight = _fill(_container(address), documents)
        print(f"{documents} documents of {weight} bytes, pages of {PAGE}, {rounds} rounds of both in turn", flush=True)
        servers = {"local.cosmos": _container(address), "bare server": _container(bare_address)}
        for container in servers.values():  # connections, caches and the bare server's pages
            _read(container, documents)
        rates: dict[str, list[float]] = {name: [] for name in servers}
        for number in range(rounds):
            for name in list(servers)[:: 1 if number % 2 else -1]:
                rates[name].append(_read(servers[name], documents))
    return _report(rates)


def _report(rates: dict[str, list[float]]) -> int:
    medians = {name: statistics.median(each) for name, each in rates.items()}
    for name, median in medians.items():
        print(f"{name:12} {median:9,.0f} documents/s (from {min(rates[name]):,.0f} to {max(rates[name]):,.0f})")
    ratio = medians["local.cosmos"] / medians["bare server"]
    print(f"ratio of the medians: {ratio:.2f} (at least {GOAL})")
    return 0 if ratio >= GOAL else 1


@contextmanager
def _serve(module: str, *arguments: str) -> Iterator[str]:
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = re.search(r"http://\S+/", line)
            if found is None:
                raise SystemExit(f"bench: {module} did not start")
            yield found[0]
        finally:
            process.terminate()


def _container(address: str) -> ContainerProxy:
    client = CosmosClient(address, auth.EMULATOR_KEY)
    database = client.create_database_if_not_exists("bench")
    return database.create_container_if_not_exists("documents", PartitionKey("/pk"))


def _fill(container: ContainerProxy, documents: int) -> int:
    for first in range(0, documents, BATCH):
        numbers = range(first, min(first + BATCH, documents))
        operations = [("create", ({"id": str(number), "pk": str(first), "text": FILLER},)) for number in numbers]
        container.execute_item_batch(operations, str(first))
    page = next(container.query_items_change_feed(start_time="Beginning", max_item_count=PAGE).by_page())
    next(iter(page))
    length = int(container.client_connection.last_response_headers["Content-Length"])
    return round(length / min(PAGE, documents))


def _read(container: ContainerProxy, documents: int) -> float:
    options: dict[str, Any] = {"start_time": "Beginning", "max_item_count": PAGE}
    begun = time.perf_counter()
    found = sum(len(list(page)) for page in container.query_items_change_feed(**options).by_page())
    seconds = time.perf_counter() - begun
    if found != documents:
        raise SystemExit(f"bench: {found} documents were read instead of {documents}")
    return documents / seconds
