"""What the app tells about itself: a collector of the test's own sees every trace, metric and log row."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from cdc.telemetry.instruments import METRICS
from local.cosmos import CosmosServer
from local.operator import Operator
from local.sample import Source
from local.stack import ROOT, Part, make_settings
from mappers.metrics import METRICS as TEAM
from tests.builders import a_profile, a_score, an_account
from tests.collector import Collector, Span, collecting
from tests.commands import prepare
from tests.e2e.conftest import Query, wait_until
from tests.e2e.test_privacy import PLANTED, plant, verbose_host

SAMPLES_ARE_DUE = """
insert into cdc.maintenance (part, done_at) values ('samples', now() - interval '1 hour')
on conflict (part) do update set done_at = excluded.done_at
"""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector."""
    with collecting() as collector:
        yield collector


@pytest.fixture
def settings(cosmos: CosmosServer, dsn: str, mode: str, collector: Collector) -> Mapping[str, str]:
    """The settings of an app that sends its telemetry to the collector, and reconciles all the time."""
    often = {"RECONCILE_INTERVAL_SECONDS": "2", "SETTLE_SECONDS": "1", "BACKFILL_ACTIVITY_SECONDS": "0.3"}
    return prepare(make_settings(cosmos.connection_string, dsn, mode) | collector.settings | often)


@pytest.fixture
def host(settings: Mapping[str, str], tmp_path: Path) -> Iterator[Part]:
    """The Functions host, whose log is in a file."""
    with verbose_host(settings, tmp_path / "state", tmp_path / "host.log") as host:
        yield host


def path_to_top(spans: list[Span], span: Span) -> list[str]:
    """Return the names of a span and of those above it."""
    by_id = {each.id: each for each in spans}
    names = [span.name]
    while span.parent in by_id:
        span = by_id[span.parent]
        names.append(span.name)
    return names


def send(host: Part, path: str, body: object) -> None:
    """Send a request as somebody whose trace is being recorded elsewhere."""
    headers = {"x-functions-key": "key", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    with urllib.request.urlopen(urllib.request.Request(f"{host.url}api/{path}", json.dumps(body).encode(), headers)):
        pass


def test_a_change_is_followed_from_the_feed_to_its_commit(host: Part, source: Source, collector: Collector) -> None:
    """One trace, the host's, has the batch, its transaction, mapping, commit and log row."""
    source.write("Accounts", an_account("one"))
    wait_until(lambda: "cdc.batch" in [span.name for span in collector.spans], "the batch is told")
    wait_until(lambda: any(row.attributes.get("action") == "batch_applied" for row in collector.rows), "so is its row")

    spans = collector.spans
    paths = [path_to_top(spans, span) for span in spans]
    commit = next(span for span in spans if span.name == "cdc.commit")
    batch = next(span for span in spans if span.name == "cdc.batch")
    row = next(row for row in collector.rows if row.attributes.get("action") == "batch_applied")
    assert ["cdc.commit", "cdc.apply", "cdc.batch"] in paths
    assert ["cdc.map", "cdc.apply", "cdc.batch"] in paths
    assert commit.trace == batch.trace == row.trace
    assert batch.parent  # the host's
    assert batch.attributes | {"cdc.container": "Accounts", "cdc.kind": "feed", "cdc.applied": 1} == batch.attributes
    assert row.attributes["applied"] == 1
    assert row.attributes["lag_seconds"] < 600
    assert re.search(r"action=batch_applied container=Accounts .* applied=1 .* lag_seconds=[\d.]+", row.text)


def test_a_backfill_is_followed_from_its_request_to_the_rows(
    host: Part, source: Source, query: Query, collector: Collector
) -> None:
    """The trace goes through the stored row and the orchestration, also where these have traces of their own."""
    for number in range(20):
        source.write("Accounts", an_account(f"{number}"))
    send(host, "backfills", {"unlimited": True, "containers": ["Accounts"], "page_size": 5, "reapply": True})
    wait_until(lambda: query("select state from cdc.backfill") == [("completed",)], "the backfill is over")
    copied = ["cdc.commit", "cdc.apply", "cdc.batch", "cdc.backfill.copy", "cdc.request"]
    wait_until(lambda: copied in read_paths(collector), "it is told")

    spans = [span for span in collector.spans if span.trace == TRACE]
    request = next(span for span in spans if span.name == "cdc.request")
    copy = next(span for span in spans if span.name == "cdc.backfill.copy")
    assert request.attributes["faas.name"] == "start_backfill"
    assert copy.links  # to the activity of the host
    assert TRACE not in copy.links
    assert {span.attributes.get("cdc.kind") for span in spans if span.name == "cdc.batch"} == {"backfill"}


def test_what_is_read_again_belongs_to_its_request(
    host: Part, source: Source, query: Query, connection: psycopg.Connection, collector: Collector
) -> None:
    """A resync, and what a requested reconcile repairs."""
    source.write("Accounts", an_account("one"))
    wait_until(lambda: query("select count(*) from accounts") == [(1,)], "it is there")
    send(host, "documents/Accounts/resync", {"id": "one", "partition_key": "one"})
    connection.execute("delete from accounts")
    wait_until(lambda: "cdc.reread" in {span.name for span in collector.spans}, "the resync is told")
    wait_until(lambda: try_to_reconcile(host), "a reconcile is granted")
    wait_until(lambda: query("select count(*) from accounts") == [(1,)], "the row is repaired")

    repair = ["cdc.commit", "cdc.apply", "cdc.reread", "cdc.reconcile", "cdc.request"]
    wait_until(lambda: repair in read_paths(collector), "the repair is told")
    assert ["cdc.reread", "cdc.request"] in read_paths(collector)
    end = {"action": "reconcile_ended", "container": "Accounts", "state": "completed", "different": 1, "repaired": 1}
    wait_until(lambda: any(end.items() <= row.attributes.items() for row in collector.rows), "the end is told")


def try_to_reconcile(host: Part) -> bool:
    """Ask for a reconcile of all values; the timer may just have begun one."""
    try:
        send(host, "reconciliations", {"containers": ["Accounts"], "sample": "all"})
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return False
    return True


def read_paths(collector: Collector, trace: str = TRACE) -> list[list[str]]:
    """Return the path to the top of each span of a trace, or with an empty text of all."""
    spans = [span for span in collector.spans if trace in (span.trace, "")]
    return [path_to_top(spans, span) for span in spans]


def test_every_metric_is_sent_and_nothing_tells_of_a_document(
    host: Part, source: Source, query: Query, connection: psycopg.Connection, collector: Collector, tmp_path: Path
) -> None:
    """Planted e-mails, names and ids are in no attribute, value, row or log, whatever became of their documents."""
    documents = [("Accounts", plant(an_account(PLANTED))), ("UserProfiles", plant(a_profile(PLANTED)))]
    documents.append(("Accounts", plant(an_account("wrong")) | {"CreatedAt": PLANTED}))
    documents.append(("PlayerScenarioScores", plant(a_score("score")) | {"AxisScores": f'{{"axis": "{PLANTED}"}}'}))
    for document in documents:
        source.write(*document)
    wait_until(lambda: query("select count(*) from cdc.document") == [(len(documents),)], "all is delivered")
    operator = Operator(host.url, "key")
    assert operator.resync("Accounts", f"{PLANTED} {PLANTED}", f"{PLANTED} {PLANTED}") == "already_applied"
    assert operator.ask("POST", "backfills", {"unlimited": True, "reapply": True})[0] == 202
    connection.execute(SAMPLES_ARE_DUE)
    expected = {*METRICS, *(metric.name for metric in TEAM)}
    wait_until(lambda: {point.metric for point in collector.points} >= expected, "every metric has come")
    parked = "document_parked"
    wait_until(lambda: parked in [row.attributes.get("action") for row in collector.rows], "the parked one is told")

    assert {point.metric for point in collector.points} == expected
    for point in collector.points:
        declared = METRICS.get(point.metric)
        assert declared is None or (point.unit, set(point.attributes)) == (declared.unit, set(declared.attributes))
    row = next(row.attributes for row in collector.rows if row.attributes.get("action") == parked)
    letters = operator.ask("GET", "dead-letters")[1]["items"]
    assert row["document"] in [letter["document"] for letter in letters]
    assert operator.ask("POST", "dead-letters/replay", {})[0] == 202
    by_timer = ["cdc.commit", "cdc.apply", "cdc.reread", "cdc.maintain"]
    wait_until(lambda: by_timer in read_paths(collector, ""), "the timer has read them again")
    for words in (PLANTED, PLANTED.split(".")[1]):
        assert words not in collector.raw
        assert words not in (tmp_path / "host.log").read_text()


def test_without_an_endpoint_nothing_is_loaded_or_sent(settings: Mapping[str, str], collector: Collector) -> None:
    """The app imports neither the SDK's exporters nor protobuf, and makes no provider."""
    script = """
import sys, function_app
from opentelemetry import metrics, trace
print([name for name in ("google.protobuf", "opentelemetry.exporter", "azure.monitor") if name in sys.modules])
print(type(trace.get_tracer_provider()).__name__)
"""
    environment = {**os.environ, **settings, "OTEL_EXPORTER_OTLP_ENDPOINT": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )

    assert done.stdout.split("\n")[:2] == ["[]", "ProxyTracerProvider"]
    assert collector.raw == ""
