"""A collector of telemetry: it takes OTLP over HTTP and keeps what came."""

import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

# Sends come often enough for a test to wait for them.
OFTEN = {
    "OTEL_METRIC_EXPORT_INTERVAL": "300",
    "OTEL_BSP_SCHEDULE_DELAY": "200",
    "OTEL_BLRP_SCHEDULE_DELAY": "200",
}
_SIGNALS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


@dataclass(frozen=True)
class Span:
    """A span; ids are hexadecimal, `parent` is empty at the top of what this process has made."""

    name: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: Mapping[str, Any]
    failed: bool


@dataclass(frozen=True)
class Point:
    """A value of a metric: a number, or of a histogram the number of its values."""

    metric: str
    unit: str
    kind: str
    attributes: Mapping[str, Any]
    value: float


@dataclass(frozen=True)
class Row:
    """A log record."""

    text: str
    trace: str
    attributes: Mapping[str, Any]


class Collector:
    """What came so far; `raw` has every message as text, so that anything can be searched for."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, **OFTEN}
        self._messages: list[Any] = []
        self._lock = Lock()

    def take(self, path: str, body: bytes) -> None:
        """Keep a message."""
        message = _SIGNALS[path].FromString(body)
        with self._lock:
            self._messages.append(message)

    @property
    def raw(self) -> str:
        """Return everything as text."""
        return "\n".join(str(message) for message in self._read())

    @property
    def spans(self) -> list[Span]:
        """Return the spans."""
        return [
            Span(
                found.name,
                found.trace_id.hex(),
                found.span_id.hex(),
                found.parent_span_id.hex(),
                tuple(link.trace_id.hex() for link in found.links),
                _read_attributes(found.attributes),
                found.status.code == 2,
            )
            for message in self._read(ExportTraceServiceRequest)
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for found in scope.spans
        ]

    @property
    def points(self) -> list[Point]:
        """Return the values of metrics, in the order in which they came."""
        return [
            Point(metric.name, metric.unit, kind, _read_attributes(point.attributes), _read_value(point))
            for message in self._read(ExportMetricsServiceRequest)
            for resource in message.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for kind in ("gauge", "sum", "histogram")
            if metric.HasField(kind)
            for point in getattr(metric, kind).data_points
        ]

    @property
    def rows(self) -> list[Row]:
        """Return the log records."""
        return [
            Row(found.body.string_value, found.trace_id.hex(), _read_attributes(found.attributes))
            for message in self._read(ExportLogsServiceRequest)
            for resource in message.resource_logs
            for scope in resource.scope_logs
            for found in scope.log_records
        ]

    def _read(self, kind: type | None = None) -> list[Any]:
        with self._lock:
            return [message for message in self._messages if kind is None or isinstance(message, kind)]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Collect until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.take(self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(server)
        serving = Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield collector
        server.shutdown()
        serving.join()


def _read_attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in pairs}


def _read_value(point: Any) -> float:
    if hasattr(point, "count"):
        return float(point.count)
    return float(getattr(point, point.WhichOneof("value")))
