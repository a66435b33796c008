"""Nothing is checked that another check has made pointless."""

import pytest

from cdc.core.errors import FatalError
from cdc.operations.checks import Check, run_checks


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
