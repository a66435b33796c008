"""The status is numbers, and checks stop at the first that fails."""

from cdc.operations.counts import DocumentCount, LetterCount
from cdc.operations.status import read_status


class Counted:
    """Counts as a ledger would give them."""

    def count_documents(self):
        """Count documents."""
        return [DocumentCount("Accounts", "applied", 3, 70), DocumentCount("Accounts", "parked", 1, 90)]

    def count_letters(self):
        """Count letters."""
        return [LetterCount("Accounts", "mapping", "waiting", 1), LetterCount("Other", "data", "waiting", 2)]


def test_status_reports_every_mapped_container():
    """A container is there with zeros before its first document, and others never are."""
    status = read_status("dual_write_cosmos_read", ["Accounts", "UserProfiles"], Counted())

    assert status == {
        "phase": "dual_write_cosmos_read",
        "containers": [
            {
                "container": "Accounts",
                "documents": {"applied": 3, "parked": 1, "deleted": 0},
                "newest_ts": 90,
                "dead_letters": [{"kind": "mapping", "state": "waiting", "documents": 1}],
            },
            {
                "container": "UserProfiles",
                "documents": {"applied": 0, "parked": 0, "deleted": 0},
                "newest_ts": None,
                "dead_letters": [],
            },
        ],
    }
