"""Keep items in the order of growing numbers and find any position by bisecting."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")

SPARSE = 256


class Log(Generic[Item]):
    """Hold numbered items, oldest first; what is removed leaves a gap until the gaps outnumber the items."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._items: list[Item | None] = []
        self._gaps = 0

    def __len__(self) -> int:
        return len(self._items) - self._gaps

    def append(self, number: int, item: Item) -> None:
        """Add an item under a number greater than all before."""
        self._numbers.append(number)
        self._items.append(item)

    def get(self, number: int) -> Item | None:
        """Find the item with this number."""
        index = bisect_left(self._numbers, number)
        return self._items[index] if index < len(self._numbers) and self._numbers[index] == number else None

    def replace(self, number: int, item: Item) -> None:
        """Put another item in the place of the one with this number."""
        self._items[bisect_left(self._numbers, number)] = item

    def remove(self, number: int) -> None:
        """Take out the item with this number."""
        self._items[bisect_left(self._numbers, number)] = None
        self._gaps += 1
        if self._gaps > SPARSE and self._gaps * 2 > len(self._items):
            self._close_gaps()

    def after(self, number: int) -> Iterator[Item]:
        """Walk the items with greater numbers; only valid until the next write."""
        for index in range(bisect_right(self._numbers, number), len(self._items)):
            item = self._items[index]
            if item is not None:
                yield item

    def _close_gaps(self) -> None:
        kept = [(number, item) for number, item in zip(self._numbers, self._items, strict=True) if item is not None]
        self._numbers = [number for number, _ in kept]
        self._items = [item for _, item in kept]
        self._gaps = 0
