"""The status is numbers, and checks stop at the first that fails."""

import pytest

from cdc.errors import FatalError
from cdc.model import DocumentCount, LetterCount
from cdc.status import Check, read_status, run_checks


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


def test_checks_stop_at_the_first_failure():
    """A check that needs what is missing is not run, because it could only repeat the problem."""

    def fail():
        raise FatalError("create the table")

    checks = [("one", lambda: None), ("two", fail), ("three", lambda: pytest.fail("was run"))]

    assert run_checks(checks) == [Check("one"), Check("two", "create the table")]


def test_a_check_may_have_several_problems():
    """All problems of one check are in its answer."""
    assert run_checks([("tables", lambda: ["no column a", "no column b"])]) == [
        Check("tables", "no column a; no column b")
    ]
