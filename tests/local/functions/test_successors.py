"""Check which leases follow one whose physical partition has split or merged."""

import pytest
from azure.core.exceptions import AzureError

from local.functions import successors
from local.functions.leases import Lease
from local.functions.ranges import PartitionRange


def lease(token, low, high, version=0):
    """Make a lease of a range."""
    return Lease({"LeaseToken": token, "version": version, "FeedRange": {"Range": {"min": low, "max": high}}})


def partitions(*bounds, first=2):
    """Make physical partitions with ids that count up."""
    return [PartitionRange(str(first + number), low, high) for number, (low, high) in enumerate(bounds)]


WHOLE = lease("0", "", "3F")
PART = lease("-3F", "", "3F", version=1)


@pytest.mark.parametrize(
    ("of", "found", "gone"),
    [
        (WHOLE, partitions(("", "3F"), first=0), False),
        (WHOLE, partitions(("", "3F")), True),
        (WHOLE, partitions(("", "1F"), ("1F", "3F")), True),
        (WHOLE, partitions(("", "FF")), True),
        (PART, partitions(("", "FF")), False),
        (PART, partitions(("", "3F")), False),
        (PART, partitions(("", "1F"), ("1F", "FF")), True),
        (PART, [], True),
    ],
)
def test_a_partitions_lease_ends_with_it_and_a_ranges_lease_when_it_spans_two(of, found, gone):
    """A lease of a range reads from whatever one partition has it."""
    assert successors.is_gone(of, found) is gone


@pytest.mark.parametrize(
    ("of", "found", "follow"),
    [
        (WHOLE, partitions(("", "1F"), ("1F", "3F")), [("2", "", "1F", True), ("3", "1F", "3F", True)]),
        (WHOLE, partitions(("", "FF")), [("-3F", "", "3F", False)]),
        (PART, partitions(("", "FF")), []),
        (PART, partitions(("", "1F"), ("1F", "FF")), [("-1F", "", "1F", False), ("1F-3F", "1F", "3F", False)]),
        (
            lease("0F-2F", "0F", "2F", version=1),
            partitions(("", "1F"), ("1F", "27"), ("27", "FF")),
            [("0F-1F", "0F", "1F", False), ("1F-27", "1F", "27", False), ("27-2F", "27", "2F", False)],
        ),
    ],
    ids=["split", "merge", "redirected", "split after a merge", "split in three"],
)
def test_children_have_leases_of_their_ids_and_what_merged_keeps_its_range(of, found, follow):
    """A range within a partition is cut where the partitions are, and stays a range."""
    made = successors.find(of, found)

    assert [(each.token, each.low, each.high, each.is_of_partition) for each in made] == follow


@pytest.mark.parametrize(
    "found", [[], [("", "1F")], [("1F", "3F")], [("", "1F"), ("2F", "3F")], [("", "1F"), ("0F", "3F")]]
)
def test_partitions_that_do_not_make_up_the_whole_range_are_refused(found):
    """Leave out what a split must not forget: no lease would follow it."""
    with pytest.raises(AzureError, match="not known yet"):
        successors.find(WHOLE, partitions(*found))
