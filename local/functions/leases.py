"""Keep leases as documents, written as the .NET change feed processor writes them."""

import contextlib
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
_PARTITION_LEASE, _RANGE_LEASE = 0, 1
_WRITES = 6


class LeaseLostError(Exception):
    """Say that a lease is another host's, nobody's, or gone."""


@dataclass(frozen=True, slots=True)
class NewLease:
    """Hold what tells a lease from others: its name, its range, and whether that is a whole physical partition."""

    token: str
    low: str
    high: str
    is_of_partition: bool


@dataclass(frozen=True, slots=True)
class Lease:
    """Hold one lease document as it was last seen."""

    document: JsonObject

    @property
    def token(self) -> str:
        """Return the name of the lease within its container."""
        return str(self.document["LeaseToken"])

    @property
    def is_of_partition(self) -> bool:
        """Tell whether the lease is of a physical partition, and not of a range within one."""
        return bool(self.document["version"] == _PARTITION_LEASE)

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
        """Return when a host last wrote the lease; a new lease has only the time at which the service stored it."""
        written = self.document.get("timestamp")
        if written is None:
            return datetime.fromtimestamp(self.document["_ts"], UTC)
        return datetime.fromisoformat(str(written))

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

    def create(self, new: NewLease, continuation: str | None, properties: JsonObject | None = None) -> Lease | None:
        """Write a new lease that nobody owns, unless it is there."""
        document = {**self._new_document(new), "ContinuationToken": continuation, "properties": properties or {}}
        try:
            return Lease(dict(self._container.create_item(document)))
        except CosmosResourceExistsError:
            return None

    def delete(self, lease: Lease) -> None:
        """Remove a lease, unless it is gone."""
        with contextlib.suppress(CosmosResourceNotFoundError):
            self._container.delete_item(lease.document["id"], lease.document["id"])

    def acquire(self, lease: Lease) -> Lease:
        """Become the owner of a lease, unless its owner has changed since it was read."""
        return self._replace(lease.document, {"Owner": self._owner}, expected=lease.owner)

    def renew(self, lease: Lease) -> Lease:
        """Say that a lease's owner is alive, if it is this host."""
        return self._replace(lease.document, {}, expected=self._owner)

    def checkpoint(self, lease: Lease, continuation: str) -> Lease:
        """Write down how far the range was delivered."""
        return self._replace(lease.document, {"ContinuationToken": continuation}, expected=self._owner)

    def release(self, lease: Lease) -> None:
        """Read a lease again, and leave it to the next host; one that is gone needs nothing, as after a split."""
        lease_id = lease.document["id"]
        try:
            found = dict(self._container.read_item(lease_id, lease_id))
        except CosmosResourceNotFoundError:
            return
        self._replace(found, {"Owner": None}, expected=self._owner)

    def _replace(self, current: JsonObject, changes: JsonObject, *, expected: str | None) -> Lease:
        for _ in range(_WRITES):
            if current.get("Owner") != expected:
                raise LeaseLostError(current["LeaseToken"])
            body = {**current, **changes, "timestamp": _now()}
            try:
                replaced = self._container.replace_item(
                    current["id"], body, etag=current["_etag"], match_condition=MatchConditions.IfNotModified
                )
                return Lease(dict(replaced))
            except CosmosAccessConditionFailedError:
                # Whoever wrote it, only another owner ends the lease.
                current = self._read(current)
            except CosmosResourceNotFoundError:
                raise LeaseLostError(current["LeaseToken"]) from None
        raise LeaseLostError(current["LeaseToken"])

    def _read(self, document: JsonObject) -> JsonObject:
        try:
            return dict(self._container.read_item(document["id"], document["id"]))
        except CosmosResourceNotFoundError:
            raise LeaseLostError(document["LeaseToken"]) from None

    def _new_document(self, new: NewLease) -> dict[str, Any]:
        return {
            "id": f"{self._prefix}..{new.token}",
            "version": _PARTITION_LEASE if new.is_of_partition else _RANGE_LEASE,
            "LeaseToken": new.token,
            "FeedRange": {"Range": {"min": new.low, "max": new.high}},
            "Owner": None,
            "ContinuationToken": None,
            "timestamp": None,
            "properties": {},
            "Mode": self._mode,
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
