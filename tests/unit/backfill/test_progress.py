"""How far a backfill is, in numbers that anyone may read."""

import pytest

from cdc.backfill.progress import describe

ROW = {
    "id": "b", "state": "running", "containers": ["Accounts"],
    "resting": [], "problem": None, "dry_run": False, "reapply": False,
    "started_at": "2026-01-01T00:00:00+00:00", "finished_at": None, "max_request_units_per_second": None,
    "max_parallel_ranges": 4, "page_size": 1000, "documents": 1000, "counted": True, "read": 250, "applied": 200,
    "stale": 40, "undecided": 4, "parked": 5, "unmapped": 1, "request_units": 500.0, "seconds": 10.0,
    "measured_read": 200, "measured_request_units": 400.0,
}  # fmt: skip


def test_percent_and_time_left_come_from_the_count_at_the_start_and_the_speed_since_it_runs():
    """What was read before a pause says nothing about the speed after it."""
    progress = describe(ROW)

    assert progress.percent == 25.0
    assert progress.seconds_left == 38
    assert progress.request_units_per_second == 40.0
    assert progress.totals.model_dump() == {
        "read": 250,
        "applied": 200,
        "stale": 40,
        "undecided": 4,
        "parked": 5,
        "unmapped": 1,
    }


@pytest.mark.parametrize(
    ("changes", "percent", "seconds_left"),
    [
        ({"state": "completed"}, 100.0, 0),
        ({"state": "cancelled"}, 25.0, 0),
        ({"state": "paused"}, 25.0, None),
        ({"counted": False, "documents": 0, "read": 0, "measured_read": 0}, 0.0, None),
        ({"documents": 0, "read": 0, "measured_read": 0}, 0.0, None),
        ({"read": 1200, "measured_read": 1200}, 99.9, 0),
    ],
)
def test_what_is_not_known_is_not_said(changes, percent, seconds_left):
    """A pause has no end, and documents that change meanwhile are read again."""
    progress = describe(ROW | changes)

    assert (progress.percent, progress.seconds_left) == (percent, seconds_left)
