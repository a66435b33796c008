"""Write the first leases under a lock document, as the .NET change feed processor does."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from azure.core import MatchConditions
from azure.cosmos import ContainerProxy
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from local.functions.leases import LeaseStore, NewLease

_log = logging.getLogger(__name__)
_LOCK_SECONDS = 30


class Initialization:
    """Let one host at a time write the first leases of a prefix, and note at the end that all are there."""

    def __init__(self, container: ContainerProxy, prefix: str, function: str) -> None:
        self._container = container
        self._note_id = f"{prefix}.info"
        self._lock_id = f"{prefix}.lock"
        self._extra = {"function": function}

    def run(self, store: LeaseStore, read: Callable[[], Iterable[NewLease]], wait: Callable[[], bool]) -> bool:
        """Return once all leases are there; or say no, when waiting ends because the host stops."""
        told = False
        while not self.is_done():
            lock = self._lock()
            if lock is None:
                if not told:
                    _log.warning("waiting for another host to write the leases: %s", self._lock_id, extra=self._extra)
                told = True
                if wait():
                    return False
                continue
            try:
                known = {lease.token for lease in store.load()}
                for new in read():
                    if new.token not in known:
                        store.create(new, None)
                self._create({"id": self._note_id})
            finally:
                self._unlock(lock)
        return True

    def is_done(self) -> bool:
        """Tell whether a host has noted that all leases are there."""
        try:
            self._container.read_item(self._note_id, self._note_id)
        except CosmosResourceNotFoundError:
            return False
        return True

    def _lock(self) -> str | None:
        # It expires only where the container has a default time to live. Elsewhere a host that dies leaves it for ever.
        return self._create({"id": self._lock_id, "ttl": _LOCK_SECONDS})

    def _unlock(self, etag: str) -> None:
        try:
            self._container.delete_item(
                self._lock_id, self._lock_id, etag=etag, match_condition=MatchConditions.IfNotModified
            )
        except (CosmosAccessConditionFailedError, CosmosResourceNotFoundError):
            return  # it has expired, and may be another host's now

    def _create(self, document: dict[str, Any]) -> str | None:
        try:
            return str(self._container.create_item(document)["_etag"])
        except CosmosResourceExistsError:
            return None
