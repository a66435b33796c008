"""The change feeds of Cosmos DB, read page by page under continuations of our own.

The SDK's own continuations cannot be resumed where a range has split, or was not read yet. Ours is the etag of one feed
range, from which a continuation for one request is built.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

from azure.cosmos import CosmosClient

from cdc.core.errors import TransientError
from cdc.core.feed_pages import FeedRange, Page, Size
from cdc.cosmos.account import CosmosAccount, read_seconds
from cdc.cosmos.continuation import write_continuation, write_feed_range

# The SDK tries again in two layers, one within the other: what waits longer is for the caller to try again.
_THROTTLED_TRIES = 3
_NOT_MODIFIED = 304


class CosmosFeeds:
    """The feeds of all containers; lends each of its clients to one thread at a time.

    The SDK keeps the last answer on the client, so that two threads would take one's continuation for the other's.
    """

    def __init__(self, cosmos: CosmosAccount) -> None:
        self._cosmos = cosmos
        self._free: list[CosmosClient] = []
        self._lock = Lock()

    @contextmanager
    def open(self, container: str) -> Iterator["CosmosFeed"]:
        """Lend the feed of one container."""
        with self._cosmos.translated_errors(f"the change feed of {container}"):
            client = self._take()
            try:
                yield CosmosFeed(client, self._cosmos, container)
            finally:
                with self._lock:
                    self._free.append(client)

    def _take(self) -> CosmosClient:
        with self._lock:
            if self._free:
                return self._free.pop()
        return self._cosmos.connect(retry_throttle_total=_THROTTLED_TRIES, retry_throttle_backoff_max=5)

    def close(self) -> None:
        """Close the connections of the clients that are not lent."""
        with self._lock:
            for client in self._free:
                client.close()
            self._free.clear()


class CosmosFeed:
    """The latest-version change feed of one container on Cosmos DB, for one thread."""

    def __init__(self, client: CosmosClient, cosmos: CosmosAccount, container: str) -> None:
        self._cosmos = cosmos
        self._what = f"the change feed of {container}"
        with cosmos.translated_errors(self._what):
            self._container = client.get_database_client(cosmos.database).get_container_client(container)
            self._rid = str(self._container.read()["_rid"])

    def list_ranges(self) -> list[FeedRange]:
        """Return the physical feed ranges, in order."""
        with self._cosmos.translated_errors(self._what):
            found = (each["Range"] for each in self._container.read_feed_ranges())
            return sorted((FeedRange(each["min"], each["max"]) for each in found), key=lambda range_: range_.min)

    def measure(self) -> Size:
        answers = _Answers()
        documents = 0
        with self._cosmos.translated_errors(self._what):
            for range_ in self.list_ranges():
                counts = self._container.query_items(
                    "SELECT VALUE COUNT(1) FROM c", feed_range=write_feed_range(range_), raw_response_hook=answers.see
                )
                documents += sum(int(str(count)) for count in counts)
        return Size(documents, answers.seconds, answers.request_units)

    def read(self, range_: FeedRange, continuation: str | None, size: int) -> Page:
        """Read the page that follows a continuation of this range, or of the one that it came from by a split."""
        answers = _Answers()
        try:
            with self._cosmos.translated_errors(self._what):
                documents = self._read(range_, continuation, size, answers)
                children = self._children(range_)
        except RecursionError:  # what the SDK makes of a range that stays gone
            self._container.read_feed_ranges(force_refresh=True)
            raise TransientError(f"Cosmos moves the feed ranges of {self._what} about.") from None
        if children:  # what the SDK has read may be the page of one child
            return Page((), continuation, ended=False, request_units=answers.request_units, children=children)
        ended = answers.status == _NOT_MODIFIED
        return Page(documents, answers.etag or continuation, ended, answers.request_units)

    def _read(
        self, range_: FeedRange, continuation: str | None, size: int, answers: "_Answers"
    ) -> tuple[dict[str, Any], ...]:
        options: dict[str, Any] = {"max_item_count": size, "raw_response_hook": answers.see}
        if continuation is None:
            options |= {"feed_range": write_feed_range(range_), "start_time": "Beginning"}
        else:
            options["continuation"] = write_continuation(self._rid, range_, continuation)
        pages = self._container.query_items_change_feed(**options).by_page()
        try:
            return tuple(dict(document) for document in next(pages, ()))
        finally:
            # It refers to itself: its page would stay in memory until the garbage collector comes by.
            vars(pages).clear()

    def _children(self, range_: FeedRange) -> tuple[FeedRange, ...]:
        # From the SDK's memory, which it has renewed when a range was gone. After a merge a range is a part of a
        # physical one, and what is next to it is another's to copy.
        found = tuple(
            FeedRange(max(each.min, range_.min), min(each.max, range_.max))
            for each in self.list_ranges()
            if each.min < range_.max and range_.min < each.max
        )
        return found if len(found) > 1 else ()


class _Answers:
    """What the answers to one call said that the SDK hides: the client remembers the last one only."""

    def __init__(self) -> None:
        self.status = 0
        self.etag: str | None = None
        self.seconds = 0
        self.request_units = 0.0

    def see(self, answer: Any) -> None:
        """Look at one answer."""
        headers: Mapping[str, str] = answer.http_response.headers
        self.status = answer.http_response.status_code
        self.etag = headers.get("etag")
        self.seconds = read_seconds(headers)
        self.request_units += float(headers.get("x-ms-request-charge", 0))
