"""What somebody must be told of: the rules of Application Insights, and what to do when one of them fires."""

from dataclasses import dataclass
from typing import Literal

from cdc.telemetry.rows import Action

_BY_CONTAINER = 'by container = tostring(customDimensions["cdc.container"])'
_BY_CONTAINER_AND_KIND = f'{_BY_CONTAINER}, kind = tostring(customDimensions["cdc.kind"])'
_READ_CONTAINER = 'parse message with * "container=" container:string " " *'


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule: it fires if the column `measure` of the query's rows passes the threshold within the window.

    Silence is measured as few rows: a rule that waits for no row at all would never fire.
    """

    name: str
    # As in Azure: 0 is critical, 4 is verbose.
    severity: Literal[1, 2, 3]
    query: str
    measure: str
    operator: Literal["GreaterThan", "LessThan"]
    threshold: float
    # Azure looks three or four times in a window, because rows come late.
    minutes: Literal[15, 60]
    meaning: str
    remedy: str

    @property
    def condition(self) -> str:
        """Return in words when it fires."""
        sign = {"GreaterThan": ">", "LessThan": "<"}[self.operator]
        return f"`{self.measure}` {sign} {self.threshold:g} in {self.minutes} min"


def _gauge(metric: str, column: str, by: str) -> str:
    return f'customMetrics | where name == "{metric}" | summarize {column} = max(value) {by}'


def _rows(action: Action, column: str, by: str = "", where: str = "") -> str:
    return f'traces | where message has "action={action}"{where} | summarize {column} = count(){by}'


def _total(metric: str, column: str, by: str) -> str:
    return f'customMetrics | where name == "{metric}" | summarize {column} = sum(value) {by}'


ALERTS = (
    Alert(
        "late feed", 1, _gauge("cdc.feed.lag", "seconds", _BY_CONTAINER), "seconds", "GreaterThan", 300, 15,
        "Changes wait in Cosmos: the feed's host is dead or too slow, its batches fail, or the container is paused.",
        "Look at `GET /api/status`: it names the cause. If it names none, add instances.",
    ),
    Alert(
        "no telemetry", 1, 'customMetrics | where name == "cdc.dead_letters" | summarize points = count()', "points",
        "LessThan", 1, 15,
        "No instance runs the timer: the app is stopped, does not start, or its telemetry does not arrive.",
        "Ask `GET /api/health/live` and `GET /api/health/ready`; if nothing answers, start the app and read its log.",
    ),
    Alert(
        "stopped", 1,
        f'traces | where message has "action={Action.PROBLEM}" and message has "severity=stopped" '
        '| parse message with * " code=" code:string " severity=" * '
        "| summarize minutes = dcount(bin(timestamp, 1m)) by code",
        "minutes", "GreaterThan", 2, 15,
        "For minutes changes have not arrived, or were lost. The timer looks at the status once a minute.",
        "The code is a problem of `GET /api/status`, which says what to do.",
    ),
    Alert(
        "lost batch", 1,
        'traces | where message has "encountered an unhandled user exception during processing" '
        "| summarize batches = count()",
        "batches", "GreaterThan", 0, 15,
        "The host gave a batch up, or a batch failed while the host stopped. Only the first loses changes, and the log "
        "does not tell which it was.",
        "Run a reconcile of all keys: `POST /api/reconciliations` with `{\"mode\": \"keys\"}`.",
    ),
    Alert(
        "slow batches", 2,
        f'traces | where message has "action={Action.BATCH_APPLIED}" and message has "lag_seconds=" '
        '| parse message with * "container=" container:string " " * "lag_seconds=" lag:real " " * '
        "| summarize p95 = percentile(lag, 95) by container",
        "p95", "GreaterThan", 60, 15,
        "Changes arrive, but one in twenty batches is late.",
        "Look at `duration_seconds` of the same rows: if it is short, changes wait before they are delivered; if it is "
        "long, look for locks and load in PostgreSQL.",
    ),
    Alert(
        "failing batches", 2,
        _rows(
            Action.BATCH_FAILED, "failures", " by container",
            f' and message !has "error=PausedError" | {_READ_CONTAINER}',
        ),
        "failures", "GreaterThan", 10, 15,
        "Nothing of a container is written; its batches are delivered again and again.",
        "`GET /api/health/ready` says what is wrong. Nothing is lost meanwhile.",
    ),
    Alert(
        "breaker", 1, _rows(Action.BREAKER_PAUSED, "pauses"), "pauses", "GreaterThan", 0, 15,
        "A mapper parked most of what came, so its container is paused.",
        "Mend the mapper, deploy it, and resume the container.",
    ),
    Alert(
        "paused feed", 1, _rows(Action.PAUSED_FEED, "problems", where=" and severityLevel >= 3"), "problems",
        "GreaterThan", 0, 15,
        "The feed of a paused container has lost its place: changes are missing.",
        "Do what the sentence says: resume, run a backfill, and a reconcile of all keys.",
    ),
    Alert(
        "dead letters", 3, _gauge("cdc.dead_letters", "letters", _BY_CONTAINER_AND_KIND), "letters", "GreaterThan", 0,
        60,
        "Documents are parked: PostgreSQL has an older version of them, or none.",
        "`GET /api/dead-letters` says why. Kinds `conflict`, `missing_parent` and `undecided` are read again by "
        "themselves.",
    ),
    Alert(
        "failing timer", 2,
        _rows(
            Action.PART_FAILED, "failures", " by part", ' | parse message with * " part=" part:string " error=" *'
        ),
        "failures", "GreaterThan", 10, 15,
        "A part of `maintain` fails again and again. The other parts go on.",
        "Read the row's sentence: it says what to do.",
    ),
    Alert(
        "drift", 2,
        _total("cdc.reconcile.differences", "found", _BY_CONTAINER_AND_KIND),
        "found", "GreaterThan", 0, 60,
        "A reconcile has found documents that differ. It repairs them, but something has lost or changed them.",
        "Read the report in `GET /api/reconciliations`: how many, of which kind, repaired or left.",
    ),
    Alert(
        "unfinished reconciles", 3,
        _rows(
            Action.RECONCILE_ENDED, "runs", " by container",
            f' and message !has "state=completed" | {_READ_CONTAINER}',
        ),
        "runs", "GreaterThan", 3, 60,
        "Reconciles end as `behind` or `failed`: nothing is compared.",
        "`message` of the newest report says why.",
    ),
    Alert(
        "waiting backfill", 3, _rows(Action.BACKFILL_WAITS, "waits"), "waits", "GreaterThan", 20, 15,
        "A backfill does not get on.",
        "`problem` in `GET /api/backfills/{id}` says why. It goes on by itself when the cause is gone.",
    ),
    Alert(
        "busy connections", 2,
        'customMetrics | where name == "db.client.connection.wait_time" | summarize seconds = max(valueMax) '
        'by pool = tostring(customDimensions["db.client.connection.pool.name"])',
        "seconds", "GreaterThan", 5, 15,
        "Work waits for a connection to PostgreSQL.",
        "Look in `pg_stat_activity` for what blocks the others, or raise `POSTGRES_POOL_SIZE`.",
    ),
)  # fmt: skip
