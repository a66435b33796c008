"""The status is numbers, and checks stop at the first that fails."""

import pytest

from cdc.core.errors import FatalError
from cdc.operations.checks import Check, run_checks
from cdc.operations.counts import DocumentCount, LetterCount, RememberedCounts
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


@pytest.mark.parametrize(("seconds", "counted"), [(0.1, [1, 2, 3, 4]), (2.0, [1, 1, 1, 2])])
def test_a_count_that_took_long_is_remembered_for_twenty_times_as_long(seconds, counted):
    """What is counted fast is counted for every request."""
    now, seen = 0.0, []

    class Slow:
        def count_documents(self):
            nonlocal now
            now += seconds
            seen.append(now)
            return [DocumentCount("Accounts", "applied", len(seen), 70)]

    counts = RememberedCounts(Slow(), clock=lambda: now)
    answers = []
    for moment in (0, 10, 39, 40):
        now = max(now, moment)
        answers.append(counts.count_documents()[0].documents)

    assert answers == counted


def never():
    """Fail the test: a check that must not run was run."""
    pytest.fail("was run")


def fail():
    """Be a check that fails."""
    raise FatalError("create the table")


def test_nothing_is_checked_behind_a_gate_that_is_shut():
    """A check that needs what is missing is skipped, because it could only repeat the problem."""
    assert run_checks([("one", lambda: None), ("two", fail), ("three", never)], [("four", never)]) == [
        Check("one"),
        Check("two", "create the table"),
        Check("three", skipped=True),
        Check("four", skipped=True),
    ]


def test_behind_open_gates_everything_is_checked():
    """A check that fails does not hide what else is wrong; several problems of one check are one sentence."""
    checks = [("two", lambda: ["no column a", "no column b"]), ("three", fail)]

    assert run_checks([("one", lambda: None)], checks) == [
        Check("one"),
        Check("two", "no column a; no column b"),
        Check("three", "create the table"),
    ]
