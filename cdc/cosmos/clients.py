"""The SDK's clients: each is lent to one thread at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from azure.cosmos import CosmosClient


class Clients:
    """A pool that grows with the number of threads that ask at the same time.

    The SDK keeps the headers of the last answer on the client: two threads on one client would mix them up. A lock
    would let all threads wait for one answer.
    """

    def __init__(self, connect: Callable[[], CosmosClient]) -> None:
        self._connect = connect
        self._free: list[CosmosClient] = []
        self._lock = Lock()

    @contextmanager
    def lend(self) -> Iterator[CosmosClient]:
        """Lend a client to this thread."""
        client = self._take() or self._connect()
        try:
            yield client
        finally:
            with self._lock:
                self._free.append(client)

    def close(self) -> None:
        """Close the connections of the clients that are not lent."""
        while client := self._take():
            client.close()

    def _take(self) -> CosmosClient | None:
        with self._lock:
            return self._free.pop() if self._free else None
