"""Count different values in bounded memory.

All hashes are kept at first, later those of every second value, every fourth, and so on: of a value that is kept,
every occurrence is seen. Numbers of values are then estimates.
"""

from collections import Counter
from collections.abc import Hashable, Set


def mix(value: Hashable) -> int:
    """Return a value's hash; that of a small number alone would be the number."""
    return hash((value, ""))


class Sketch:
    """Counts different values, and those that occur more than once."""

    __slots__ = ("at_most", "counts", "mask")

    def __init__(self, at_most: int) -> None:
        self.at_most = at_most
        self.counts: Counter[int] = Counter()
        self.mask = 0

    def add(self, value: Hashable) -> None:
        """Count a value."""
        self._count(mix(value), 1)

    def merge(self, other: "Sketch") -> None:
        """Count all values of another sketch."""
        if other.mask > self.mask:
            self._thin(other.mask)
        for hashed, count in other.counts.items():
            self._count(hashed, count)

    @property
    def exact(self) -> bool:
        """Return whether all values were kept."""
        return not self.mask

    @property
    def distinct(self) -> int:
        """Return how many different values there are."""
        return len(self.counts) * (self.mask + 1)

    @property
    def repeated(self) -> int:
        """Return how many of the different values occur more than once."""
        return sum(count > 1 for count in self.counts.values()) * (self.mask + 1)

    def _count(self, hashed: int, count: int) -> None:
        if hashed & self.mask:
            return
        self.counts[hashed] += count
        while len(self.counts) > self.at_most:
            self._thin(self.mask * 2 + 1)

    def _thin(self, mask: int) -> None:
        self.mask = mask
        self.counts = Counter({hashed: count for hashed, count in self.counts.items() if not hashed & mask})


class Owners:
    """Counts different keys, and those that have more than one owner; one owner may come twice."""

    __slots__ = ("at_most", "mask", "owners", "shared_keys")

    def __init__(self, at_most: int) -> None:
        self.at_most = at_most
        self.owners: dict[int, int] = {}
        self.shared_keys: set[int] = set()
        self.mask = 0

    def add(self, key: Hashable, owner: Hashable) -> None:
        """Count a key and its owner."""
        self._own(mix(key), mix(owner))

    def merge(self, other: "Owners") -> None:
        """Count all keys of others."""
        if other.mask > self.mask:
            self.thin(other.mask)
        for key, owner in other.owners.items():
            self._own(key, owner)
        self.shared_keys |= {key for key in other.shared_keys if not key & self.mask}

    @property
    def exact(self) -> bool:
        """Return whether all keys were kept."""
        return not self.mask

    @property
    def distinct(self) -> int:
        """Return how many different keys there are."""
        return len(self.owners) * (self.mask + 1)

    @property
    def shared(self) -> int:
        """Return how many keys have more than one owner."""
        return len(self.shared_keys) * (self.mask + 1)

    def count_missing(self, parents: Set[int]) -> int:
        """Return how many keys are not among these hashes, which must have been kept to the same mask."""
        return len(self.owners.keys() - parents) * (self.mask + 1)

    def thin(self, mask: int) -> None:
        """Keep only the keys of a mask."""
        self.mask = mask
        self.owners = {key: owner for key, owner in self.owners.items() if not key & mask}
        self.shared_keys = {key for key in self.shared_keys if not key & mask}

    def _own(self, key: int, owner: int) -> None:
        if key & self.mask:
            return
        if self.owners.setdefault(key, owner) != owner:
            self.shared_keys.add(key)
        while len(self.owners) > self.at_most:
            self.thin(self.mask * 2 + 1)
