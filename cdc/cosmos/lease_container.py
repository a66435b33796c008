"""What the trigger's host needs of the lease container: its partition key and its default time to live."""

from collections.abc import Mapping
from typing import Any

from azure.cosmos import DatabaseProxy, PartitionKey

from cdc.core.errors import FatalError

PATHS = ["/id"]
# A document expires only if it says so itself, as the lock does that a host holds while it writes the first leases.
NEVER = -1
_UPDATE = (
    "run az cosmosdb sql container update, with --account-name, --resource-group, --database-name, --name and --ttl -1"
)


def check_properties(container: Mapping[str, Any], *, by_identity: bool) -> None:
    """Raise FatalError if the partition key or the default time to live is wrong."""
    name, ttl = container["id"], container.get("defaultTtl")
    if container["partitionKey"]["paths"] != PATHS:
        raise FatalError(f"Lease container {name} must have the partition key /id: change LEASE_CONTAINER.")
    if ttl == NEVER:
        return
    remedy = f"{_UPDATE}." if by_identity else "run python -m cdc setup."
    if ttl is None:
        raise FatalError(
            f"Lease container {name} has no default time to live, so the lock of a host that dies while it writes the "
            f"first leases stays, and the trigger never starts: {remedy}"
        )
    raise FatalError(
        f"Lease container {name} has a default time to live of {ttl} s, so the leases of a stopped app expire, and its "
        f"feeds start anew: {remedy}"
    )


def correct_expiry(database: DatabaseProxy, container: Mapping[str, Any]) -> None:
    """Set the default time to live of an older lease container; what else it has stays."""
    if container["partitionKey"]["paths"] == PATHS and container.get("defaultTtl") != NEVER:
        database.replace_container(
            container["id"],
            PartitionKey("/id", version=container["partitionKey"].get("version", 1)),
            container.get("indexingPolicy"),
            NEVER,
            container.get("conflictResolutionPolicy"),
            analytical_storage_ttl=container.get("analyticalStorageTtl"),
        )
