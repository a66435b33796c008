"""Reconcile runs, findings and reports in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.rows import dict_row

from cdc.core.documents import Held, Identity, State, Version
from cdc.core.row_keys import RowKey
from cdc.postgres import gate
from cdc.postgres.database import Connection, Database
from cdc.postgres.statements import statement
from cdc.reconcile.drift import Kind, Suspect
from cdc.reconcile.report import ObservedPath, RotationReport, RunResult, UnmappedType, tell_end
from cdc.reconcile.run import FIRST_STEP, Finding, Progress, Run
from cdc.telemetry import tracing

_ALL = tuple(Kind)
# How long reports are kept, and unrepaired drift that a later run has found again.
_REPORT_DAYS = 30
_LEFT_DAYS = 1
_OBSERVED_AT_MOST = 100


class PostgresRuns:
    """The `RunStore` in PostgreSQL; it also begins and lists runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self,
        containers: Sequence[str],
        mode: str,
        *,
        repair: bool,
        sample: int | None,
        max_request_units: float,
        max_deletes: int | None = None,
    ) -> tuple[int, list[str]]:
        """Begin a run of each container that has none; return the reconciliation's id and these containers."""
        parameters: dict[str, object] = {
            "containers": list(containers),
            "mode": mode,
            "repair": repair,
            "sample": sample,
            "max_request_units": max_request_units,
            "progress": Progress(max_deletes=max_deletes).model_dump_json(),
            "traceparent": tracing.carry(),
        }
        with self._database.transaction() as connection:
            gate.enter(connection)
            (id_,) = connection.execute(statement("next_reconciliation")).fetchone() or (0,)
            begun = connection.execute(statement("begin_reconciliation"), parameters | {"id": id_}).fetchall()
        return id_, [container for (container,) in begun]

    def list_incomplete(self, settle_seconds: float) -> set[str]:
        """Return the containers whose keys must all be compared: after unidentified deletes or a new feed mode."""
        with self._database.connection() as connection:
            rows = connection.execute(statement("list_incomplete"), {"settle_seconds": settle_seconds})
            return {container for (container,) in rows}

    def list_running(self, containers: Sequence[str]) -> dict[str, bool]:
        """Return those of these containers that have an unfinished run, and whether it has not started to compare."""
        with self._database.connection() as connection:
            parameters = {"containers": list(containers), "first_step": FIRST_STEP}
            return dict(connection.execute(statement("list_running"), parameters).fetchall())

    def load(self, container: str) -> Run | None:
        with self._database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(statement("load_reconciliation"), {"container": container}).fetchone()
        return None if row is None else Run.model_validate(row)

    def save(self, run: Run) -> None:
        parameters = {"id": run.id, "container": run.container, "progress": run.progress.model_dump_json()}
        with self._database.connection() as connection:
            connection.execute(statement("save_reconciliation"), parameters)

    def finish(self, run: Run, state: str, sentence: str | None) -> None:
        """End a run with its report; drop unconfirmed suspects, keep unrepaired drift as `left`."""
        own: dict[str, object] = {"id": run.id, "reconciliation": run.id, "container": run.container}
        own["observed_at_most"] = _OBSERVED_AT_MOST
        with self._database.transaction() as connection:
            if state == "completed":
                _turn_rotation(connection, run)
            connection.execute(statement("drop_suspects"), own)
            connection.execute(statement("leave_drift"), own)
            found = connection.execute(statement("count_drift"), own).fetchall()
            tables = dict(connection.execute(statement("count_drift_by_table"), own).fetchall())
            compared = connection.execute(statement("read_compared"), own).fetchone()
            observed = connection.execute(statement("read_observed"), own).fetchall()
            unmapped = connection.execute(statement("count_unmapped"), {"container": run.container}).fetchall()
            report = _report(run.progress, found, tables, compared, observed, unmapped)
            message = " ".join(filter(None, [sentence, *run.progress.notes])) or None
            parameters = own | {"state": state, "message": message, "report": report.model_dump_json()}
            connection.execute(statement("finish_reconciliation"), parameters)
        tell_end(run.container, state, report)

    def prune(self) -> None:
        """Delete old reports, and old drift that a later run has found again."""
        with self._database.transaction() as connection:
            connection.execute(statement("prune_reconciliations"), {"report_days": _REPORT_DAYS})
            connection.execute(statement("prune_drift"), {"left_days": _LEFT_DAYS})

    def list_reports(self, before: int, limit: int) -> list[dict[str, Any]]:
        """Return the reports of the newest reconciliations whose id is less than `before`."""
        return self._reports(statement("list_reconciliations"), {"before": before, "limit": limit})

    def read_reports(self, id_: int) -> list[dict[str, Any]]:
        """Return the reports of one reconciliation."""
        return self._reports(statement("read_reconciliation"), {"id": id_})

    def newest_reports(self, containers: Sequence[str]) -> list[dict[str, Any]]:
        """Return the newest finished report of each container."""
        return self._reports(statement("newest_reconciliations"), {"containers": list(containers)})

    def list_drift(self, id_: int, limit: int) -> list[dict[str, Any]]:
        """Return the findings of a reconciliation."""
        return self._reports(statement("list_drift"), {"reconciliation": id_, "limit": limit})

    def find_drift(self, number: int) -> dict[str, Any] | None:
        """Return one finding with its identity, or None."""
        with self._database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement("find_drift"), {"number": number}).fetchone()

    def _reports(self, query: Any, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
        with self._database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, parameters).fetchall()


def _report(
    progress: Progress,
    found: Sequence[Any],
    tables: dict[str, int],
    compared: tuple[Any, ...] | None,
    observed: Sequence[Any],
    unmapped: Sequence[Any],
) -> RunResult:
    drift: dict[str, int] = dict.fromkeys(Kind, 0)
    states = {"repaired": 0, "left": 0, "unreadable": 0}
    for kind, state, count, _ in found:
        if state in states:
            drift[kind] += count
            states[state] += count
    completed_at, began_at, behind = compared or (None, None, 0)
    return RunResult(
        **progress.figures.model_dump(),
        **states,
        ended_early=progress.ended_early,
        drift=drift,
        drift_by_table=tables,
        oldest_drift_since=min((since for _, state, _, since in found if state == "left"), default=None),
        max_deletes=progress.limits.orphaned,
        source_documents=progress.source_documents,
        ledger_documents=progress.ledger_documents,
        unmapped=[UnmappedType(type=type_, documents=count) for _, type_, count in unmapped],
        rotation=RotationReport(
            every_key_compared_since=completed_at, round_began_at=began_at, keys_of_this_round=behind
        ),
        observations=[ObservedPath(kind=kind, path=path, documents=count) for kind, path, count in observed],
    )


class PostgresFindings:
    """`Findings` in PostgreSQL."""

    def __init__(self, database: Database, settle_seconds: float) -> None:
        self._database = database
        self._settle_seconds = settle_seconds

    def leave_out_found(self, run: Run, identities: Sequence[Identity]) -> list[Identity]:
        by_key = {identity.key: identity for identity in identities}
        if by_key:
            with self._database.connection() as connection:
                found = connection.execute(statement("read_found"), _own(run) | {"keys": list(by_key)}).fetchall()
            for (key,) in found:
                del by_key[key]
        return list(by_key.values())

    def add(self, run: Run, suspects: Sequence[Suspect]) -> None:
        """Store suspects; they are confirmed after the settle time."""
        self._add([_document(run, each) | {"state": "suspected"} for each in suspects])

    def add_unreadable(self, run: Run, suspect: Suspect) -> None:
        """Store a document that the source does not give: it is reported, never repaired."""
        self._add([_document(run, suspect) | {"state": "unreadable"}])

    def add_different(self, run: Run, identities: Sequence[Identity], held: Mapping[Identity, Held]) -> None:
        suspects = [Suspect(each, Kind.DIFFERENT, held.get(each), None) for each in identities]
        self._add([_document(run, each) | {"state": "drift"} for each in suspects])

    def add_unclaimed(self, run: Run, rows: Sequence[RowKey]) -> None:
        """Store unclaimed rows: they are reported, never repaired."""
        self._add([_row(run, row) | {"state": "left"} for row in rows])

    def read(self, run: Run, state: str, kinds: Sequence[Kind], limit: int) -> list[Finding]:
        """Return findings in a state; suspects only after the settle time."""
        parameters = _own(run) | {
            "state": state,
            "kinds": [kind.value for kind in kinds],
            "settle_seconds": self._settle_seconds,
            "limit": limit,
        }
        with self._database.connection() as connection:
            rows = connection.execute(statement("read_drift"), parameters).fetchall()
        return [_finding(run.container, row) for row in rows]

    def mark(self, marks: Sequence[tuple[int, Kind, str]]) -> None:
        numbers, kinds, states = zip(*marks, strict=True)
        parameters = {"numbers": list(numbers), "kinds": [kind.value for kind in kinds], "states": list(states)}
        with self._database.connection() as connection:
            connection.execute(statement("mark_drift"), parameters)

    def count(self, run: Run, state: str) -> dict[Kind, int]:
        with self._database.connection() as connection:
            rows = connection.execute(statement("count_drift"), _own(run)).fetchall()
        return {Kind(kind): count for kind, found, count, _ in rows if found == state}

    def seconds_to_settle(self, run: Run) -> float | None:
        parameters = _own(run) | {"settle_seconds": self._settle_seconds}
        with self._database.connection() as connection:
            row = connection.execute(statement("read_settling"), parameters).fetchone()
        return None if row is None else row[0]

    def _add(self, found: Sequence[Mapping[str, object]]) -> None:
        if found:
            with self._database.transaction() as connection:
                connection.cursor().executemany(statement("add_drift"), found)


class PostgresRotation:
    """The `Rotation` of one container in PostgreSQL."""

    def __init__(self, database: Database, container: str) -> None:
        self._database = database
        self._own = {"container": container}

    def read(self) -> tuple[int | None, int | None]:
        with self._database.connection() as connection:
            connection.execute(statement("begin_rotation"), self._own)
            row = connection.execute(statement("read_rotation"), self._own).fetchone()
        return (None, None) if row is None else (row[0], row[1])

    def keep_count(self, count_ts: int | None) -> None:
        with self._database.connection() as connection:
            connection.execute(statement("keep_count"), self._own | {"count_ts": count_ts})


def _turn_rotation(connection: Connection, run: Run) -> None:
    """Record whose keys a run has compared; the end of the history ends a round."""
    for window in run.progress.compared:
        next_ts = None if window.high == run.progress.line else window.high
        place = {"low": window.low, "high": window.high, "next_ts": next_ts}
        connection.execute(statement("turn_rotation"), _own(run) | place)
    if run.progress.all_compared:
        connection.execute(statement("complete_rotation"), _own(run))


def _own(run: Run) -> dict[str, object]:
    return {"reconciliation": run.id, "container": run.container}


def _document(run: Run, suspect: Suspect) -> dict[str, object]:
    identity, held, found = suspect.identity, suspect.held, suspect.found
    return _own(run) | {
        "key": identity.key,
        "partition_key": identity.partition_key,
        "id": identity.id,
        "row_table": None,
        "row_key": None,
        "kind": suspect.kind.value,
        "ts": held and held.version.ts,
        "lsn": held and held.version.lsn,
        "etag": held and held.version.etag,
        "held_state": held and held.state.value,
        "absence": held and held.absence,
        "found_etag": found and found.etag,
    }


def _row(run: Run, row: RowKey) -> dict[str, object]:
    nothing = dict.fromkeys(("partition_key", "id", "ts", "lsn", "etag", "held_state", "absence", "found_etag"))
    what = {"key": row.hash, "row_table": row.table, "row_key": row.values, "kind": Kind.UNCLAIMED.value}
    return _own(run) | nothing | what


def _finding(container: str, row: Sequence[Any]) -> Finding:
    number, partition_key, id_, kind, ts, lsn, etag, held_state, absence, found_etag = row
    held = None if ts is None else Held(Version(ts, lsn, etag), State(held_state), absence)
    found = None if found_etag is None else Version(0, None, found_etag)
    return Finding(number, Suspect(Identity(container, partition_key, id_), Kind(kind), held, found))
