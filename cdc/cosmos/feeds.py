"""The change feeds of Cosmos DB, read page by page under our own continuations.

The SDK's continuations cannot be resumed after a range has split or before it was read. Ours is the etag of one feed
range; each request builds the SDK's continuation from it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from azure.cosmos import CosmosClient

from cdc.core.errors import TransientError
from cdc.core.feed_pages import FeedRange, Page, Size
from cdc.cosmos.account import CosmosAccount
from cdc.cosmos.clients import Clients
from cdc.cosmos.continuation import write_continuation, write_feed_range
from cdc.cosmos.point_reads import read_seconds

# The SDK retries in two nested layers: limit it, and let the caller retry after longer waits.
_THROTTLED_TRIES = 3
_NOT_MODIFIED = 304


class CosmosFeeds:
    """The feeds of all containers."""

    def __init__(self, cosmos: CosmosAccount) -> None:
        self._cosmos = cosmos
        self._clients = Clients(
            partial(cosmos.connect, retry_throttle_total=_THROTTLED_TRIES, retry_throttle_backoff_max=5)
        )

    @contextmanager
    def open(self, container: str) -> Iterator["CosmosFeed"]:
        """Lend the feed of one container to this thread."""
        with self._cosmos.translated_errors(f"the change feed of {container}"), self._clients.lend() as client:
            yield CosmosFeed(client, self._cosmos, container)

    def close(self) -> None:
        """Close the connections of the clients that are not lent."""
        self._clients.close()


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
        """Read the page after a continuation of this range, or of the range that it was split from."""
        return self._read_page(range_, continuation, size, "Beginning")

    def read_since(self, range_: FeedRange, ts: int, size: int) -> Page:
        """Read the first page of what was written after this time, in seconds; a start by time costs two requests."""
        return self._read_page(range_, None, size, datetime.fromtimestamp(ts, UTC))

    def read_end(self, range_: FeedRange) -> Page:
        """Return a page without documents, whose continuation is the current end of this range."""
        return self._read_page(range_, None, 1, "Now")

    def _read_page(self, range_: FeedRange, continuation: str | None, size: int, start: str | datetime) -> Page:
        answers = _Answers()
        try:
            with self._cosmos.translated_errors(self._what):
                documents = self._read(range_, continuation, size, answers, start)
                children = self._children(range_)
        except RecursionError:  # the SDK recurses when a range stays gone
            self._container.read_feed_ranges(force_refresh=True)
            raise TransientError(f"The feed ranges of {self._what} are moving in Cosmos.") from None
        if children:  # the page may belong to one child only
            return Page((), continuation, ended=False, request_units=answers.request_units, children=children)
        ended = answers.status == _NOT_MODIFIED
        return Page(documents, answers.etag or continuation, ended, answers.request_units)

    def _read(
        self, range_: FeedRange, continuation: str | None, size: int, answers: "_Answers", start: str | datetime
    ) -> tuple[dict[str, Any], ...]:
        options: dict[str, Any] = {"max_item_count": size, "raw_response_hook": answers.see}
        if continuation is None:
            options |= {"feed_range": write_feed_range(range_), "start_time": start}
        else:
            options["continuation"] = write_continuation(self._rid, range_, continuation)
        pages = self._container.query_items_change_feed(**options).by_page()
        try:
            return tuple(dict(document) for document in next(pages, ()))
        finally:
            # The iterator refers to itself: its page would stay in memory until the next garbage collection.
            vars(pages).clear()

    def _children(self, range_: FeedRange) -> tuple[FeedRange, ...]:
        # From the SDK's cache, which the SDK refreshes when a range is gone. After a merge, our range is only a part of
        # a physical one: another cursor copies the rest.
        found = tuple(
            FeedRange(max(each.min, range_.min), min(each.max, range_.max))
            for each in self.list_ranges()
            if each.min < range_.max and range_.min < each.max
        )
        return found if len(found) > 1 else ()


class _Answers:
    """Collect headers of all answers to one call; the SDK hides them and keeps only the last answer."""

    def __init__(self) -> None:
        self.status = 0
        self.etag: str | None = None
        self.seconds = 0
        self.request_units = 0.0

    def see(self, answer: Any) -> None:
        """Record one answer."""
        headers: Mapping[str, str] = answer.http_response.headers
        self.status = answer.http_response.status_code
        self.etag = headers.get("etag")
        self.seconds = read_seconds(headers)
        self.request_units += float(headers.get("x-ms-request-charge", 0))
