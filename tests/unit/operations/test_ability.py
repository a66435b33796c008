"""Each failed check is the right problem, by the error that it met."""

from types import SimpleNamespace

import pytest

from cdc.core.errors import (
    FatalError,
    LeaseGapError,
    LostPositionError,
    ReplacedError,
    TransientError,
    UnansweredError,
    UnknownLagError,
)
from cdc.cosmos.account import DeniedError, MissingError
from cdc.operations.ability import find_code
from cdc.operations.checks import COVERAGE, PLACES, Check, run_checks
from cdc.operations.lag import LagReader
from cdc.operations.phase_record import UnrecordedError
from cdc.operations.problems import Code
from cdc.postgres.pool import BusyError, RefusedError


def fail(name, error):
    """Return what a check of this name is that meets an error."""

    def check():
        raise error

    (found,) = run_checks([], [(name, check)])
    return found


@pytest.mark.parametrize(
    ("name", "error", "code"),
    [
        ("postgres", TransientError(""), Code.POSTGRES_UNREACHABLE),
        ("postgres", BusyError(""), Code.POSTGRES_UNREACHABLE),
        ("postgres", RefusedError(""), Code.POSTGRES_REFUSED),
        ("postgres", FatalError("a replica"), Code.POSTGRES_UNFIT),
        ("rights", FatalError(""), Code.SETUP_INCOMPLETE),
        ("migrations", FatalError(""), Code.SETUP_INCOMPLETE),
        ("migrations", TransientError(""), Code.POSTGRES_UNREACHABLE),
        ("phase", UnrecordedError(""), Code.PHASE_UNKNOWN),
        ("phase", FatalError(""), Code.PHASE_MISMATCH),
        (COVERAGE, TransientError(""), Code.POSTGRES_UNREACHABLE),
        (PLACES, TransientError(""), Code.POSTGRES_UNREACHABLE),
        ("tables of Accounts", TransientError(""), Code.POSTGRES_UNREACHABLE),
        ("cosmos", UnansweredError(""), Code.COSMOS_UNREACHABLE),
        ("cosmos", DeniedError(""), Code.COSMOS_REFUSED),
        ("cosmos", FatalError("write regions"), Code.COSMOS_UNFIT),
        ("container Accounts", MissingError(""), Code.SETUP_INCOMPLETE),
        ("container Accounts", ReplacedError(""), Code.CONTAINER_REPLACED),
        ("container Accounts", FatalError("no versions"), Code.COSMOS_UNFIT),
        ("leases", MissingError(""), Code.SETUP_INCOMPLETE),
        ("leases", FatalError("a time to live"), Code.SETUP_INCOMPLETE),
        ("leases", TransientError(""), Code.COSMOS_UNREACHABLE),
    ],
)
def test_a_failed_check_is_named_by_its_error(name, error, code):
    """Which store is away follows from the check; who refuses follows from the error."""
    assert find_code(fail(name, error)) is code


def test_a_check_that_lists_what_is_missing_is_an_incomplete_setup():
    """It met no error."""
    assert find_code(Check("tables of Accounts", "no column a")) is Code.SETUP_INCOMPLETE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LeaseGapError("why"), Code.LEASE_MISSING),
        (LostPositionError("why"), Code.POSITION_LOST),
        (UnknownLagError("why"), None),
        (UnansweredError("why"), None),
    ],
)
def test_a_lag_that_is_unknown_because_changes_do_not_arrive_has_a_code(error, code):
    """All other reasons may pass by themselves."""

    def read_backlog(_):
        raise error

    reader = LagReader(SimpleNamespace(confirm=str), SimpleNamespace(read_backlog=read_backlog))

    (lag,) = reader.read(["Accounts"], 60).values()
    assert (lag.unknown, lag.code) == ("why", code)
