"""Make requests go wrong on purpose."""

import random
from dataclasses import dataclass

from local.cosmos.budget import TOO_MANY_REQUESTS, Budget, throttled
from local.cosmos.errors import CosmosError
from local.cosmos.matching import Match, Request

# A part of the second that is left until there is something to spend again.
RETRY_AFTER_MS = 100


@dataclass(slots=True)
class Fault:
    """Answer, delay or drop the next requests that match; it counts those that it has met.

    With a `share` below 1 it meets that share of them, chosen by chance.
    """

    match: Match
    times: int
    status: int | None = None
    substatus: int = 0
    seconds: float = 0
    drop: bool = False
    executed: bool = False
    share: float = 1.0
    retry_after_ms: int = RETRY_AFTER_MS
    hits: int = 0

    def __post_init__(self) -> None:
        """Refuse what would only break the requests that meet it."""
        if self.times < 1:
            raise ValueError("times must be 1 or more")
        if self.status is not None and not 400 <= self.status < 600:
            raise ValueError("status must be from 400 to 599")
        if self.seconds < 0:
            raise ValueError("seconds must be 0 or more")
        if self.retry_after_ms < 0:
            raise ValueError("retry_after_ms must be 0 or more")
        if not 0 < self.share <= 1:
            raise ValueError("share must be more than 0 and at most 1")

    def meets(self, request: Request) -> bool:
        """Tell whether this request is one of those, and count it."""
        if self.hits >= self.times or not self.match(request):
            return False
        if self.share < 1 and random.random() >= self.share:  # noqa: S311 - a fault, not a secret
            return False
        self.hits += 1
        return True

    def error(self) -> CosmosError | None:
        """Give the refusal that the request is answered with, if any."""
        if self.status is None:
            return None
        if self.status == TOO_MANY_REQUESTS:
            return throttled(self.retry_after_ms)
        return CosmosError(self.status, "This fault was asked for.", substatus=self.substatus)


class Rate:
    """Admit as many requests, or request units, per second as were asked for; a second's worth may come at once."""

    def __init__(self, match: Match, *, requests: float | None, request_units: float | None) -> None:
        if (requests is None) == (request_units is None) or (requests or request_units or 0) <= 0:
            raise ValueError("A rate is a number greater than 0: of requests, or of request units.")
        self._match = match
        self._by_requests = requests is not None
        self._budget = Budget(float(requests or request_units or 0))

    def admit(self, request: Request) -> None:
        """Raise 429 with the time to wait unless there is something left."""
        if self._match(request):
            self._budget.check()
            if self._by_requests:
                self._budget.spend(1)

    def spend(self, request: Request, units: float) -> None:
        """Take what a request has cost from what is left."""
        if not self._by_requests and self._match(request):
            self._budget.spend(units)
