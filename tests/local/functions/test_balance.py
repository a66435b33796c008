"""Check how hosts share leases."""

from datetime import UTC, datetime, timedelta

import pytest

from local.functions import balance
from local.functions.leases import Lease

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FRESH, STALE = NOW - timedelta(seconds=1), NOW - timedelta(seconds=61)


def lease(token, owner, renewed_at=FRESH):
    """Make a lease that was last renewed at a time."""
    return Lease({"LeaseToken": token, "Owner": owner, "timestamp": renewed_at.isoformat()})


@pytest.mark.parametrize(
    ("leases", "chosen"),
    [
        ([], []),
        ([lease("a", None), lease("b", None)], ["a", "b"]),
        ([lease("a", "me"), lease("b", None)], ["b"]),
        ([lease("a", "other", STALE), lease("b", "other", STALE)], ["a", "b"]),
        ([lease("a", "me", STALE), lease("b", "me")], ["a"]),
        ([lease("a", "other"), lease("b", "other")], ["a"]),
        ([lease("a", "other"), lease("b", "me")], []),
        ([lease("a", "other")], []),
        ([lease("a", "other"), lease("b", "other"), lease("c", None), lease("d", None)], ["c", "d"]),
        ([lease("a", "other"), lease("b", "other"), lease("c", "me")], []),
        ([lease("a", "x"), lease("b", "x"), lease("c", "y"), lease("d", "y")], ["a"]),
        ([lease("a", "x"), lease("b", "x", STALE), lease("c", "y"), lease("d", "x")], ["b"]),
    ],
)
def test_a_host_takes_free_leases_up_to_its_share_or_one_of_the_busiest_host(leases, chosen):
    """Choose among leases that are free, expired, mine, or another host's."""
    found = balance.choose(leases, owner="me", now=NOW, expiration=timedelta(seconds=60))

    assert [each.token for each in found] == chosen
