"""The tail of the latest-version feeds: where each ends now, and what came after such a place."""

from collections.abc import Iterator
from dataclasses import dataclass

from cdc.core.documents import JsonObject
from cdc.core.feed_pages import FeedRange
from cdc.cosmos.feeds import CosmosFeed, CosmosFeeds
from cdc.cosmos.places import Place

_PAGE = 200


@dataclass(frozen=True, slots=True)
class Tail:
    """Reads what is new in the feeds; needs no lease, and follows ranges that split."""

    feeds: CosmosFeeds

    def find_ends(self, container: str) -> list[Place]:
        """Return where the feed of a container ends now."""
        with self.feeds.open(container) as feed:
            return [place for range_ in feed.list_ranges() for place in _find_ends(feed, range_)]

    def read_after(self, container: str, places: list[Place]) -> Iterator[tuple[tuple[JsonObject, ...], list[Place]]]:
        """Read from these places to the end, page by page, each with the places from which to read on after it."""
        rest, read = list(places), list[Place]()
        with self.feeds.open(container) as feed:
            while rest:
                place = rest.pop(0)
                page = feed.read(place.range, place.continuation, _PAGE)
                if page.children:
                    rest += [Place(child, place.continuation) for child in page.children]
                    continue
                moved = Place(place.range, page.continuation)
                (read if page.ended else rest).append(moved)
                yield page.documents, [*read, *rest]

    def has_after(self, container: str, places: list[Place]) -> bool:
        """Return whether anything was written after these places; deletes and expiries do not show."""
        return any(documents for documents, _ in self.read_after(container, places))


def _find_ends(feed: CosmosFeed, range_: FeedRange) -> list[Place]:
    page = feed.read_end(range_)
    if page.children:
        return [place for child in page.children for place in _find_ends(feed, child)]
    return [Place(range_, page.continuation)]
