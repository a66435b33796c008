"""Keep leases as documents, shaped like those of the .NET change feed processor."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azure.core import MatchConditions
from azure.cosmos import ContainerProxy
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from local.functions.signature import JsonObject
from local.functions.triggers import Mode

_WIRE_MODES: dict[Mode, str] = {"LatestVersion": "Incremental Feed", "AllVersionsAndDeletes": "Full-Fidelity Feed"}
_EPK_RANGE_LEASE = 1


class LeaseLostError(Exception):
    """Say that another host owns a lease now."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Hold one lease document as it was last seen."""

    document: JsonObject

    @property
    def token(self) -> str:
        """Return the name of the lease within its container."""
        return str(self.document["LeaseToken"])

    @property
    def low(self) -> str:
        """Return where the feed range begins."""
        return str(self.document["FeedRange"]["Range"]["min"])

    @property
    def high(self) -> str:
        """Return where the feed range ends."""
        return str(self.document["FeedRange"]["Range"]["max"])

    @property
    def continuation(self) -> str | None:
        """Return the etag after the last page that was checkpointed."""
        continuation: str | None = self.document.get("ContinuationToken")
        return continuation

    @property
    def owner(self) -> str | None:
        """Return the host that delivers the range, unless the lease is free."""
        owner: str | None = self.document.get("Owner")
        return owner

    @property
    def renewed_at(self) -> datetime:
        """Return when the owner last said that it is alive."""
        return datetime.fromisoformat(str(self.document["timestamp"]))

    @property
    def mode(self) -> str:
        """Return the change-feed mode that the lease was made for."""
        return str(self.document.get("Mode") or _WIRE_MODES["LatestVersion"])


class LeaseStore:
    """Read and write the leases of one function in one lease container."""

    def __init__(self, container: ContainerProxy, *, prefix: str, owner: str, mode: Mode) -> None:
        self._container = container
        self._prefix = prefix
        self._owner = owner
        self._mode = _WIRE_MODES[mode]

    def has_other_mode(self, lease: Lease) -> bool:
        """Tell whether a lease was made for another change-feed mode."""
        return lease.mode != self._mode

    def load(self) -> list[Lease]:
        """Return all leases, in the order of their ranges."""
        documents = self._container.read_all_items()
        leases = [Lease(dict(found)) for found in documents if found["id"].startswith(f"{self._prefix}..")]
        return sorted(leases, key=lambda lease: lease.low)

    def is_initialized(self) -> bool:
        """Tell whether a host has written all leases before."""
        try:
            self._container.read_item(f"{self._prefix}.info", f"{self._prefix}.info")
        except CosmosResourceNotFoundError:
            return False
        return True

    def initialize(self, ranges: Iterable[tuple[str, str]]) -> None:
        """Write a lease for each range that has none, then a note that all are there."""
        for low, high in ranges:
            self._create(self._new_document(low, high))
        self._create({"id": f"{self._prefix}.info"})

    def split(self, lease: Lease, ranges: Iterable[tuple[str, str]], continuation: str | None) -> None:
        """Write a lease for each part of a split range, each to go on from where the whole was, and remove the whole.

        A host that dies in between leaves the old lease behind, and whoever takes it splits it again.
        """
        for low, high in ranges:
            self._create({**self._new_document(low, high), "ContinuationToken": continuation})
        with contextlib.suppress(CosmosResourceNotFoundError):
            self._container.delete_item(lease.document["id"], lease.document["id"])

    def acquire(self, lease: Lease) -> Lease:
        """Become the owner of a lease, unless somebody wrote it since it was read."""
        return self._replace(lease, {"Owner": self._owner})

    def renew(self, lease: Lease) -> Lease:
        """Say that the owner is alive."""
        return self._replace(lease, {})

    def checkpoint(self, lease: Lease, continuation: str) -> Lease:
        """Write down how far the range was delivered."""
        return self._replace(lease, {"ContinuationToken": continuation})

    def release(self, lease: Lease) -> Lease:
        """Leave a lease to whoever comes next."""
        return self._replace(lease, {"Owner": None})

    def _replace(self, lease: Lease, changes: JsonObject) -> Lease:
        current = lease.document
        while True:
            body = {**current, **changes, "timestamp": _now()}
            try:
                replaced = self._container.replace_item(
                    current["id"], body, etag=current["_etag"], match_condition=MatchConditions.IfNotModified
                )
                return Lease(dict(replaced))
            except CosmosAccessConditionFailedError:
                # An answer that got lost leaves our own write behind: only another owner ends the lease.
                current = self._read_mine(lease)
            except CosmosResourceNotFoundError:
                raise LeaseLostError(lease.token) from None

    def _read_mine(self, lease: Lease) -> JsonObject:
        lease_id = lease.document["id"]
        try:
            found = dict(self._container.read_item(lease_id, lease_id))
        except CosmosResourceNotFoundError:
            raise LeaseLostError(lease.token) from None
        if found.get("Owner") != self._owner:
            raise LeaseLostError(lease.token)
        return found

    def _create(self, document: dict[str, Any]) -> None:
        try:
            self._container.create_item(document)
        except CosmosResourceExistsError:
            return

    def _new_document(self, low: str, high: str) -> JsonObject:
        token = f"{low}-{high}"
        return {
            "id": f"{self._prefix}..{token}",
            "version": _EPK_RANGE_LEASE,
            "LeaseToken": token,
            "FeedRange": {"Range": {"min": low, "max": high}},
            "Owner": None,
            "ContinuationToken": None,
            "properties": {},
            "timestamp": _now(),
            "Mode": self._mode,
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
