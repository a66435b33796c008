"""The key space of a container: the leases of its feed must cover each part of it exactly once."""

from collections.abc import Iterable

from cdc.core.feed_pages import FeedRange

_FIRST, _LAST = "", "FF"
_SHOWN = 3


def find_gaps(ranges: Iterable[FeedRange]) -> list[FeedRange]:
    """Return the parts of the key space that no range covers."""
    gaps, covered = [], _FIRST
    for each in [*_in_order(ranges), FeedRange(_LAST, _LAST)]:
        if each.min > covered:
            gaps.append(FeedRange(covered, each.min))
        covered = max(covered, each.max)
    return gaps


def find_doubles(ranges: Iterable[FeedRange]) -> list[FeedRange]:
    """Return the parts of the key space that more than one range covers."""
    doubles, covered = [], _FIRST
    for each in _in_order(ranges):
        if each.min < covered:
            doubles.append(FeedRange(each.min, min(covered, each.max)))
        covered = max(covered, each.max)
    return doubles


def describe(ranges: list[FeedRange]) -> str:
    """Name the first few ranges; they are bounds of hashes, which say nothing about a document."""
    names = [f'"{each.min}" to "{each.max}"' for each in ranges[:_SHOWN]]
    return ", ".join(names) + (f" and {len(ranges) - _SHOWN} more" if len(ranges) > _SHOWN else "")


def _in_order(ranges: Iterable[FeedRange]) -> list[FeedRange]:
    return sorted(ranges, key=lambda each: (each.min, each.max))
