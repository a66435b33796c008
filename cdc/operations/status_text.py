"""The status as text for a terminal."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from cdc.operations.problems import Code, CurrentProblem
from cdc.operations.status import ContainerStatus, StatusReport

# An older lag is shown with its time: it says nothing about now.
_CURRENT_SECONDS = 30
# A look takes seconds. What it has found itself has no beginning that anybody knows.
_FOUND_SECONDS = 15
_HEADINGS = ("container", "lag", "waiting", "changes/s", "last applied", "in Cosmos", "applied", "parked", "unmapped")


def write(report: StatusReport) -> str:
    """Return the whole look: verdict, problems, containers."""
    lines = [f"{report.verdict.upper()} at {_time(report.at)}, phase {report.recorded_phase or report.phase}"]
    alike = groupby(report.problems, lambda each: each.code)
    lines += [line for _, problems in alike for line in _write_problems(list(problems), report.at)]
    rows = [_write_container(each, report.at) for each in report.containers]
    lines += _write_table([_HEADINGS, *rows]) if rows else []
    counted_at = min((each.counted_at for each in report.containers if each.counted_at), default=None)
    lines += [f"documents in PostgreSQL as of {_time(counted_at)}"] if counted_at else []
    lines += [line for each in report.containers for line in _write_work(each)]
    return "\n".join(lines)


def _write_problems(problems: Sequence[CurrentProblem], now: datetime) -> Iterator[str]:
    """Write problems of one kind, and the remedy once: if it differs, without names."""
    first = problems[0]
    general = next((each.remedy for each in Code if each == first.code), first.remedy)
    remedy = first.remedy if len({each.remedy for each in problems}) == 1 else general
    names = ", ".join(dict.fromkeys(each.container for each in problems if each.container))
    where = f" {names}" if names else ""
    since = min((each.since for each in problems if each.since), default=now)
    when = f"since {_time(since)}" if (now - since).total_seconds() >= _FOUND_SECONDS else "seen now"
    yield ""
    yield f"{first.severity.upper()}  {first.code}{where}, {when}"
    for each in problems:
        is_named = len(problems) == 1 or each.container is None or each.container in each.message
        yield f"  {each.message}" if is_named else f"  {each.container}: {each.message}"
    yield f"  What to do: {remedy}"
    yield f"  {first.docs}"


def _write_table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield ""
    for name, *numbers in rows:
        cells = [name.ljust(widths[0]), *(each.rjust(width) for each, width in zip(numbers, widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def _write_container(each: ContainerStatus, now: datetime) -> tuple[str, ...]:
    counts = each.documents or {}
    old = each.lag_at is not None and (now - each.lag_at).total_seconds() > _CURRENT_SECONDS
    at = f" at {each.lag_at:%H:%M:%S}" if old else ""
    return (
        each.container,
        "?" if each.lag_seconds is None else f"{each.lag_seconds:.0f} s{at}",
        f"{_number(each.backlog)}{at}",
        "?" if each.changes_per_second is None else f"{each.changes_per_second:.1f}",
        "-" if each.last_applied_at is None else _time(each.last_applied_at),
        _number(each.source_documents),
        *(_number(counts.get(state)) for state in ("applied", "parked", "unmapped")),
    )


def _write_work(each: ContainerStatus) -> Iterator[str]:
    """Tell what goes on beside the feed, and what the applied documents are."""
    if each.applied_by_table:
        tables = ", ".join(f"{documents} in {table}" for table, documents in each.applied_by_table.items())
        yield f"{each.container}: applied by type: {tables}"
    if each.backlog and each.catch_up_seconds is not None:
        yield f"{each.container}: nothing waits any more in about {each.catch_up_seconds:.0f} s, at the present rate"
    if each.backfill is not None:
        left = each.backfill.seconds_left
        rest = "" if left is None else f", about {left} s left"
        yield f"{each.container}: backfill {each.backfill.id} is {each.backfill.state}, {each.backfill.percent} %{rest}"
    report = each.reconciliation
    if report is not None and report.finished_at is not None:
        yield f"{each.container}: last reconcile {report.state} at {_time(report.finished_at)}"


def _number(value: int | None) -> str:
    return "?" if value is None else str(value)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S %Z}"
