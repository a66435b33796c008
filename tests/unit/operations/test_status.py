"""The status is numbers by container."""

from cdc.operations.counts import DocumentCount, LetterCount
from cdc.operations.status import UnmappedStatus, describe_container

DOCUMENTS = [
    DocumentCount("Accounts", "applied", 3, 70),
    DocumentCount("Accounts", "parked", 1, 90),
    DocumentCount("Accounts", "unmapped", 2, 80),
]
LETTERS = [LetterCount("Accounts", "mapping", "waiting", 1), LetterCount("Other", "data", "waiting", 2)]
UNMAPPED = [
    UnmappedStatus(container=name, type="SalesOrder", documents=2, has_mapper=False) for name in ("Accounts", "Other")
]


def test_a_container_has_its_own_counts():
    """What belongs to other containers is not counted."""
    assert describe_container("Accounts", DOCUMENTS, LETTERS, UNMAPPED).model_dump() == {
        "container": "Accounts",
        "paused": None,
        "documents": {"applied": 3, "parked": 1, "deleted": 0, "unmapped": 2},
        "newest_ts": 90,
        "dead_letters": [{"kind": "mapping", "state": "waiting", "documents": 1}],
        "unmapped": [UNMAPPED[0].model_dump()],
        "reconciliation": None,
    }


def test_a_container_without_documents_is_zeros():
    """It is there before its first document."""
    assert describe_container("UserProfiles", DOCUMENTS, LETTERS, UNMAPPED).model_dump() == {
        "container": "UserProfiles",
        "paused": None,
        "documents": {"applied": 0, "parked": 0, "deleted": 0, "unmapped": 0},
        "newest_ts": None,
        "dead_letters": [],
        "unmapped": [],
        "reconciliation": None,
    }
