"""Spend no more in a second than there is for it."""

import math
import time

from local.cosmos.errors import CosmosError

TOO_MANY_REQUESTS = 429
THROTTLED = 3200


class Budget:
    """Hold what is left of a second's worth. Each second brings as much again, and nothing is saved for later.

    What costs more than is left is done, and the following seconds pay for it.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second)
        self._left = self._most
        self._since = time.monotonic()

    def check(self) -> None:
        """Raise 429 with the time until there is something left again."""
        now = time.monotonic()
        seconds = math.floor(now - self._since)
        self._since += seconds
        self._left = min(self._most, self._left + seconds * self._per_second)
        if self._left < 1:
            missing = math.ceil((1 - self._left) / self._per_second)
            raise throttled(math.ceil(1000 * (self._since + missing - now)))

    def spend(self, units: float) -> None:
        """Take what something has cost."""
        self._left -= units


def throttled(milliseconds: int) -> CosmosError:
    """Refuse a request that comes too fast."""
    return CosmosError(
        TOO_MANY_REQUESTS,
        "Request rate is large. More Request Units may be needed, so no changes were made. Please retry later.",
        substatus=THROTTLED,
        headers={"x-ms-retry-after-ms": str(milliseconds)},
    )
