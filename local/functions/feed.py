"""Read the change feed of one feed range, page by page, from an etag of our own."""

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError
from azure.cosmos import ContainerProxy

from local.functions.errors import HostError
from local.functions.leases import Lease
from local.functions.signature import JsonObject
from local.functions.triggers import CosmosTrigger

if TYPE_CHECKING:
    from collections.abc import Mapping

# What the SDK says of a continuation when the container has another resource id than the one it was made for.
_MADE_AGAIN = "Mismatch collection rid"


class RangeSplitError(Exception):
    """Say that a feed range is no longer one physical partition."""


@dataclass(frozen=True, slots=True)
class Page:
    """Hold what one read delivered, and the etag to read on from."""

    documents: list[JsonObject]
    continuation: str


class RangeReader:
    """Read the pages of one lease's feed range."""

    def __init__(self, container: ContainerProxy, container_rid: str, trigger: CosmosTrigger, lease: Lease) -> None:
        self._container = container
        self._rid = container_rid
        self._trigger = trigger
        self._range = {"min": lease.low, "max": lease.high, "isMinInclusive": True, "isMaxInclusive": False}

    def read(self, continuation: str | None) -> Page:
        """Return the next page, which is empty when nothing is new."""
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
        pages = self._container.query_items_change_feed(
            max_item_count=self._trigger.max_items,
            response_hook=lambda headers, _: answers.append(headers),
            **self._position(continuation),
        ).by_page()
        documents = [dict(document) for document in next(pages, ())]
        # The SDK writes its composite token into the headers of the request after the hook has run. The client's
        # last_response_headers belong to whichever thread was answered last.
        return Page(documents, _etag_of(answers[-1]["etag"]))

    def read_parts(self) -> list[tuple[str, str]]:
        """Return the physical partitions that a split left in the feed range."""
        low, high = self._range["min"], self._range["max"]
        found = [each["Range"] for each in self._container.read_feed_ranges(force_refresh=True)]
        parts = sorted((each["min"], each["max"]) for each in found if each["min"] >= low and each["max"] <= high)
        ends = [low, *(end for _, end in parts)]
        if len(parts) < 2 or [begin for begin, _ in parts] != ends[:-1] or ends[-1] != high:
            # What a part misses, no lease would follow.
            raise AzureError(f"the parts of the feed range {low}-{high} are not known yet")
        return parts

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
        raise RangeSplitError
    return str(ranges[0]["token"])
