"""Whatever is away, and however many ask: every answer comes while it is still away, and says what to do."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from local.cosmos.auth import EMULATOR_KEY
from local.freezing import frozen, frozen_postgres
from local.operator import Operator
from local.postgres import Postgres
from local.stack import Part, make_settings
from tests.commands import prepare
from tests.conftest import create_database
from tests.e2e.conftest import running_host, wait_until

Ask = Callable[[], tuple[int, Any]]
NOTHING = "Nothing was changed."
# The feeds alone could hold all threads of the worker.
LIMITS = {"PYTHON_THREADPOOL_THREAD_COUNT": "4"}
BACKFILL = {"unlimited": True}
DOCUMENT = {"id": "a", "partition_key": "a"}


@pytest.fixture(scope="module")
def source() -> Iterator[Part]:
    """A Cosmos server in a process of its own."""
    part = Part(["local.cosmos"], {})
    yield part
    part.stop()


@pytest.fixture(scope="module")
def dsn(postgres_server: Postgres) -> Iterator[str]:
    """The address of a database for all of these tests."""
    yield from create_database(postgres_server, "migrated")


@pytest.fixture(scope="module")
def settings(source: Part, dsn: str) -> Mapping[str, str]:
    """The app's settings."""
    return prepare(make_settings(f"AccountEndpoint={source.url};AccountKey={EMULATOR_KEY};", dsn) | LIMITS)


@pytest.fixture(scope="module")
def app(settings: Mapping[str, str]) -> Iterator[Operator]:
    """Somebody who works the app."""
    with running_host(settings) as part:
        yield Operator(part.url, "key")


@pytest.fixture
def operator(app: Operator) -> Operator:
    """Somebody who works an app that is ready and has its connections."""
    wait_until(lambda: app.ask("GET", "health/ready")[0] == 200, "the app is ready")
    wait_until(lambda: resync(app)[0] == 200, "the app reads a document")
    return app


def resync(operator: Operator) -> tuple[int, Any]:
    """Have a document read again."""
    return operator.ask("POST", "documents/Accounts/resync", DOCUMENT)


def ask_everything(operator: Operator) -> dict[str, tuple[int, Any]]:
    """Ask for everything at once, for resyncs eight times; return once all have answered."""
    asked: dict[str, Ask] = {
        "live": lambda: operator.ask("GET", "health/live"),
        "ready": lambda: operator.ask("GET", "health/ready"),
        "ready again": lambda: operator.ask("GET", "health/ready"),
        "status": lambda: operator.ask("GET", "status"),
        "letters": lambda: operator.ask("GET", "dead-letters"),
        "replay": lambda: operator.ask("POST", "dead-letters/replay"),
        "backfills": lambda: operator.ask("GET", "backfills"),
        "backfill": lambda: operator.ask("POST", "backfills", BACKFILL),
        "reconcile": lambda: operator.ask("POST", "reconciliations", {"containers": ["Accounts"]}),
        **{f"resync {number}": lambda: resync(operator) for number in range(8)},
    }
    with ThreadPoolExecutor(len(asked)) as threads:
        answers = {name: threads.submit(ask) for name, ask in asked.items()}
    return {name: answer.result() for name, answer in answers.items()}


def count_backfills(dsn: str) -> int:
    """Count the backfills that were ever started."""
    with psycopg.connect(dsn) as connection:
        return int((connection.execute("select count(*) from cdc.backfill").fetchone() or (0,))[0])


def test_cosmos_that_is_frozen(operator: Operator, source: Part, dsn: str) -> None:
    """What needs PostgreSQL alone is answered; all else says that Cosmos is away and that nothing was changed."""
    with frozen(source.pid):
        answers = ask_everything(operator)

    served = {name: answers[name][0] for name in ("live", "status", "letters", "replay", "backfills", "reconcile")}
    assert served == dict.fromkeys(served, 200) | {"replay": 202, "reconcile": 202}
    assert [each["code"] for each in answers["status"][1]["problems"]] == ["cosmos_unreachable"]
    for name in ("ready", "ready again"):
        status, body = answers[name]
        assert (status, [error["field"] for error in body["errors"]]) == (503, ["cosmos_unreachable"])
    for name in answers.keys() - served.keys() - {"ready", "ready again"}:
        status, body = answers[name]
        assert status == 503
        assert body["detail"].startswith("Cosmos did not answer")
        assert body["detail"].endswith(NOTHING)
    assert count_backfills(dsn) == 0


def test_postgres_that_is_frozen(operator: Operator, dsn: str, postgres_server: Postgres) -> None:
    """Only `live` has nothing to do with it; a POST says that it changed nothing, and this stays true."""
    with frozen_postgres(postgres_server):
        answers = ask_everything(operator)

    assert answers.pop("live") == (200, {"status": "live"})
    status, body = answers.pop("status")
    if status == 200:  # on a busy machine the request may end before PostgreSQL is blamed
        assert [each["code"] for each in body["problems"]] == ["postgres_unreachable"]
    for name, (status, body) in answers.items():
        assert status == 503
        if name.startswith("ready"):
            assert [error["field"] for error in body["errors"]] == ["postgres_unreachable"]
            assert "PostgreSQL" in body["errors"][0]["message"]
        else:
            # On a busy machine the request may end before PostgreSQL is blamed.
            assert "PostgreSQL" in body["detail"] or body["detail"].startswith("A store did not answer in time")
            assert body["detail"].endswith(NOTHING) == (name not in ("letters", "backfills"))
    assert count_backfills(dsn) == 0


@pytest.mark.parametrize("name", ["no-server.invalid", "127.0.0.1:1"])
def test_postgres_that_is_not_there(settings: Mapping[str, str], name: str) -> None:
    """A name that nobody resolves, and a port where nobody listens."""
    nowhere = {"POSTGRES_CONNECTION": f"postgresql://postgres@{name}/x?sslmode=disable"}
    with running_host({**settings, **nowhere}) as part:
        answers = ask_everything(Operator(part.url, "key"))

    assert answers.pop("live")[0] == 200
    code, status = answers.pop("status")
    assert (code, status["verdict"]) == (200, "stopped")
    assert [each["code"] for each in status["problems"]] == ["postgres_unreachable"]
    assert status["problems"][0]["message"].startswith("PostgreSQL cannot be reached")
    assert {code for code, _ in answers.values()} == {503}
    assert [error["field"] for error in answers["ready"][1]["errors"]] == ["postgres_unreachable"]


@pytest.mark.parametrize(
    ("table", "path", "body"),
    [
        ("cdc.backfill", "backfills", BACKFILL),
        ("cdc.container", "documents/Accounts/resync", DOCUMENT),
        ("cdc.dead_letter", "dead-letters/replay", None),
        ("cdc.reconciliation", "reconciliations", {}),
    ],
)
def test_a_table_that_somebody_has_locked(operator: Operator, dsn: str, table: str, path: str, body: object) -> None:
    """What waits for it is given up with the answer: it does not happen when the lock is gone."""
    with psycopg.connect(dsn) as connection:
        connection.execute(f"lock table {table} in access exclusive mode")
        status, answer = operator.ask("POST", path, body)
        live, ready = operator.ask("GET", "health/live")[0], operator.ask("GET", "health/ready")[0]

    assert status == 503
    assert answer["detail"].endswith(NOTHING)
    assert (live, ready) == (200, 503 if table in ("cdc.backfill", "cdc.container") else 200)
    assert count_backfills(dsn) == 0


def test_a_commit_that_is_not_answered(operator: Operator, dsn: str) -> None:
    """The answer says that nobody knows, and where to look; asking again starts nothing twice."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        # No timeout of the server ends a commit.
        connection.execute(
            "create function slow() returns trigger language plpgsql as $$ begin"
            " while not pg_try_advisory_xact_lock(42) loop perform pg_sleep(0.05); end loop; return null; end $$;"
            "create constraint trigger slow after insert on cdc.backfill initially deferred"
            " for each row execute function slow()"
        )
        connection.execute("select pg_advisory_lock(42)")
        status, body = operator.ask("POST", "backfills", BACKFILL)
        assert count_backfills(dsn) == 0
        connection.execute("select pg_advisory_unlock(42)")
        connection.execute("drop function slow() cascade")  # waits for the end of the commit

    assert status == 503
    assert "It is not known whether the change was made: GET /api/backfills shows it." in body["detail"]
    assert len(operator.ask("GET", "backfills")[1]["items"]) == 1


@pytest.mark.parametrize("text", ["%00", "a%00b", "%ff", "%ed%a0%80"])
def test_a_text_that_postgres_cannot_store_is_the_askers_fault(operator: Operator, text: str) -> None:
    """400 or 404, with a sentence; never as if PostgreSQL was away."""
    paths = ("backfills/{}", "backfills?after={}", "reconciliations/{}", "reconciliations?after={}",
             "dead-letters?container={}", "dead-letters?{}=1", "dead-letters?kind={}")  # fmt: skip
    changes = ("backfills/{}/pause", "dead-letters/{}/replay", "documents/{}/resync")
    answers = [operator.ask("GET", path.format(text)) for path in paths]
    answers += [operator.ask("POST", path.format(text), DOCUMENT) for path in changes]

    assert {status for status, _ in answers} <= {400, 404}
    assert all(body["detail"] and "\0" not in body["detail"] for _, body in answers)


@pytest.mark.parametrize(("phase", "name"), [("0", "cosmos_only"), ("3", "postgres_only")])
def test_a_phase_without_replication_says_so(settings: Mapping[str, str], phase: str, name: str) -> None:
    """What it does not have is 409 with a sentence; status tells how it differs from the recorded phase, which is 1."""
    with running_host({**settings, "MIGRATION_PHASE": name, "DataMigration__Phase": name}) as part:
        operator = Operator(part.url, "key")
        started, listed = operator.ask("POST", "backfills", BACKFILL), operator.ask("GET", "backfills/x")
        status, ready = operator.ask("GET", "status"), operator.ask("GET", "health/ready")

    for code, body in (started, listed):
        assert code == 409
        assert f"MIGRATION_PHASE is {phase} ({name})" in body["detail"]
    assert (status[0], status[1]["phase"]) == (200, name)
    assert f"MIGRATION_PHASE is {phase} ({name}), but the recorded phase is 1 " in status[1]["phase_meaning"]
    assert "set MIGRATION_PHASE to 1" in status[1]["phase_meaning"].replace("Set", "set")
    assert "primary store" not in str((status, started))
    assert {each["lag_unknown"] for each in status[1]["containers"]} != {"It was not measured yet."}
    assert ready[0] == (503 if name == "postgres_only" else 200)  # phase 1 is recorded
