"""Check when timers fire."""

from datetime import UTC, datetime, timedelta

import pytest

from local.functions import cron

NOW = datetime(2026, 1, 2, 3, 4, 5, 600, UTC)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("* * * * * *", "2026-01-02T03:04:06"),
        ("0 * * * * *", "2026-01-02T03:05:00"),
        ("*/10 * * * * *", "2026-01-02T03:04:10"),
        ("7/20 * * * * *", "2026-01-02T03:04:07"),
        ("0 */5 * * * *", "2026-01-02T03:05:00"),
        ("0 0 0 * * *", "2026-01-03T00:00:00"),
        ("0 30 9-17/4 * * *", "2026-01-02T09:30:00"),
        ("0 0 3,4 * * *", "2026-01-02T04:00:00"),
        ("0 0 0 1 * *", "2026-02-01T00:00:00"),
        ("0 0 0 31 * *", "2026-01-31T00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 0 * * Mon", "2026-01-05T00:00:00"),
        ("0 0 0 * * 0", "2026-01-04T00:00:00"),
        ("0 0 0 * * mon-fri", "2026-01-05T00:00:00"),
        ("0 0 0 * Jan Sunday", "2026-01-04T00:00:00"),
        ("0 0 0 13 * Fri", "2026-02-13T00:00:00"),
        ("59 59 23 31 12 *", "2026-12-31T23:59:59"),
        ("5 * * * *", "2026-01-02T03:05:00"),
    ],
)
def test_a_cron_schedule_fires_at_the_next_second_that_all_its_fields_admit(schedule, expected):
    """Compare the first firing after a fixed moment."""
    due = cron.parse(schedule, now=NOW).next_after(NOW)

    assert due == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_leap_day_on_a_sunday_is_found_across_a_century():
    """Look past the year 2100, which is no leap year."""
    schedule = cron.parse("0 0 0 29 2 0", now=NOW)

    assert schedule.next_after(datetime(2089, 1, 1, tzinfo=UTC)) == datetime(2128, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "seconds"), [("00:00:05", 5), ("01:30:00", 5400), ("1.00:00:01", 86401), ("0:0:1", 1)]
)
def test_an_interval_fires_its_length_after_the_last_firing(schedule, seconds):
    """Compare the distance of two firings."""
    assert cron.parse(schedule, now=NOW).next_after(NOW) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("* * * * * * *", "7 fields"),
        ("60 * * * * *", "second 60 is not between 0 and 59"),
        ("0 60 * * * *", "minute 60"),
        ("0 0 24 * * *", "hour 24"),
        ("0 0 0 0 * *", "day 0"),
        ("0 0 0 * 13 *", "month 13"),
        ("0 0 0 * * 7", "day of week 7"),
        ("0 0 0 * Foo *", "'Foo' is no value of month"),
        ("*/0 * * * * *", "step of second"),
        ("5-1 * * * * *", "runs backwards"),
        ("1,,2 * * * * *", "'' is no value of second"),
        ("0 0 0 31 2 *", "never fires"),
        ("24:00:00", "at most 23 hours"),
        ("00:00:00", "longer than nothing"),
        ("a:b:c", "hh:mm:ss"),
    ],
)
def test_a_wrong_schedule_is_refused_with_its_reason(schedule, reason):
    """Expect the reason in the message."""
    with pytest.raises(cron.ScheduleError, match=reason):
        cron.parse(schedule, now=NOW)
