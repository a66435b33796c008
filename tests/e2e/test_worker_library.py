"""The app does in Microsoft's own worker library what it does in this repository's host."""

import json
import os
import subprocess
import sys

import psycopg
import pytest

from local.cosmos import CosmosServer
from local.sample import Sample, Source
from local.stack import ROOT, make_settings
from tests.collector import collecting
from tests.commands import prepare

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 13), reason="azure-functions-runtime, Microsoft's worker library, needs Python 3.13"
)
DOCUMENTS = 30
TABLES = ("accounts", "user_profiles", "game_sessions", "player_scenario_scores")
GET = {
    "method": ["string", "GET"],
    "url": ["string", "http://127.0.0.1/api/health/live"],
    "headers": {},
    "query": {},
    "params": {},
    "body": ["bytes", ""],
}
ENGINES = ("library", "host")


@pytest.fixture
def cosmos():
    """A Cosmos server of the test's own."""
    with CosmosServer(port=0) as server:
        yield server


@pytest.fixture
def run(cosmos, dsn, empty_dsn):
    """A way to run calls in an engine, which has a database of its own."""
    settings = {
        engine: prepare(make_settings(cosmos.connection_string, address))
        for engine, address in zip(ENGINES, (dsn, empty_dsn), strict=True)
    }

    def run(engine, *calls, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "tests.e2e.engines", engine],
            cwd=ROOT,
            env={**os.environ, **settings[engine], **environment},
            input=json.dumps(calls),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    return run


@pytest.fixture
def feeds(cosmos):
    """The change feeds of a source with sample documents, each as the text that the trigger gets."""
    source = Source.open(cosmos.connection_string, "MystiraAppDb")
    for document in Sample(seed=5).create(DOCUMENTS):
        source.write(*document)
    yield {
        name: json.dumps(list(container.query_items_change_feed(start_time="Beginning")))
        for name, container in source.containers.items()
    }
    source.close()


def call(function, kind, content, *, parameter="documents", retry=(0, 0)):
    """Describe an invocation."""
    return {"function": function, "parameter": parameter, "payload": [kind, content], "retry": retry}


def read_rows(dsn):
    """Read what the change feeds wrote, but for the moments of writing."""
    with psycopg.connect(dsn) as connection:
        return [
            connection.execute(f"select to_jsonb(t) - 'applied_at' from {table} t order by 1::text").fetchall()
            for table in (*TABLES, "cdc.document", "cdc.dead_letter")
        ]


def test_both_engines_find_the_same_functions_with_the_same_bindings(run):
    """Index the app in both."""
    library, host = (run(engine)["functions"] for engine in ENGINES)

    assert library == host
    assert len(library) >= 5


def test_both_engines_give_the_same_results_for_the_same_payloads(run, feeds, dsn, empty_dsn):
    """Deliver every feed, twice the first, ask for the health, and send what is no feed."""
    calls = [
        call("change_feed_accounts", "string", feeds["Accounts"]),
        call("change_feed_user_profiles", "json", feeds["UserProfiles"]),
        call("change_feed_game_sessions", "string", feeds["GameSessions"]),
        call("change_feed_player_scenario_scores", "string", feeds["PlayerScenarioScores"]),
        call("change_feed_accounts", "string", feeds["Accounts"], retry=(2, -1)),
        call("change_feed_accounts", "string", "[]"),
        call("change_feed_accounts", "string", "no JSON"),
        call("change_feed_accounts", "bytes", "[]"),
        call("health_live", "http", GET, parameter="req"),
        call("health_ready", "http", GET, parameter="req"),
        call("health_live", "string", "no request", parameter="req"),
    ]

    library, host = (run(engine, *calls)["results"] for engine in ENGINES)

    assert library == host
    assert library[:6] == [None] * 6
    assert [answer[0] for answer in library[8:10]] == ["http", "http"]
    assert read_rows(dsn) == read_rows(empty_dsn)
    assert sum(map(len, read_rows(dsn)[: len(TABLES)])) == DOCUMENTS


def test_a_delivery_belongs_to_the_trace_that_the_worker_was_told(run, feeds):
    """The library lets a sync function see no trace: the app continues it by itself, down to the commit."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    told = {"trace": f"00-{trace}-00f067aa0ba902b7-00"}
    with collecting() as collector:
        results = run("library", call("change_feed_accounts", "string", feeds["Accounts"]) | told, **collector.settings)

    names = [span.name for span in collector.spans]
    assert results["results"] == [None]
    assert {span.trace for span in collector.spans} == {trace}
    assert {"cdc.batch", "cdc.apply", "cdc.map", "cdc.commit"} == set(names)
    assert next(span.parent for span in collector.spans if span.name == "cdc.batch") == "00f067aa0ba902b7"
    assert {"cdc.lag", "cdc.changes"} <= {point.metric for point in collector.points}
