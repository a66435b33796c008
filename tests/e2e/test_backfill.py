"""A backfill over HTTP, through the real host and its durable functions, in processes that die."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from campaigns.backfill import Plan, play
from local.cosmos import CosmosServer
from local.patience import PATIENCE_SECONDS
from local.sample import Sample, Source
from local.stack import ALL_VERSIONS, Part, make_settings
from tests.commands import prepare
from tests.e2e.conftest import count_applied, is_equal, wait_until

DOCUMENTS = 60
FEED = "read_change_feed"


class App:
    """The app in a host of its own, asked over HTTP."""

    def __init__(self, settings: Mapping[str, str], state: Path) -> None:
        self.host = Part(["local.functions", "--key", "key", "--state", str(state)], settings)

    def ask(self, method: str, path: str, **body: Any) -> tuple[int, Any, Mapping[str, str]]:
        """Send a request; return the status, the JSON and the headers of the answer."""
        data = json.dumps(body).encode() if method == "POST" else None
        request = urllib.request.Request(f"{self.host.url}{path}", data, {"x-functions-key": "key"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
                return answer.status, json.load(answer), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error), error.headers

    def start(self, **body: Any) -> str:
        """Ask for a backfill."""
        status, answer, headers = self.ask("POST", "api/backfills", unlimited=True, **body)
        assert (status, headers["Location"]) == (202, f"/api/backfills/{answer['id']}")
        assert answer["status_url"] == headers["Location"]
        return str(answer["id"])

    def read(self, id_: str) -> dict[str, Any]:
        """Read a backfill."""
        return dict(self.ask("GET", f"api/backfills/{id_}")[1])

    def instance(self, id_: str) -> dict[str, Any]:
        """Read the orchestration of a backfill."""
        return dict(self.ask("GET", f"runtime/webhooks/durabletask/instances/{id_}?code=key")[1])


@pytest.fixture
def settings(cosmos: CosmosServer, dsn: str, mode: str) -> dict[str, str]:
    """Settings by which each activity copies a page or a few."""
    settings = make_settings(cosmos.connection_string, dsn, mode) | {
        "BACKFILL_ACTIVITY_SECONDS": "0.2",
    }
    return prepare(settings)


@pytest.fixture
def start_app(settings: Mapping[str, str], tmp_path: Path) -> Iterator[Callable[[], App]]:
    """Start the app; what it knows of orchestrations outlives its process."""
    apps: list[App] = []

    def start() -> App:
        apps.append(App(dict(settings), tmp_path / "state"))
        return apps[-1]

    yield start
    for app in apps:
        app.host.stop()


@pytest.fixture
def app(source: Source, cosmos: CosmosServer, settings: dict[str, str], start_app: Callable[[], App]) -> App:
    """The app, whose live feed begins after the sample was written."""
    for document in Sample(seed=8).create(DOCUMENTS):
        source.write(*document)
    cosmos.controls.clock.advance(2)
    settings["CHANGE_FEED_START"] = datetime.fromtimestamp(cosmos.controls.clock(), UTC).isoformat()
    return start_app()


def _forget_what_was_copied(dsn: str) -> None:
    """Begin as if nothing had been copied."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        tables = "accounts, completed_scenarios, user_profiles, user_badges, game_sessions, player_scenario_scores"
        connection.execute(f"truncate cdc.document, cdc.dead_letter, {tables}")


def test_a_backfill_is_started_watched_and_ends_equal(app: App, settings: Mapping[str, str]) -> None:
    """Answers, Location and the orchestration's custom status say the same."""
    id_ = app.start(page_size=5)
    wait_until(lambda: app.read(id_)["state"] == "completed", "the backfill is over")

    done = app.read(id_)
    assert done["totals"]["applied"] == DOCUMENTS
    assert done["percent"] == 100.0
    assert is_equal(settings)
    wait_until(lambda: app.instance(id_)["runtimeStatus"] == "Completed", "its orchestration has ended")
    assert app.instance(id_)["customStatus"]["totals"] == done["totals"]
    assert app.ask("GET", "api/backfills")[1]["items"][0]["id"] == id_
    assert app.ask("GET", "api/backfills/nothing")[0] == 404
    assert app.ask("POST", f"api/backfills/{id_}/pause")[0] == 409


def test_pause_resume_cancel_and_another_start(app: App, cosmos: CosmosServer) -> None:
    """A pause stops within the pages that were begun, a resume goes on, a cancel ends; a new start begins anew."""
    with cosmos.hold(operation=FEED, path="/GameSessions/"):
        id_ = app.start(page_size=1)
        wait_until(lambda: app.read(id_)["totals"]["read"] > 0, "something is copied")
        assert app.ask("POST", "api/backfills", containers=["Accounts"], unlimited=True)[0] == 409
        assert app.ask("POST", f"api/backfills/{id_}/pause")[1]["state"] == "paused"
    wait_until(lambda: app.instance(id_)["runtimeStatus"] == "Completed", "its orchestration rests")
    paused = app.read(id_)
    assert paused["totals"]["read"] < DOCUMENTS

    assert app.ask("POST", f"api/backfills/{id_}/resume")[1]["state"] == "running"
    wait_until(lambda: app.read(id_)["totals"]["read"] > paused["totals"]["read"], "it goes on")
    assert app.ask("POST", f"api/backfills/{id_}/cancel")[1]["state"] == "cancelled"
    wait_until(lambda: app.instance(id_)["runtimeStatus"] == "Completed", "its orchestration has ended")

    another = app.start()
    wait_until(lambda: app.read(another)["state"] == "completed", "the other one is over")
    assert app.read(another)["totals"]["read"] == DOCUMENTS


def test_a_backfill_whose_orchestration_was_never_started_is_started(
    app: App, settings: Mapping[str, str], dsn: str
) -> None:
    """The process died between the row and the instance; nobody has to ask again."""
    id_ = app.start()
    wait_until(lambda: app.read(id_)["state"] == "completed", "the backfill is over")
    _forget_what_was_copied(dsn)
    with psycopg.connect(settings["POSTGRES_CONNECTION"], autocommit=True) as connection:
        connection.execute(
            "insert into cdc.backfill (id, max_parallel_ranges, page_size, reapply, dry_run)"
            " values ('orphan', 4, 10, false, false)"
        )
        connection.execute(
            "insert into cdc.backfill_container (backfill, container)"
            " select 'orphan', container from cdc.backfill_container where backfill = %s",
            [id_],
        )

    wait_until(lambda: app.read("orphan")["state"] == "completed", "the orphan is over")

    assert app.read("orphan")["totals"]["applied"] == DOCUMENTS


def test_an_orchestration_that_is_gone_is_started_again(
    app: App, settings: Mapping[str, str], cosmos: CosmosServer, tmp_path: Path
) -> None:
    """The host dies in the middle and all that it knew of orchestrations is lost: the rows know how far it was."""
    with cosmos.hold(operation=FEED, path="/GameSessions/"):
        id_ = app.start(page_size=1)
        wait_until(lambda: app.read(id_)["totals"]["read"] > 0, "something is copied")
        app.host.kill()
    for file in (tmp_path / "state").iterdir():
        file.unlink()

    app.host.start()

    wait_until(lambda: app.read(id_)["state"] == "completed", "the backfill is over")
    assert app.read(id_)["totals"]["read"] == DOCUMENTS
    assert is_equal(settings)


def test_kills_in_the_middle_read_nothing_twice(app: App, settings: Mapping[str, str]) -> None:
    """What was committed is not read again: the counters are those of the documents."""
    id_ = app.start(page_size=1)
    for part in (0.1, 0.4, 0.7):
        wait_until(lambda part=part: app.read(id_)["totals"]["read"] >= part * DOCUMENTS, "more is copied")
        app.host.kill()
        app.host.start()
    wait_until(lambda: app.read(id_)["state"] == "completed", "the backfill is over")

    assert app.read(id_)["totals"]["read"] == DOCUMENTS
    assert count_applied(settings["POSTGRES_CONNECTION"]) == DOCUMENTS
    assert is_equal(settings)


@pytest.mark.parametrize("mode", [ALL_VERSIONS])
def test_an_idle_container_is_copied_and_what_changes_while_nobody_follows_is_not_lost(
    app: App, settings: Mapping[str, str], source: Source
) -> None:
    """Its leases had delivered nothing: from the copy on, the feed of all versions goes on where it was."""
    wait_until(lambda: app.ask("POST", "api/backfills", unlimited=True)[0] == 202, "a backfill is granted")
    wait_until(lambda: app.ask("GET", "api/backfills")[1]["items"][0]["state"] == "completed", "it is over")
    assert is_equal(settings)
    app.host.kill()
    documents = Sample(seed=8).create(DOCUMENTS)
    changed, deleted = [document for container, document in documents if container == "Accounts"][:2]
    source.write("Accounts", {**changed, "DisplayName": "Changed meanwhile"})
    source.delete("Accounts", deleted)
    assert not is_equal(settings)

    app.host.start()

    wait_until(lambda: is_equal(settings), "both sides are equal")


def test_a_small_campaign_ends_without_a_difference() -> None:
    """Kills, an outage, a split, a pause, refusals and changes at once, and each process stands still for a while."""
    plan = Plan(documents=200, kills=2, stills=2, pauses=1, outage_seconds=1, pause_seconds=1)
    result = play("7", plan)

    assert result.differences == []
    assert (result.kills, result.outages, result.stills, result.splits, result.merges) == (2, 1, 6, 1, 1)
    assert result.pauses == 1
    assert result.refused > 0
