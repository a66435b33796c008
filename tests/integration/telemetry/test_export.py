"""Telemetry that is sent to Azure Monitor: the wire format is Microsoft's exporter's."""

import gzip
import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

ROOT = Path(__file__).parents[3]
SCRIPT = """
import logging, sys
from types import SimpleNamespace
from cdc.telemetry import batches, export, instruments, rows, tracing
from cdc.telemetry.rows import Action
from mappers.metrics import METRICS

export.start("app", otlp=False, azure_monitor=sys.argv[1], logs=True, declared=METRICS)
told = SimpleNamespace(trace_parent=sys.argv[2], trace_state=None)
with tracing.continued(told), tracing.span(tracing.Name.BATCH, container="Accounts"):
    batches.count_changes("Accounts", batches.Kind.FEED, "applied", 3)
    rows.tell(logging.getLogger("cdc"), logging.WARNING, Action.FEED_GAPS, "a row", container="Accounts")
try:
    with tracing.continued(told), tracing.span(tracing.Name.APPLY):
        raise ValueError("lerato.dlamini")
except ValueError:
    pass
"""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_spans_and_metrics_reach_azure_monitor_and_log_rows_are_left_to_the_host():
    """One trace, the host's; the names of the team as the team writes them; no text of an error."""
    items, refused = receive(lambda connection: run(connection, f"00-{TRACE}-00f067aa0ba902b7-00"))

    spans = [
        item["data"]["baseData"]
        for item in items
        if item["data"]["baseType"] in ("RemoteDependencyData", "RequestData")
    ]
    values = {
        metric["name"]: metric["value"]
        for item in items
        if item["data"]["baseType"] == "MetricData"
        for metric in item["data"]["baseData"]["metrics"]
    }
    assert refused == []
    assert {span["name"] for span in spans} == {"cdc.batch", "cdc.apply"}
    assert {item["tags"]["ai.operation.id"] for item in items if item["data"]["baseType"] != "MetricData"} == {TRACE}
    assert values["cdc.changes"] == values["polyglot.secondary_write_successes"] == 3
    assert "MessageData" not in {item["data"]["baseType"] for item in items}
    assert "lerato" not in json.dumps(items)
    assert "ValueError" in json.dumps(items)


def run(connection, traceparent):
    """Run the script until it has sent everything."""
    environment = {"APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true", "PATH": ""}
    subprocess.run([sys.executable, "-c", SCRIPT, connection, traceparent], cwd=ROOT, env=environment, check=True)


def receive(work):
    """Return the items that come while something works, and the addresses of other requests."""
    items, others = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
            sent = json.loads(body)
            items.extend(sent)
            answer = json.dumps({"itemsReceived": len(sent), "itemsAccepted": len(sent), "errors": []}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self):
            others.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        work(
            f"InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint={address};LiveEndpoint={address}"
        )
        server.shutdown()
    return items, others
