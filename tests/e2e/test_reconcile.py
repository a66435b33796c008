"""Reconcile in the real host: started over HTTP and by its timer, under steady writes and through kills."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from local.cosmos import CosmosServer
from local.operator import Operator
from local.patience import PATIENCE_SECONDS
from local.sample import Sample, Source
from local.stack import Part
from tests.e2e.conftest import count_applied, is_equal, let_age, read_status, wait_until

DOCUMENTS = 80
RUNS = 3


def ask(host: Part, path: str, body: Mapping[str, object] | None = None) -> tuple[int, Any]:
    """Ask the app, and return status and JSON."""
    return Operator(host.url, "key").ask("GET" if body is None else "POST", path, body)


def run(host: Part, **request: object) -> dict[str, Any]:
    """Run a reconcile to its end and return what it answers."""
    answers: list[tuple[int, Any]] = []

    def begins() -> bool:
        answers.append(ask(host, "reconciliations", request))
        return bool(answers[-1][0] != 409)

    wait_until(begins, "no other reconcile runs")
    status, accepted = answers[-1]
    assert status == 202
    report: dict[str, Any] = {}

    def is_over() -> bool:
        report.update(ask(host, f"reconciliations/{accepted['id']}")[1])
        return bool(report["state"] != "running")

    wait_until(is_over, "the reconcile is over")
    return report


def drift_of(report: Mapping[str, Any]) -> dict[str, int]:
    """Add up what was found in all containers."""
    kinds = report["containers"][0]["drift"]
    return {kind: sum(each["drift"][kind] for each in report["containers"]) for kind in kinds}


@contextmanager
def steady_writes(source: Source, sample: Sample) -> Iterator[None]:
    """Write documents all the time, some of them every second."""
    stopped = threading.Event()
    container, document = next(iter(sample.create(1)))
    source.write(container, document)

    def write() -> None:
        while not stopped.wait(0.05):
            source.write(*sample.change())
            source.write(container, document)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stopped.set()
        writer.join()


@pytest.fixture
def filled(cosmos: CosmosServer, settings: Mapping[str, str], source: Source, host: Part) -> Sample:
    """Documents on both sides, old enough to be judged."""
    sample = Sample(seed=7)
    for document in sample.create(DOCUMENTS):
        source.write(*document)
    wait_until(lambda: count_applied(settings["POSTGRES_CONNECTION"]) == DOCUMENTS, "all documents are applied")
    let_age(cosmos, settings, 60)
    return sample


@pytest.mark.usefixtures("filled")
def test_rows_changed_by_hand_are_found_and_repaired(settings: Mapping[str, str], host: Part) -> None:
    """A deleted, an edited and an added row; the last is reported and left."""
    with psycopg.connect(settings["POSTGRES_CONNECTION"], autocommit=True) as connection:
        connection.execute("delete from accounts where id = (select min(id) from accounts)")
        connection.execute("update game_sessions set scenario_id = 'x' where id = (select min(id) from game_sessions)")
        connection.execute("insert into accounts (id, email) values ('by hand', 'x@example.com')")

    report = run(host, mode="deep")

    assert report["state"] == "completed"
    assert drift_of(report) == {"missing": 0, "stale": 0, "orphaned": 0, "different": 2, "unclaimed": 1}
    assert sum(each["repaired"] for each in report["containers"]) == 2
    with psycopg.connect(settings["POSTGRES_CONNECTION"], autocommit=True) as connection:
        connection.execute("delete from accounts where id = 'by hand'")
    assert is_equal(settings)
    status = read_status(Operator(host.url, "key"))
    assert {each["reconciliation"]["id"] for each in status["containers"]} == {report["id"]}


def test_a_hard_delete_is_found_and_reaches_postgres(
    cosmos: CosmosServer, settings: Mapping[str, str], source: Source, host: Part, filled: Sample
) -> None:
    """The latest-version feed does not tell of it."""
    container, document = next(iter(filled.create(1)))
    source.write(container, document)
    wait_until(lambda: is_equal(settings), "it has arrived")
    source.delete(container, document)
    let_age(cosmos, settings, 60)

    report = run(host)

    assert drift_of(report) == {"missing": 0, "stale": 0, "orphaned": 1, "different": 0, "unclaimed": 0}
    assert is_equal(settings)


def test_steady_writes_are_no_drift(source: Source, host: Part, filled: Sample) -> None:
    """Some documents are written every moment; whatever is compared, nothing is ever reported."""
    with steady_writes(source, filled):
        for number in range(RUNS):
            report = run(host, mode=("counts", "keys", "deep")[number % 3])
            assert set(drift_of(report).values()) == {0}, report


def test_while_the_feed_is_behind_nothing_is_judged(
    settings: Mapping[str, str], source: Source, host: Part, filled: Sample
) -> None:
    """PostgreSQL lets nobody write accounts: the feed waits, and every answer is `behind` or finds nothing."""
    reports = []
    with psycopg.connect(settings["POSTGRES_CONNECTION"]) as connection:
        connection.execute("lock table accounts in exclusive mode")
        for _ in range(20):
            source.write(*filled.change())
        container, document = next(iter(filled.create(1)))

        def is_behind() -> bool:
            source.write(container, document)
            reports.append(run(host, containers=["Accounts"], mode="keys"))
            return bool(reports[-1]["state"] == "behind")

        wait_until(is_behind, "the feed is known to be behind")
    wait_until(lambda: is_equal(settings), "both sides are equal")

    assert [count for report in reports for count in drift_of(report).values() if count] == []


def test_what_is_asked_wrongly_is_refused(host: Part) -> None:
    """The answer names the field."""
    status, problem = ask(host, "reconciliations", {"mode": "everything"})

    assert (status, problem["errors"][0]["field"]) == (400, "mode")
    assert ask(host, "reconciliations/77")[0] == 404


@pytest.mark.usefixtures("filled")
def test_a_host_killed_while_it_reconciles_goes_on(
    cosmos: CosmosServer,
    settings: Mapping[str, str],
    host: Part,
    filled: Sample,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Wherever SIGKILL meets it, the run ends, and what was missing is there."""
    with psycopg.connect(settings["POSTGRES_CONNECTION"], autocommit=True) as connection:
        connection.execute(
            "delete from cdc.document where container = 'Accounts' and key in "
            "(select key from cdc.document where container = 'Accounts' order by key limit 3)"
        )
    with cosmos.hold(method="POST", path="/colls/Accounts/docs/") as queries:
        assert ask(host, "reconciliations", {"containers": ["Accounts"]})[0] == 202
        assert queries.entered.wait(PATIENCE_SECONDS)
        host.kill()
    host.start()
    report: dict[str, Any] = {}

    def is_over() -> bool:
        report.update(ask(host, "reconciliations")[1]["items"][0])
        return bool(report["state"] != "running")

    wait_until(is_over, "the run is over")
    assert drift_of(report)["missing"] == 3
    wait_until(lambda: run(host, containers=["Accounts"])["state"] == "completed", "it is compared again")
    assert is_equal(settings)
