"""Compute when a timer fires: NCRONTAB expressions and fixed intervals."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})")
# The calendar of weekdays and leap years repeats after 28 years, and once in a century only after 40.
_HORIZON = timedelta(days=366 * 40)


class ScheduleError(ValueError):
    """Say what is wrong with a schedule."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Interval:
    """Fire again a fixed time after the last firing."""

    length: timedelta

    def next_after(self, moment: datetime) -> datetime:
        """Return the first firing after a moment."""
        return moment + self.length


@dataclass(frozen=True, slots=True)
class Cron:
    """Fire at every second that all six fields admit."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next_after(self, moment: datetime) -> datetime:
        """Return the first firing after a moment."""
        candidate = moment.replace(microsecond=0) + timedelta(seconds=1)
        end = candidate + _HORIZON
        while candidate < end:
            later = self._skip(candidate)
            if later == candidate:
                return candidate
            candidate = later
        raise ScheduleError("it never fires")

    def _skip(self, moment: datetime) -> datetime:
        if moment.month not in self.months:
            first = moment.replace(day=1, hour=0, minute=0, second=0)
            return (first + timedelta(days=32)).replace(day=1)
        if not self._admits_day(moment):
            return moment.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        if moment.hour not in self.hours:
            return moment.replace(minute=0, second=0) + timedelta(hours=1)
        if moment.minute not in self.minutes:
            return moment.replace(second=0) + timedelta(minutes=1)
        if moment.second not in self.seconds:
            return moment + timedelta(seconds=1)
        return moment

    def _admits_day(self, moment: datetime) -> bool:
        # NCRONTAB demands both the day and the day of the week, where crontab(5) takes either.
        return moment.day in self.days and moment.isoweekday() % 7 in self.weekdays


Schedule = Interval | Cron


def parse(text: str, *, now: datetime) -> Schedule:
    """Read a schedule of five or six fields, or of the form hh:mm:ss, that fires some time after now."""
    if ":" in text:
        return _parse_interval(text)
    fields = text.split()
    if len(fields) == len(_FIELDS) - 1:
        fields.insert(0, "0")
    if len(fields) != len(_FIELDS):
        raise ScheduleError(f"it has {len(fields)} fields, not five or six")
    values = [_parse_field(part, field) for part, field in zip(fields, _FIELDS, strict=True)]
    schedule = Cron(*values)
    schedule.next_after(now)
    return schedule


def _parse_interval(text: str) -> Interval:
    match = _TIME_SPAN.fullmatch(text.strip())
    if match is None:
        raise ScheduleError("it is not of the form hh:mm:ss")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ScheduleError("an interval has at most 23 hours, 59 minutes and 59 seconds; write days as d.hh:mm:ss")
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not length:
        raise ScheduleError("an interval must be longer than nothing")
    return Interval(length)


def _parse_field(text: str, field: _Field) -> frozenset[int]:
    return frozenset(value for part in text.split(",") for value in _parse_part(part, field))


def _parse_part(text: str, field: _Field) -> range:
    span, slash, step_text = text.partition("/")
    step = _parse_number(step_text, field) if slash else 1
    if step < 1:
        raise ScheduleError(f"the step of {field.name} must be at least 1")
    low_text, dash, high_text = span.partition("-")
    if span == "*":
        low, high = field.first, field.last
    elif dash:
        low, high = _parse_value(low_text, field), _parse_value(high_text, field)
    else:
        low = _parse_value(low_text, field)
        high = field.last if slash else low
    if low > high:
        raise ScheduleError(f"the range {span} of {field.name} runs backwards")
    return range(low, high + 1, step)


def _parse_value(text: str, field: _Field) -> int:
    name = text.lower()[:3]
    if name in field.names and text.isalpha():
        return field.names.index(name) + field.first
    value = _parse_number(text, field)
    if not field.first <= value <= field.last:
        raise ScheduleError(f"{field.name} {value} is not between {field.first} and {field.last}")
    return value


def _parse_number(text: str, field: _Field) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ScheduleError(f"{text!r} is no value of {field.name}")
    return int(text)
