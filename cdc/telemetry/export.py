"""Send telemetry to an OTLP endpoint, to Azure Monitor, or to both; only what is used is imported."""

import logging
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opentelemetry import _logs as log_api
from opentelemetry import metrics, trace

from cdc.core.team_metrics import TeamMetric
from cdc.telemetry import team

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import SpanExporter

# Our own loggers only: what libraries log may quote addresses with the ids of documents.
_LOGGERS = ("cdc", "mappers")


def start(
    service: str, *, otlp: bool, azure_monitor: str | None, logs: bool, declared: Sequence[TeamMetric] = ()
) -> None:
    """Make the providers, once in a process; do nothing if telemetry goes nowhere.

    The exporters of OTLP read their address from the environment, as its conventions want it. `logs` are sent over OTLP
    alone: to Azure Monitor the host sends them. `declared` are the metrics of the application's team.
    """
    if not otlp and azure_monitor is None:
        return
    from opentelemetry.sdk.resources import Resource

    resource = Resource.create({"service.name": service, "service.instance.id": uuid.uuid4().hex})
    team.declare(declared)
    _start_metrics(
        resource, [metric.name for metric in declared], _metric_exporters(otlp=otlp, azure_monitor=azure_monitor)
    )
    _start_traces(resource, _span_exporters(otlp=otlp, azure_monitor=azure_monitor))
    if otlp and logs:
        _start_logs(resource)


def _span_exporters(*, otlp: bool, azure_monitor: str | None) -> "list[SpanExporter]":
    exporters: list[SpanExporter] = []
    if otlp:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporters.append(OTLPSpanExporter())
    if azure_monitor is not None:
        from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter

        exporters.append(AzureMonitorTraceExporter(connection_string=azure_monitor))
    return exporters


def _metric_exporters(*, otlp: bool, azure_monitor: str | None) -> "list[MetricExporter]":
    exporters: list[MetricExporter] = []
    if otlp:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        exporters.append(OTLPMetricExporter())
    if azure_monitor is not None:
        from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter

        exporters.append(AzureMonitorMetricExporter(connection_string=azure_monitor))
    return exporters


def _start_traces(resource: "Resource", exporters: "Sequence[SpanExporter]") -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from cdc.telemetry.sampling import OwnDecision

    provider = TracerProvider(resource=resource)  # reads OTEL_TRACES_SAMPLER
    provider.sampler = OwnDecision(provider.sampler)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def _start_metrics(resource: "Resource", names: "Sequence[str]", exporters: "Sequence[MetricExporter]") -> None:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.metrics.view import DropAggregation, View

    readers = [PeriodicExportingMetricReader(exporter) for exporter in exporters]
    about_itself = View(instrument_name="otel.*", aggregation=DropAggregation())
    # The SDK would write every name in lower case.
    spelled = [View(instrument_name=name.lower(), name=name) for name in names]
    metrics.set_meter_provider(MeterProvider(readers, resource, views=[about_itself, *spelled]))


def _start_logs(resource: "Resource") -> None:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    provider = LoggerProvider(resource)
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    log_api.set_logger_provider(provider)
    for name in _LOGGERS:
        logging.getLogger(name).addHandler(_Handler(provider.get_logger("cdc")))


class _Handler(logging.Handler):
    """Sends log rows with their values; of an exception, only the name of its class."""

    def __init__(self, to: log_api.Logger) -> None:
        super().__init__()
        self._to = to

    def emit(self, record: logging.LogRecord) -> None:
        values = dict(getattr(record, "row", {}))
        if record.exc_info and record.exc_info[0]:
            values["error.type"] = record.exc_info[0].__name__
        self._to.emit(
            log_api.LogRecord(
                timestamp=int(record.created * 1e9),
                severity_text=record.levelname,
                severity_number=_SEVERITIES.get(record.levelno, log_api.SeverityNumber.UNSPECIFIED),
                body=record.getMessage(),
                attributes=values,
            )
        )


_SEVERITIES = {
    logging.DEBUG: log_api.SeverityNumber.DEBUG,
    logging.INFO: log_api.SeverityNumber.INFO,
    logging.WARNING: log_api.SeverityNumber.WARN,
    logging.ERROR: log_api.SeverityNumber.ERROR,
    logging.CRITICAL: log_api.SeverityNumber.FATAL,
}
