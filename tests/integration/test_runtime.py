"""The use cases on a real database, with Cosmos told what to answer."""

import json
import logging
import time

import psycopg
import pytest

from cdc.api.answers import answer
from cdc.api.health import tell_ready
from cdc.config.settings import Settings
from cdc.core.errors import TransientError
from cdc.core.source_container import SourceContainer
from cdc.cosmos.account import CosmosAccount
from cdc.cutover.store import Attempts
from cdc.operations.conditions import ConditionReader
from cdc.postgres.containers import confirm
from cdc.runtime import Runtime
from mappers import APPLICATION_SQL, MAPPERS
from mappers.accounts import ACCOUNTS
from tests.builders import TS, an_account

SETTINGS = {
    "COSMOS_CONNECTION": "AccountEndpoint=http://127.0.0.1:9/;AccountKey=c2VjcmV0;",
    "COSMOS_DATABASE": "MystiraAppDb",
    "LEASE_DATABASE": "MystiraCdc",
    "LEASE_CONTAINER": "leases",
    "LEASE_PREFIX": "test",
    "DURABLE_HUB": "test",
    "IDENTITY_KEY": "for the tests only",
}


@pytest.fixture
def start(monkeypatch):
    """Start a runtime on a database; its containers have the partition key /id."""
    monkeypatch.setattr(
        CosmosAccount,
        "read_source_container",
        lambda _, name: SourceContainer(name, "account", "AAAAAIAAAAA=", ("/id",)),
    )
    monkeypatch.setattr(CosmosAccount, "check_account", lambda *_: None)
    monkeypatch.setattr(CosmosAccount, "check_lease_container", lambda *_: None)
    started = []

    def start_runtime(dsn):
        started.append(Runtime(Settings.read(SETTINGS | {"POSTGRES_CONNECTION": dsn}), MAPPERS, APPLICATION_SQL))
        return started[-1]

    yield start_runtime
    for runtime in started:
        runtime.close()


def a_document(id_, **overrides):
    """Build an item of the change feed."""
    return an_account(id_, _ts=TS, _lsn=1, _etag="x", **overrides)


def test_logs_hold_no_document(start, app_dsn, caplog):
    """What is logged of a batch is numbers, paths and reasons: no id, no e-mail, no name."""
    documents = [
        a_document("lerato-1"),
        a_document("lerato-2", Email=["lerato"]),
        a_document("lerato-3", DisplayName="lerato\0"),
        a_document("lerato-4", DisplayName="lerato\ud83e"),
    ]

    with caplog.at_level(logging.DEBUG):
        outcome = start(app_dsn).delivery.apply(ACCOUNTS, documents)

    assert (outcome.applied, outcome.parked) == (1, 3)
    assert "applied=1 deleted=0 stale=0 undecided=0 parked=3 unmapped=0" in caplog.text
    assert "$.Email" in caplog.text
    assert "lerato" not in caplog.text
    assert "thandi" not in caplog.text.lower()


def test_status_is_numbers(start, app_dsn):
    """The status answers with counts, and with nothing that identifies a document."""
    runtime = start(app_dsn)
    runtime.delivery.apply(ACCOUNTS, [a_document("lerato-1"), a_document("lerato-2", Email=None)])

    made = answer(runtime.status.read)

    assert made.status == 200
    assert json.loads(made.body)["phase"] == "dual_write_cosmos_read"
    assert json.loads(made.body)["containers"][0]["documents"] == {
        "applied": 1,
        "parked": 1,
        "deleted": 0,
        "unmapped": 0,
    }
    assert "lerato" not in made.body


def test_unmapped_documents_are_told_by_readiness_and_status(start, app_dsn, caplog):
    """They are no failure: the app is ready, and says what has no rows. A type that is no name is told nowhere."""
    runtime = start(app_dsn)
    orders = [a_document(f"lerato-{n}", **{"$type": "SalesOrder"}) for n in range(2)]
    with caplog.at_level(logging.DEBUG):
        runtime.delivery.apply(ACCOUNTS, [*orders, a_document("lerato-3", **{"$type": "lerato@example.com"})])

    ready = answer(
        lambda: tell_ready(runtime.status.read_ability, runtime.status.list_unmapped, runtime.status.list_paused)
    )
    status = answer(runtime.status.read)

    unmapped = [
        {"container": "Accounts", "type": type_, "documents": documents, "has_mapper": False}
        for type_, documents in (("SalesOrder", 2), ("other", 1))
    ]
    assert (ready.status, json.loads(ready.body)["unmapped"]) == (200, unmapped)
    assert json.loads(status.body)["containers"][0]["unmapped"] == unmapped
    assert "parked=0 unmapped=3" in caplog.text
    assert "lerato" not in ready.body + status.body + caplog.text


def test_a_migrated_database_is_ready(start, app_dsn):
    """With every check passed the app can apply changes."""
    runtime = start(app_dsn)

    made = answer(
        lambda: tell_ready(runtime.status.read_ability, runtime.status.list_unmapped, runtime.status.list_paused)
    )

    assert made.status == 200
    assert json.loads(made.body)["checks"][:3] == ["postgres", "rights", "migrations"]


def test_a_server_that_logs_rows_is_advised_against(start, dsn, connection):
    """PostgreSQL quotes the row of a refused statement in its log, unless it is told to be terse."""
    runtime = start(dsn)
    assert runtime.checks.list_advice() == []
    name = psycopg.sql.Identifier(connection.info.dbname)
    connection.execute(psycopg.sql.SQL("alter database {} set log_error_verbosity = 'default'").format(name))

    (advice,) = start(dsn).checks.list_advice()

    assert "set log_error_verbosity = terse" in advice


def test_an_unmigrated_database_is_not_ready(start, empty_dsn):
    """The answer is 503 and says which command is missing; the trigger raises, so that nothing is checkpointed."""
    runtime = start(empty_dsn)

    made = answer(
        lambda: tell_ready(runtime.status.read_ability, runtime.status.list_unmapped, runtime.status.list_paused)
    )

    assert (made.status, made.content_type) == (503, "application/problem+json")
    assert json.loads(made.body)["errors"][0]["field"] == "setup_incomplete"
    assert "python -m cdc migrate" in json.loads(made.body)["errors"][0]["message"]
    status = json.loads(answer(runtime.status.read).body)
    assert (status["verdict"], [each["code"] for each in status["problems"]]) == ("stopped", ["setup_incomplete"])
    with pytest.raises(Exception, match="python -m cdc migrate"):
        runtime.delivery.apply(ACCOUNTS, [a_document("a")])


def test_an_unreachable_database_is_not_ready(start):
    """The answer is 503 with the setting to correct, and without the password."""
    runtime = start("postgresql://app:s3cret@127.0.0.1:9/app")

    made = answer(
        lambda: tell_ready(runtime.status.read_ability, runtime.status.list_unmapped, runtime.status.list_paused)
    )

    assert made.status == 503
    assert "POSTGRES_CONNECTION" in made.body
    assert "s3cret" not in made.body
    assert "127.0.0.1" not in made.body


def test_an_outage_raises_for_the_whole_batch(start, monkeypatch):
    """While PostgreSQL is away the trigger raises TransientError, and the host tries the batch again."""
    monkeypatch.setattr("cdc.postgres.database._POOL_TIMEOUT_SECONDS", 0.1)

    with pytest.raises(TransientError, match="PostgreSQL cannot be reached"):
        start("postgresql://app@127.0.0.1:9/app").delivery.apply(ACCOUNTS, [a_document("a")])


def test_the_status_shows_containers_that_are_replicated_now(start, app_dsn, database):
    """One that was seen with a setting that is gone since has no change feed any more."""
    for name in ("Accounts", "PendingSignups"):
        confirm(database, SourceContainer(name, "account", "AAAAAIAAAAA=", ("/id",)))

    status = json.loads(answer(start(app_dsn).status.read).body)

    feeds = [feed["container"] for feed in status["change_feeds"]]
    assert ("Accounts" in feeds, "PendingSignups" in feeds) == (True, False)


def test_another_process_knows_since_when_a_problem_is_there(start, app_dsn, connection):
    """The timer has noted it; the note goes with the problem."""
    runtime = start(app_dsn)
    runtime.delivery.apply(ACCOUNTS, [a_document("a", Email=None)])
    connection.execute("update cdc.dead_letter set state = 'exhausted'")
    runtime.status.note()
    connection.execute("update cdc.problem set since = '2026-01-01' where code = 'letters'")

    runtime.status.note()  # the same problem keeps its time

    (letters,) = [each for each in start(app_dsn).status.read().problems if each.code == "letters"]
    assert (letters.container, f"{letters.since:%Y-%m-%d}") == ("Accounts", "2026-01-01")
    connection.execute("delete from cdc.dead_letter")
    runtime.status.note()
    assert connection.execute("select from cdc.problem where code = 'letters'").fetchall() == []


def test_what_postgres_cannot_say_now_is_not_gone(start, app_dsn, connection, monkeypatch):
    """A note stays until somebody has seen that its problem is gone."""
    runtime = start(app_dsn)
    runtime.delivery.apply(ACCOUNTS, [a_document("a", Email=None)])
    connection.execute("update cdc.dead_letter set state = 'exhausted'")
    runtime.status.note()
    monkeypatch.setattr(ConditionReader, "read", fail_to_read)

    runtime.status.note()

    assert len(connection.execute("select from cdc.problem where code = 'letters'").fetchall()) == 1


def fail_to_read(_):
    """Meet a lock."""
    raise TransientError("PostgreSQL: LockNotAvailable (55P03).")


def test_containers_and_problems_come_in_the_order_of_the_settings(start, app_dsn, connection):
    """However many rows the database has of them: somebody who looks again finds each at its place."""
    names = [mapper.container for mapper in MAPPERS]
    for name in reversed(names):
        connection.execute(
            "insert into cdc.pause (container, reason, source, positions) values (%s, 'why', 'operator', '[]')", [name]
        )

    report = start(app_dsn).status.read()

    assert [each.container for each in report.containers] == names
    assert [each.container for each in report.problems if each.code == "paused"] == names
    severities = [each.severity for each in report.problems]
    assert severities == sorted(severities, key=["stopped", "degraded", "note"].index)


def test_a_run_of_the_cut_over_that_is_not_over_is_told(start, app_dsn, connection, owner_database):
    """With its step and what has stopped it, or as one that runs; in every phase, until it is completed or aborted."""
    runtime = start(app_dsn)
    connection.execute(
        "insert into cdc.cutover (kind, token, progress, problem) "
        """values ('run', gen_random_uuid(), '{"step": "drain"}', 'No writer.')"""
    )

    def find():
        return [each for each in runtime.status.read().problems if each.code.startswith("cutover_")]

    (problem,) = find()
    assert (problem.code, problem.severity) == ("cutover_unfinished", "degraded")
    assert problem.message.endswith(" was interrupted at the step drain. It stopped: No writer.")
    with Attempts(owner_database).working_on_run():
        (problem,) = find()
        assert (problem.code, problem.severity) == ("cutover_running", "note")
        assert problem.message.endswith(", and is at the step drain.")
    while find()[0].code != "cutover_unfinished":  # the server sees a moment later that the process is gone
        time.sleep(0.05)
    connection.execute("update cdc.cutover set state = 'aborted'")
    assert find() == []


def test_a_container_that_no_setting_names_any_more_has_no_problem(start, app_dsn, connection, database):
    """What was noted of it stays beside the same problem of one that is replicated."""
    for name in ("Accounts", "PendingSignups"):
        confirm(database, SourceContainer(name, "account", "AAAAAIAAAAA=", ("/id",)))
    connection.execute(
        "update cdc.container set lease_problem = 'a gap', lease_problem_since = now() - interval '1 day'"
    )
    connection.execute("update cdc.container set leases_seen_at = now(), skipped_at = now(), skip_problem = 'skipped'")

    problems = start(app_dsn).status.read().problems

    kinds = {(each.code, each.container) for each in problems if each.container is not None}
    assert {("lease_missing", "Accounts"), ("paused_feed_went_on", "Accounts")} <= kinds
    assert "PendingSignups" not in {container for _, container in kinds}


def test_each_problem_is_a_row_for_the_alerts(start, app_dsn, connection, caplog):
    """With its code, its container and how bad it is; a note wakes nobody up, and no text of a person is in it."""
    connection.execute(
        "insert into cdc.pause (container, reason, source, positions) values ('Accounts', 'lerato', 'operator', '[]')"
    )

    with caplog.at_level(logging.WARNING):
        start(app_dsn).status.note()

    told = [(each.levelname, each.getMessage()) for each in caplog.records if "action=problem" in each.getMessage()]
    values = "action=problem container=Accounts code=paused severity=degraded"
    assert ("WARNING", f"there is a problem, see docs/problems.md#paused: {values}") in told
    assert "lerato" not in str(told)
    assert not [row for _, row in told if "severity=note" in row]
