"""Read the change feed of one feed range, page by page, from an etag of our own."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azure.cosmos import ContainerProxy

from local.functions import successors
from local.functions.errors import HostError
from local.functions.leases import Lease
from local.functions.ranges import PartitionRanges
from local.functions.signature import JsonObject
from local.functions.triggers import CosmosTrigger

# What the SDK says of a continuation when the container has another resource id than the one it was made for.
_MADE_AGAIN = "Mismatch collection rid"


class RangeGoneError(Exception):
    """Say that the physical partition of a lease has split or merged."""


@dataclass(frozen=True, slots=True)
class Page:
    """Hold what one read delivered, the etag to read on from, and whether it was a page: one can be empty.

    No page means that nothing is new.
    """

    documents: list[JsonObject]
    continuation: str
    is_page: bool = True


class RangeReader:
    """Read the pages of one lease's feed range."""

    def __init__(
        self, container: ContainerProxy, ranges: PartitionRanges, trigger: CosmosTrigger, lease: Lease, *, rid: str
    ) -> None:
        self._container = container
        self._ranges = ranges
        self._rid = rid
        self._trigger = trigger
        self._lease = lease
        self._range = {"min": lease.low, "max": lease.high, "isMinInclusive": True, "isMaxInclusive": False}

    def read(self, continuation: str | None) -> Page:
        """Return the next page, or that nothing is new."""
        try:
            return self._read(continuation)
        except ValueError as error:
            if _MADE_AGAIN not in str(error):
                raise
            raise HostError(
                f"the container {self._trigger.container} was deleted and made again: start the host again, and it "
                "follows the new one under leases of its own, from where its trigger begins"
            ) from None

    def _read(self, continuation: str | None) -> Page:
        answers: list[Mapping[str, Any]] = []
        bodies: list[Any] = []

        def note(headers: Mapping[str, Any], body: Any) -> None:
            answers.append(headers)
            bodies.append(body)

        pages = self._container.query_items_change_feed(
            max_item_count=self._trigger.max_items, response_hook=note, **self._position(continuation)
        ).by_page()
        documents = [dict(document) for document in next(pages, ())]
        if successors.is_gone(self._lease, self._ranges.find(self._lease.low, self._lease.high)):
            raise RangeGoneError
        # The SDK writes its composite token into the headers of the request after the hook has run. The client's
        # last_response_headers belong to whichever thread was answered last. Only 304 has no body.
        return Page(documents, _etag_of(answers[-1]["etag"]), is_page=any(bodies))

    def _position(self, continuation: str | None) -> dict[str, Any]:
        if continuation is not None:
            return {"continuation": self._token(continuation)}
        return {"feed_range": {"Range": self._range}, "start_time": self._trigger.start, "mode": self._trigger.mode}

    def _token(self, etag: str) -> str:
        # A token that began at a point in time cannot be resumed by the SDK (azure-sdk-for-python issue 43018). With an
        # etag present the start is of no account, so every token says Beginning.
        state = {
            "v": "v2",
            "containerRid": self._rid,
            "mode": self._trigger.mode,
            "startFrom": {"Type": "Beginning"},
            "continuation": {
                "v": "v2",
                "rid": self._rid,
                "continuation": [{"token": etag, "range": self._range}],
                "Range": self._range,
            },
        }
        return base64.b64encode(json.dumps(state).encode()).decode()


def _etag_of(token: str) -> str:
    ranges = json.loads(base64.b64decode(token))["continuation"]["continuation"]
    if len(ranges) != 1:
        raise RangeGoneError
    return str(ranges[0]["token"])
