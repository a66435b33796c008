"""Every problem that a part of the product can have: what it means, and what to do."""

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import BaseModel

PAGE = "docs/problems.md"
# Who is waited for; nobody, while no batch is tried.
BLOCKERS = (
    "select pid, usename, application_name, state, xact_start from pg_stat_activity where pid in "
    "(select unnest(pg_blocking_pids(pid)) from pg_stat_activity where wait_event_type = 'Lock')"
)
LOCKS = (
    f"This names who blocks, while somebody waits (ask a few times, with the rights of `pg_monitor`): `{BLOCKERS}`. "
    "`select pg_terminate_backend(PID)` ends that session."
)


class Severity(StrEnum):
    """How bad a problem is: `stopped` is the worst, and a `note` leaves the verdict as it is."""

    STOPPED = "stopped"
    DEGRADED = "degraded"
    NOTE = "note"


class Health(StrEnum):
    """The verdict: all in one word."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    STOPPED = "stopped"


class Code(StrEnum):
    """The table: a row for each kind of problem, which is a paragraph on the page."""

    severity: Severity
    meaning: str
    remedy: str

    def __new__(cls, code: str, severity: Severity, meaning: str, remedy: str) -> Self:
        """Take a row of the table."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.severity, member.meaning, member.remedy = severity, meaning, remedy
        return member

    # fmt: off
    SETTINGS_WRONG = ("settings_wrong", Severity.STOPPED,
        "Settings are missing or wrong, so the app does not load. Only the command line can say so.",
        "Correct every setting that the message names, and restart the app.")
    POSTGRES_UNREACHABLE = ("postgres_unreachable", Severity.STOPPED,
        "PostgreSQL does not answer, or has no free connection. Changes wait in Cosmos, and nothing is lost.",
        ("Check that the server runs, that its firewall lets the app in, and that it has free connections. The feeds "
         "continue by themselves."))
    POSTGRES_REFUSED = ("postgres_refused", Severity.STOPPED,
        "PostgreSQL refuses the login. Changes wait in Cosmos, and nothing is lost.",
        "Correct user, password or identity, and database in `POSTGRES_CONNECTION`, and restart the app.")
    POSTGRES_UNFIT = ("postgres_unfit", Severity.STOPPED,
        ("PostgreSQL answers, but the app cannot write there: the server is a replica, is read-only, or has settings "
         "with which values would be changed."),
        "Do what the message says. A server whose storage is full becomes read-only: give it more storage.")
    COSMOS_UNREACHABLE = ("cosmos_unreachable", Severity.STOPPED,
        "Cosmos does not answer, or refuses for the moment. Nothing is read; the changes wait there.",
        ("Check `COSMOS_CONNECTION`, the network, and the state of the account. If Cosmos answers 429, give the "
         "containers more throughput. The feeds continue by themselves."))
    COSMOS_REFUSED = ("cosmos_refused", Severity.STOPPED,
        "Cosmos refuses the key or the identity. Nothing is read; the changes wait there.",
        "Correct the key in `COSMOS_CONNECTION`, or give the identity its role, and restart the app.")
    COSMOS_UNFIT = ("cosmos_unfit", Severity.STOPPED,
        ("The Cosmos account cannot be replicated as it is: it has several write regions, Eventual consistency, or "
         "does not keep the versions that CHANGE_FEED_MODE needs."),
        "Do what the message says.")
    SETUP_INCOMPLETE = ("setup_incomplete", Severity.STOPPED,
        ("Something that the app needs is missing: migrations, tables or columns, rights of its role, a container, or "
         "the lease container."),
        ("Do what the message says. If it names no command, run `python -m cdc setup` as the login that migrates, and "
         "then what `python -m cdc roles` prints."))
    CONTAINER_REPLACED = ("container_replaced", Severity.STOPPED,
        ("A container is not the one that was seen first: the settings name another account or database, or the "
         "container was made or restored anew. Nothing of it is read, because it could empty PostgreSQL."),
        ("Correct `COSMOS_CONNECTION` and `COSMOS_DATABASE`. If the new container is right, run `python -m cdc adopt "
         "CONTAINER`, then a backfill and a reconcile of all its keys."))
    PHASE_UNKNOWN = ("phase_unknown", Severity.STOPPED,
        "No phase is recorded in PostgreSQL, so nothing is written.",
        "Run `python -m cdc setup`.")
    PHASE_MISMATCH = ("phase_mismatch", Severity.STOPPED,
        "Phase 3 is set but not recorded, or recorded but not set. Nothing is replicated.",
        ("Do what the message says: it has the number for `MIGRATION_PHASE`, and for `DataMigration__Phase` where the "
         "app has it. Restart the app. `python -m cdc phase` shows setting and record."))
    PHASE_DIFFERS = ("phase_differs", Severity.DEGRADED,
        "The setting and the recorded phase differ. The app works as its setting says.",
        ("Do what the message says: it has the number for `MIGRATION_PHASE`, and for `DataMigration__Phase` where the "
         "app has it. Restart the app after a change of a setting."))
    NOT_REPLICATING = ("not_replicating", Severity.NOTE,
        "The phase has no replication: this app reads no change feed. Lag, reconcile and timer are not judged.",
        "Nothing, if this is the right phase. Otherwise set `MIGRATION_PHASE`.")
    CUTOVER_RUNNING = ("cutover_running", Severity.NOTE,
        "A process works on a run of the cut-over now. Nothing is switched yet.",
        "Nothing. `python -m cdc cutover status` shows how far it is.")
    CUTOVER_UNFINISHED = ("cutover_unfinished", Severity.DEGRADED,
        "A run of the cut-over was interrupted, and no process works on it. Nothing is switched yet.",
        ("`python -m cdc cutover run` goes on where it stopped, and `python -m cdc cutover abort` takes back what it "
         "has done. `python -m cdc cutover status` shows how far it is."))
    FORGOTTEN_WRITE = ("forgotten_write", Severity.STOPPED,
        ("Somebody has written documents to Cosmos since the cut-over. These writes are not in PostgreSQL, and this "
         "app never applies them."),
        ("Find the writer, take its access to Cosmos away, and point it to PostgreSQL. `python -m cdc cutover status "
         "--identities` names the documents. Write into PostgreSQL what is missing there, then run `python -m cdc "
         "cutover accept`."))
    WATCH_OVERDUE = ("watch_overdue", Severity.DEGRADED,
        "Nobody has looked for forgotten writers lately, so one would not be noticed.",
        "Start this app with `MIGRATION_PHASE=3`, and look for errors of the part 'forgotten writers' in its log.")
    FEED_DEAD = ("feed_dead", Severity.STOPPED,
        ("Changes wait in Cosmos, and no host reads them: nobody has renewed the leases of the feed for longer than a "
         "host needs to take them over."),
        ("Check that the app runs, that its function `change_feed` is not disabled, and that the host's log has no "
         "error about leases. Restart the app. If it does not start, run `python -m cdc status` with the app's own "
         "settings: they may be wrong. Nothing is lost: the feed continues where it stopped."))
    LEASE_MISSING = ("lease_missing", Severity.STOPPED,
        "A part of a feed has no lease, so its changes do not arrive, or the host has never written its leases.",
        ("Do what the message says. The host does not write a deleted lease again: operations.md has the steps under "
         "'When a part of a feed has no lease'."))
    LEASE_DOUBLE = ("lease_double", Severity.STOPPED,
        ("More than one lease covers the same part of a feed. Its changes arrive more than once, and nobody can say "
         "how far the feed is."),
        "Do what the message says: the leases of this container must be written anew.")
    LEASE_UNRENEWED = ("lease_unrenewed", Severity.NOTE,
        ("No host renews the leases of a feed, but nothing waits there. An app that has scaled to zero looks like "
         "this; so does a dead host while nobody writes."),
        ("If the app should have an instance that always runs, check that it does. Once a change waits for longer "
         "than a host needs to start, this becomes feed_dead."))
    POSITION_LOST = ("position_lost", Severity.STOPPED,
        ("The feed does not go back to where it was read last: it stood still for longer than the account keeps "
         "changes. Changes were lost."),
        "Run a backfill of the container, and a reconcile of all its keys.")
    PAUSED_FEED_WENT_ON = ("paused_feed_went_on", Severity.STOPPED,
        "The feed of a paused container went on, or the pause was too long. Changes were lost.",
        ("Do what the message says: mend the cause, resume the container, run a backfill of it, and a reconcile of "
         "all its keys."))
    NOT_CHECKED = ("not_checked", Severity.STOPPED,
        "There was no time left for this check, because a store answers slowly. Nobody knows whether it would pass.",
        "Ask again. `python -m cdc status` has more time than a request.")
    NUMBERS_UNKNOWN = ("numbers_unknown", Severity.DEGRADED,
        "PostgreSQL does not answer everything that status asks, so containers and other problems are not shown.",
        "Ask again. If it stays, look for locks and load in PostgreSQL.")
    FEED_FAILING = ("feed_failing", Severity.DEGRADED,
        ("A batch of the live feed fails and is delivered again and again. Nothing of it is written, and nothing is "
         "lost: its changes wait in Cosmos."),
        ("Do what the message says. If it has (55P03) or (57014), a session holds a lock. "
         f"{LOCKS} The log has a row `batch_failed` for each attempt."))
    FEED_BEHIND = ("feed_behind", Severity.DEGRADED,
        ("The oldest change that has not arrived is older than READINESS_MAX_LAG_SECONDS, although a host reads the "
         "feed."),
        ("Wait if the backlog becomes smaller. Otherwise look for failed batches in the log, and for a session that "
         f"holds a lock. {LOCKS}"))
    LAG_UNKNOWN = ("lag_unknown", Severity.DEGRADED,
        "Nobody can say how far the feed is.",
        ("Wait a minute: while a host starts or a range splits, this is normal. If it stays, do what the message "
         "says."))
    PAUSED = ("paused", Severity.DEGRADED,
        "Somebody has paused the container. Nothing of it is written, and its changes wait in Cosmos.",
        "When the reason is gone, press Resume on the page, or run `python -m cdc resume CONTAINER`.")
    BREAKER = ("breaker", Severity.DEGRADED,
        "The app has paused the container itself, because its mapper parked most of what it read.",
        ("Mend the mapper and deploy it. Then press Resume on the page, or run `python -m cdc resume CONTAINER`: "
         "what was parked is read again."))
    PAUSED_LONG = ("paused_long", Severity.DEGRADED,
        "The container has been paused for more than half of the time for which its feed keeps changes.",
        "Run `python -m cdc resume CONTAINER` before the time in the message.")
    LETTERS = ("letters", Severity.DEGRADED,
        "Documents are parked, and no automatic retry will apply them. Their last good rows stay.",
        ("Each dead letter says why; `python -m cdc show ID`, with its id, which document it is. No retry helps. "
         "Correct the documents in Cosmos: their next version is applied by itself. Or mend the mapper and replay "
         "them. Or discard them."))
    LETTER_OLD = ("letter_old", Severity.DEGRADED,
        "A document has been parked for more than a day.",
        ("The dead letter says why; `python -m cdc show ID`, with its id, which document it is. No retry helps. "
         "Correct the document in Cosmos: its next version is applied by itself. Or mend the mapper and replay it. Or "
         "discard it."))
    UNMAPPED_TYPE = ("unmapped_type", Severity.DEGRADED,
        "Documents have a type that no mapper takes. They have no rows.",
        ("Deploy a mapper for the type, then run a backfill of CONTAINER with `reapply`. If it is meant to have no "
         "rows, set `READINESS_ACCEPTED_TYPES=CONTAINER:TYPE` (after a comma, if others are there), and restart the "
         "app. If it does not belong there, delete it in Cosmos."))
    UNMAPPED_BEFORE = ("unmapped_before", Severity.DEGRADED,
        "Documents have no rows because no mapper took their type when they were read. A mapper takes it now.",
        "Run a backfill of CONTAINER with `reapply`.")
    BACKFILL_REQUIRED = ("backfill_required", Severity.DEGRADED,
        ("The feed does not have everything: it began later than the first document, its mode or its container was "
         "changed, its leases were written anew, or changes were lost. No backfill has completed since."),
        "Run a backfill of CONTAINER: `POST /api/backfills`.")
    COMPARISON_REQUIRED = ("comparison_required", Severity.DEGRADED,
        ("Deletes may be missing in PostgreSQL: the feed did not identify them, or it began anew. Only a reconcile of "
         "all keys finds them, and none has completed since."),
        'Wait: the reconciles compare all keys in turn. Or do it now: `POST /api/reconciliations {"mode": "keys"}`.')
    BACKFILL_STUCK = ("backfill_stuck", Severity.DEGRADED,
        "A backfill is running, but it has a problem or makes no progress. It never gives up.",
        "Remove what the message names, and it continues. Without a message, look for failed activities in the log.")
    BACKFILL_PAUSED = ("backfill_paused", Severity.NOTE,
        "Somebody has paused a backfill.",
        "`POST /api/backfills/{id}/resume` continues it, and `.../cancel` ends it.")
    DRIFT_UNRESOLVED = ("drift_unresolved", Severity.DEGRADED,
        ("The newest completed reconcile has left differences: it did not repair them, could not read them, or "
         "stopped because too much differs."),
        ("Look at its findings with `GET /api/reconciliations/{id}`, and start one with repair: `POST "
         "/api/reconciliations`."))
    ROWS_UNCLAIMED = ("rows_unclaimed", Severity.DEGRADED,
        "The tables have rows that belong to no document. Reconcile never deletes them.",
        "Look at them with `python -m cdc show ID --drift`, and delete those that nobody needs.")
    RECONCILE_FAILED = ("reconcile_failed", Severity.DEGRADED,
        "The newest reconcile of the container has failed.",
        "Remove what the message names. The next reconcile comes by itself.")
    RECONCILE_BEHIND = ("reconcile_behind", Severity.DEGRADED,
        "The newest reconcile of the container has compared nothing, because the container is not up to date.",
        "Do what the message says. The next reconcile comes by itself.")
    RECONCILE_OVERDUE = ("reconcile_overdue", Severity.DEGRADED,
        ("No reconcile of the container has completed within READINESS_MAX_AGE_SECONDS, so nobody knows whether both "
         "sides are equal."),
        "Look for the reason in `GET /api/reconciliations` and in the log: `maintain` starts the reconciles.")
    MAINTAIN_OVERDUE = ("maintain_overdue", Severity.DEGRADED,
        ("The timer maintain does not run. Dead letters are not read again, backfills and reconciles are not started, "
         "and nobody watches the leases."),
        ("Check that the app runs, that its function `maintain` is not disabled, and that its log has no error. "
         "Restart the app."))
    PART_OVERDUE = ("part_overdue", Severity.DEGRADED,
        "A part of the timer maintain is not done any more: it fails or hangs.",
        "Look in the log for `maintain: <part> failed`, which says what to do.")
    COUNTS_OLD = ("counts_old", Severity.NOTE,
        "The ledger was not counted for more than an hour. The counts of documents are old; lag and letters are not.",
        "Look in the log for a part of maintain that fails. A count that takes too long is ended after two minutes.")
    RULE_BROKEN = ("rule_broken", Severity.NOTE,
        "Rows break a unique index or a foreign key of the cut-over. Today this harms nothing.",
        "`python -m cdc cutover check` names the documents: correct them in Cosmos before the cut-over.")
    PROPERTY_UNKNOWN = ("property_unknown", Severity.NOTE,
        ("Documents have properties that no mapper knows, or values that it read by a rule of its own. They are "
         "counted."),
        ("The newest report of reconcile lists them by path. If a property matters, add it to the mapper and its "
         "table."))
    # fmt: on

    @property
    def page(self) -> str:
        """Return the address of its paragraph."""
        return f"{PAGE}#{self}"


class CurrentProblem(BaseModel):
    """A problem as it is now: since when, what is wrong, what to do, and the paragraph of the docs.

    `container` is null for what concerns the whole app. `since` is null if nobody knows. The remedy names it.
    """

    code: str
    severity: Severity
    container: str | None
    since: datetime | None
    message: str
    remedy: str
    docs: str

    @classmethod
    def of(
        cls,
        code: Code,
        message: str,
        container: str | None = None,
        since: datetime | None = None,
        type_: str = "TYPE",
    ) -> Self:
        """Return a problem of this kind; its remedy names the container, and the type of its documents."""
        names = {"CONTAINER": container or "CONTAINER", "TYPE": type_}
        return cls(
            code=code,
            severity=code.severity,
            container=container,
            since=since,
            message=message,
            remedy=re.sub(r"\b(CONTAINER|TYPE)\b", lambda found: names[found[0]], code.remedy),
            docs=code.page,
        )


def sum_up(problems: Iterable[CurrentProblem]) -> Health:
    """Return the verdict: the worst severity, without the notes."""
    found = {each.severity for each in problems}
    return next((Health(each) for each in (Severity.STOPPED, Severity.DEGRADED) if each in found), Health.HEALTHY)
