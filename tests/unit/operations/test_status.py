"""The status is numbers by container."""

from datetime import UTC, datetime

from cdc.operations.counts import DocumentCount, LedgerCount, LetterCount
from cdc.operations.status import UnmappedStatus, describe_container

AT = datetime(2026, 1, 1, tzinfo=UTC)
LEDGER = LedgerCount(
    [
        DocumentCount("Accounts", "applied", None, 3, 70),
        DocumentCount("Accounts", "parked", None, 1, 90),
        DocumentCount("Accounts", "unmapped", "SalesOrder", 2, 80),
        DocumentCount("Accounts", "unmapped", "other", 4, 60),
    ],
    AT,
    0.0,
)
LETTERS = [LetterCount("Accounts", "mapping", "waiting", 1), LetterCount("Other", "data", "waiting", 2)]
UNMAPPED = [
    UnmappedStatus(container=name, type="SalesOrder", documents=2, has_mapper=False) for name in ("Accounts", "Other")
]


def test_a_container_has_its_own_counts():
    """What belongs to other containers is not counted; documents of several types are one number."""
    assert describe_container("Accounts", LEDGER, LETTERS, UNMAPPED).model_dump() == {
        "container": "Accounts",
        "paused": None,
        "documents": {"applied": 3, "parked": 1, "deleted": 0, "unmapped": 6},
        "counted_at": AT,
        "newest_ts": 90,
        "dead_letters": [{"kind": "mapping", "state": "waiting", "documents": 1}],
        "unmapped": [UNMAPPED[0].model_dump()],
        "reconciliation": None,
    }


def test_a_container_without_documents_is_zeros():
    """It is there before its first document."""
    assert describe_container("UserProfiles", LEDGER, LETTERS, UNMAPPED).model_dump() == {
        "container": "UserProfiles",
        "paused": None,
        "documents": {"applied": 0, "parked": 0, "deleted": 0, "unmapped": 0},
        "counted_at": AT,
        "newest_ts": None,
        "dead_letters": [],
        "unmapped": [],
        "reconciliation": None,
    }


def test_a_ledger_that_nobody_has_counted_has_no_numbers():
    """Nothing is not the same as not known."""
    status = describe_container("Accounts", None, LETTERS)

    assert (status.documents, status.counted_at, status.newest_ts) == (None, None, None)
