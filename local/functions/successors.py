"""Say which leases follow a lease whose physical partition has split or merged."""

from collections.abc import Sequence
from itertools import pairwise

from azure.core.exceptions import AzureError

from local.functions.leases import Lease, NewLease
from local.functions.ranges import PartitionRange


def of_partition(found: PartitionRange) -> NewLease:
    """Make the lease of a physical partition, which is named by its id."""
    return NewLease(found.id, found.low, found.high, is_of_partition=True)


def of_range(low: str, high: str) -> NewLease:
    """Make the lease of a range within a physical partition, which is named by its bounds."""
    return NewLease(f"{low}-{high}", low, high, is_of_partition=False)


def is_gone(lease: Lease, found: Sequence[PartitionRange]) -> bool:
    """Tell whether a lease must be replaced, when these physical partitions overlap its range."""
    if lease.is_of_partition:
        return [each.id for each in found] != [lease.token]
    return len(found) != 1


def find(lease: Lease, found: Sequence[PartitionRange]) -> list[NewLease]:
    """Return the leases that replace a lease; none where it only reads from another physical partition now."""
    _check(lease, found)
    if lease.is_of_partition:
        # After a merge the lease keeps its range, which is smaller than the partition: its position is only its own.
        return [of_range(lease.low, lease.high)] if len(found) == 1 else [of_partition(each) for each in found]
    if len(found) == 1:
        return []
    ends = [lease.low, *(each.high for each in found[:-1]), lease.high]
    return [of_range(low, high) for low, high in pairwise(ends)]


def _check(lease: Lease, found: Sequence[PartitionRange]) -> None:
    """Refuse ranges that leave something out: no lease would follow it."""
    joined = all(before.high == after.low for before, after in pairwise(found))
    if not found or not joined or found[0].low > lease.low or found[-1].high < lease.high:
        raise AzureError(f"the physical partitions of the range {lease.low}-{lease.high} are not known yet")
