"""Backfills in PostgreSQL: requests, generations, and the progress of each feed range."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from cdc.backfill.job import Advance, Cursor, FencedError, Job, Options
from cdc.core.documents import JsonObject
from cdc.core.errors import ConflictError, UnknownError
from cdc.core.feed_pages import FeedRange, Size
from cdc.postgres import gate
from cdc.postgres.database import Connection, Database
from cdc.postgres.statements import statement
from cdc.telemetry import tracing

# The states from which each state can be reached.
_BEFORE = {
    "paused": ["running", "paused"],
    "running": ["paused", "running"],
    "cancelled": ["running", "paused", "cancelled"],
    "completed": ["running"],
}


class PostgresBackfills:
    """The `BackfillStore` in PostgreSQL; a pause, resume or cancel takes effect at a lane's next page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, id_: str, containers: Sequence[str], options: Options) -> None:
        parameters = {
            "id": id_, "containers": list(containers), "traceparent": tracing.carry(), **asdict(options)
        }  # fmt: skip
        with self._database.transaction() as connection:
            gate.enter(connection)
            connection.execute(statement("insert_backfill"), parameters)
            if len(connection.execute(statement("occupy_containers"), parameters).fetchall()) < len(containers):
                raise _conflict(connection.execute(statement("read_occupant"), parameters).fetchone())

    def read_running_since(self, container: str) -> datetime | None:
        """Return the start of the running or paused backfill of a container, or None."""
        with self._database.connection() as connection:
            row = connection.execute(statement("read_running_since"), {"container": container}).fetchone()
        return None if row is None else row[0]

    def list_running(self) -> list[str]:
        with self._database.connection() as connection:
            return [id_ for (id_,) in connection.execute(statement("list_running_backfills"))]

    def is_complete(self, container: str) -> bool:
        """Return whether no backfill of a container is running or paused; dry runs do not count."""
        with self._database.connection() as connection:
            return not connection.execute(statement("find_writing_backfill"), {"container": container}).fetchall()

    def read(self, id_: str) -> JsonObject:
        """Return everything about one backfill."""
        with self._database.connection() as connection:
            row = connection.execute(statement("read_backfills"), {"id": id_, "after": None, "limit": 1}).fetchone()
            if row is None:
                raise UnknownError(f"There is no backfill {id_}.")
            ranges = connection.execute(statement("read_backfill_ranges"), {"id": id_}).fetchall()
            findings = connection.execute(statement("read_findings"), {"id": id_}).fetchall()
        return {**row[0], "ranges": [range_ for (range_,) in ranges], "findings": [found for (found,) in findings]}

    def list_newest(self, after: str | None, limit: int) -> list[JsonObject]:
        parameters = {"id": None, "after": after, "limit": limit}
        with self._database.connection() as connection:
            return [row for (row,) in connection.execute(statement("read_backfills"), parameters)]

    def move(self, id_: str, state: str) -> None:
        with self._database.transaction() as connection:
            if not _move(connection, id_, state):
                row = connection.execute(statement("read_backfills"), {"id": id_, "after": None, "limit": 1}).fetchone()
                if row is None:
                    raise UnknownError(f"There is no backfill {id_}.")
                raise ConflictError(f"The backfill {id_} is already {row[0]['state']}.")

    def take(self, id_: str, generation: int | None) -> Job | None:
        with self._database.transaction() as connection:
            if generation is None:
                row = connection.execute(statement("take_backfill"), {"id": id_}).fetchone()
                if row is None:
                    return None
                (generation,) = row
            connection.execute(statement("release_ranges"), {"id": id_, "generation": generation})
        return self.find(id_, generation)

    def find(self, id_: str, generation: int) -> Job | None:
        with self._database.connection() as connection:
            row = connection.execute(statement("read_job"), {"id": id_, "generation": generation}).fetchone()
        return None if row is None else Job(id_, generation, Options(*row[:-1]), row[-1])

    def list_uncounted(self, job: Job) -> list[str]:
        with self._database.connection() as connection:
            return [container for (container,) in connection.execute(statement("list_uncounted"), {"id": job.id})]

    def begin(self, job: Job, container: str, size: Size, ranges: Sequence[FeedRange]) -> None:
        counted = {"id": job.id, "container": container, "documents": size.documents, "source_ts": size.ts}
        with self._database.transaction() as connection:
            if connection.execute(statement("count_container"), counted).rowcount:
                _insert_ranges(connection, job, container, ranges, None)

    def count_waiting(self, job: Job) -> tuple[int, list[str]]:
        with self._database.connection() as connection:
            row = connection.execute(statement("count_waiting_ranges"), {"id": job.id}).fetchone()
        return (0, []) if row is None else (int(row[0]), list(row[1]))

    def complete(self, job: Job) -> None:
        with self._database.transaction() as connection:
            _move(connection, job.id, "completed")

    def claim(self, job: Job, lane: int) -> Cursor | None:
        parameters = {"id": job.id, "generation": job.generation, "lane": lane}
        with self._database.transaction() as connection:
            row = connection.execute(statement("claim_range"), parameters).fetchone()
        if row is None:
            return None
        number, container, minimum, maximum, continuation, source_ts = row
        return Cursor(number, container, FeedRange(minimum, maximum), continuation, source_ts)

    def advance(self, connection: Connection, job: Job, cursor: Cursor, advance: Advance) -> str:
        outcome, page = advance.outcome, advance.page
        parameters = _place(job, cursor) | {
            "next": page.continuation, "ended": advance.ended, "read": len(page.documents), "applied": advance.applied,
            "stale": outcome.stale, "undecided": outcome.undecided, "parked": outcome.parked,
            "unmapped": outcome.unmapped, "request_units": page.request_units,
        }  # fmt: skip
        row = connection.execute(statement("advance_range"), parameters).fetchone()
        if row is None:
            raise FencedError("Another worker has taken the backfill or copied this page.")
        return str(row[0])

    def split(self, job: Job, cursor: Cursor, children: Sequence[FeedRange]) -> None:
        with self._database.transaction() as connection:
            if connection.execute(statement("split_range"), _place(job, cursor)).rowcount == 0:
                raise FencedError("Another worker has taken the backfill or copied this page.")
            _insert_ranges(connection, job, cursor.container, children, cursor.continuation)

    def note_problem(self, job: Job, problem: str | None, cursor: Cursor | None = None) -> None:
        with self._database.connection() as connection:
            parameters = {"id": job.id, "generation": job.generation, "problem": problem}
            if cursor is None:
                connection.execute(statement("note_backfill_problem"), parameters)
            else:
                connection.execute(statement("note_range_problem"), parameters | {"number": cursor.number})

    def reserve(self, job: Job, seconds: float) -> float:
        """Reserve seconds of the request-unit budget; return how many seconds to wait until they begin."""
        with self._database.connection() as connection:
            row = connection.execute(statement("reserve_units"), {"id": job.id, "seconds": seconds}).fetchone()
        return 0.0 if row is None else max(0.0, float(row[0]))

    def settle(self, job: Job, seconds: float) -> None:
        with self._database.connection() as connection:
            connection.execute(statement("settle_units"), {"id": job.id, "seconds": seconds})


def _conflict(occupant: tuple[str, str] | None) -> ConflictError:
    if occupant is None:
        return ConflictError("Another backfill of these containers has just ended: try again.")
    container, backfill = occupant
    return ConflictError(f"The backfill {backfill} of {container} is not finished: wait for it or cancel it.")


def _move(connection: Connection, id_: str, state: str) -> bool:
    parameters: dict[str, Any] = {"id": id_, "state": state, "states": _BEFORE[state]}
    if connection.execute(statement("move_backfill"), parameters).fetchone() is None:
        return False
    if state in ("completed", "cancelled"):
        connection.execute(statement("leave_containers"), {"id": id_})
    if state == "running":
        connection.execute(statement("measure_anew"), {"id": id_})
    return True


def _insert_ranges(
    connection: Connection, job: Job, container: str, ranges: Sequence[FeedRange], continuation: str | None
) -> None:
    parameters = {
        "id": job.id,
        "container": container,
        "mins": [range_.min for range_ in ranges],
        "maxes": [range_.max for range_ in ranges],
        "continuation": continuation,
    }
    connection.execute(statement("insert_ranges"), parameters)


def _place(job: Job, cursor: Cursor) -> dict[str, object]:
    return {"number": cursor.number, "generation": job.generation, "continuation": cursor.continuation}
