"""The places of leases in their feed, and what the feed holds between two of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from cdc.core.documents import JsonObject
from cdc.core.errors import FatalError, RetentionError
from cdc.core.feed_items import FeedMode
from cdc.core.feed_pages import FeedRange
from cdc.core.source_container import SourceContainer
from cdc.cosmos import key_space
from cdc.cosmos.account import CosmosAccount, is_bad_request
from cdc.cosmos.continuation import write_continuation, write_feed_range

_NOT_MODIFIED = 304
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Place:
    """A feed range and the etag up to which it was delivered; None if nothing was."""

    range: FeedRange
    continuation: str | None

    def write(self) -> JsonObject:
        """Return it as JSON."""
        return {"min": self.range.min, "max": self.range.max, "continuation": self.continuation}

    @classmethod
    def read(cls, found: JsonObject) -> "Place":
        """Read it from JSON."""
        return cls(FeedRange(found["min"], found["max"]), found["continuation"])

    @property
    def lsn(self) -> int:
        """Return the lsn of the last item that was delivered: an etag is an lsn in quotes."""
        return int((self.continuation or "0").strip('"'))


def pair(before: Sequence[Place], after: Sequence[Place]) -> Iterator[tuple[Place, Place]]:
    """Return each part of the key space with both of its places: leases may have split or merged in between."""
    for old in before:
        for new in after:
            low, high = max(old.range.min, new.range.min), min(old.range.max, new.range.max)
            if low < high:
                yield Place(FeedRange(low, high), old.continuation), Place(FeedRange(low, high), new.continuation)


def follow(before: Sequence[Place], after: Sequence[Place]) -> list[Place]:
    """Return where the feed is now; a part whose lease is not there, or has no position, stays where it was.

    While a split is written down, a part may have no lease for a moment. Somebody may have deleted it: then another one
    begins later.
    """
    places = [place for place in after if place.continuation is not None]
    for rest in (before, [place for place in after if place.continuation is None]):
        gaps = [Place(gap, None) for gap in key_space.find_gaps([place.range for place in places])]
        places += [place for place, _ in pair(rest, gaps)]
    return places


@dataclass(frozen=True, slots=True)
class PlaceReader:
    """Reads feeds of one mode from a place; a trigger without a position begins at `start`."""

    account: CosmosAccount
    mode: FeedMode
    start: datetime | Literal["beginning"]

    def read_between(self, origin: SourceContainer, before: Place, after: Place) -> Iterator[list[JsonObject]]:
        """Read what the feed holds after one place and not after the other, page by page.

        Raises RetentionError if the feed cannot be read from the first place any more.
        """
        while True:
            items, etag, ended = self._read_page(origin, before)
            found = [item for item in items if self._lsn(item) <= after.lsn]
            if found:
                yield found
            if ended or len(found) < len(items) or etag == before.continuation:
                return
            before = replace(before, continuation=etag)
            if before.lsn >= after.lsn:
                return

    def _read_page(self, origin: SourceContainer, place: Place) -> tuple[list[JsonObject], str, bool]:
        """Read a page; return its items, where the next one begins, and whether nothing is left for now."""
        answers: list[tuple[int, str]] = []

        def note(answer: Any) -> None:  # read the header now: the SDK later replaces it with its own continuation
            answers.append((answer.http_response.status_code, str(answer.http_response.headers.get("etag"))))

        try:
            with self.account.open_container(origin.container) as proxy:
                options = self._position(origin, place) | {"max_item_count": _PAGE, "raw_response_hook": note}
                items = [dict(item) for item in next(proxy.query_items_change_feed(**options).by_page(), ())]
        except FatalError as error:
            if not is_bad_request(error):
                raise
            raise RetentionError(f"The change feed of {origin.container} does not go back to this place.") from error
        status, etag = answers[-1]
        return items, etag, status == _NOT_MODIFIED

    def _position(self, origin: SourceContainer, place: Place) -> JsonObject:
        if place.continuation is not None:
            return {"continuation": write_continuation(origin.rid, place.range, place.continuation, self.mode)}
        start = "Beginning" if self.start == "beginning" else self.start
        return {"feed_range": write_feed_range(place.range), "start_time": start}

    def _lsn(self, item: JsonObject) -> int:
        return int(item["_lsn"] if self.mode is FeedMode.LATEST_VERSION else item["metadata"]["lsn"])
