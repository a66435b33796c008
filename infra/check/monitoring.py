"""Alert rules, workbook and Grafana dashboard, made from the product's own tables of alerts and metrics."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cdc.core.team_metrics import TeamMetric
from cdc.telemetry.alerts import ALERTS, Alert
from cdc.telemetry.instruments import METRICS, Metric
from cdc.telemetry.rows import Action
from infra.check.syntax import Finding
from infra.check.template import Template
from mappers.metrics import METRICS as TEAM

_FREQUENCY = {15: "PT5M", 60: "PT15M"}
_WINDOW = {15: "PT15M", 60: "PT1H"}
_REMAKE = "run python -m infra.check --write"
_GRAFANA_SOURCE = "grafana-azure-monitor-datasource"
_TABLES = ("customMetrics", "traces")


def make_files() -> dict[str, str]:
    """Return what belongs into infra/monitoring, by file name."""
    made = {"alerts.json": make_rules(), "workbook.json": make_workbook(), "grafana.json": make_dashboard()}
    return {name: json.dumps(content, indent=2) + "\n" for name, content in made.items()}


def make_rules() -> list[dict[str, Any]]:
    """Return the alert rules as the template deploys them."""
    return [_make_rule(alert) for alert in ALERTS]


def _make_rule(alert: Alert) -> dict[str, Any]:
    return {
        "name": alert.name,
        "description": f"{alert.meaning} {alert.remedy}",
        "severity": alert.severity,
        "query": alert.query,
        "measure": alert.measure,
        # A query gives one row for each value of its dimensions.
        "aggregation": "Maximum" if alert.operator == "GreaterThan" else "Minimum",
        "operator": alert.operator,
        "threshold": alert.threshold,
        "frequency": _FREQUENCY[alert.minutes],
        "window": _WINDOW[alert.minutes],
        "dimensions": [{"name": name, "operator": "Include", "values": ["*"]} for name in list_dimensions(alert.query)],
    }


def list_dimensions(query: str) -> list[str]:
    """Return the columns by which a query groups its rows."""
    found = re.findall(r"summarize [^|]* by ([^|]+)", query)
    return [part.partition("=")[0].strip() for part in found[-1].split(",")] if found else []


def list_charts() -> list[tuple[str, str]]:
    """Return title and query of a chart for each metric."""
    return [(f"{metric.name}, {metric.unit}: {metric.meaning}", _chart(metric)) for metric in METRICS.values()] + [
        (f"{metric.name}, {metric.unit}: {metric.meaning}", _team_chart(metric)) for metric in TEAM
    ]


def _chart(metric: Metric) -> str:
    shown = {"gauge": "max(value)", "counter": "sum(value)", "histogram": "sum(value) / sum(valueCount)"}[metric.kind]
    series = "strcat(" + ', " ", '.join(f'customDimensions["{name}"]' for name in metric.attributes) + ")"
    return _draw(metric.name, shown, series)


def _team_chart(metric: TeamMetric) -> str:
    shown = "sum(value)" if metric.measures == "changes" else "sum(value) / sum(valueCount)"
    return _draw(metric.name, shown, 'tostring(customDimensions["entity_type"])')


def _draw(name: str, shown: str, series: str) -> str:
    return (
        f'customMetrics | where name == "{name}" | summarize value = {shown} '
        f"by bin(timestamp, 5m), series = {series} | order by timestamp asc"
    )


def make_workbook() -> dict[str, Any]:
    """Return the workbook: what fires now, then a chart for each metric."""
    hours = {
        "type": 9,
        "content": {
            "version": "KqlParameterItem/1.0",
            "parameters": [
                {"id": "hours", "version": "KqlParameterItem/1.0", "name": "Time", "type": 4,
                 "value": {"durationMs": 86_400_000},
                 "typeSettings": {"selectableValues": [{"durationMs": 1_000 * s} for s in (3_600, 86_400, 604_800)]}}
            ],
        },
        "name": "time",
    }  # fmt: skip
    tables = [_workbook_item(f"Alert: {alert.name}. {alert.meaning}", alert.query, "table") for alert in ALERTS]
    charts = [_workbook_item(title, query, "timechart") for title, query in list_charts()]
    return {"version": "Notebook/1.0", "items": [hours, *charts, *tables], "isLocked": False}


def _workbook_item(title: str, query: str, look: str) -> dict[str, Any]:
    return {
        "type": 3,
        "content": {
            "version": "KqlItem/1.0",
            "query": query,
            "title": title,
            "size": 1,
            "timeContextFromParameter": "Time",
            "queryType": 0,
            "resourceType": "microsoft.insights/components",
            "visualization": look,
        },
        "name": title,
    }


def make_dashboard() -> dict[str, Any]:
    """Return the dashboard for Grafana's data source for Azure Monitor."""
    panels = [_panel(index, title, query) for index, (title, query) in enumerate(list_charts())]
    variables = [
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "grafana-azure-monitor-datasource",
        },
        {"name": "insights", "label": "Resource id of Application Insights", "type": "textbox", "query": ""},
    ]
    return {
        "title": "Cosmos to PostgreSQL",
        "uid": "mystira-cdc",
        "schemaVersion": 39,
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "1m",
        "templating": {"list": variables},
        "panels": panels,
    }


def _panel(index: int, title: str, query: str) -> dict[str, Any]:
    source = {"type": _GRAFANA_SOURCE, "uid": "${datasource}"}
    analytics = {"query": query, "resources": ["${insights}"], "resultFormat": "time_series", "timeColumn": "timestamp"}
    name, _, meaning = title.partition(": ")
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": name,
        "description": meaning,
        "datasource": source,
        "gridPos": {"x": index % 2 * 12, "y": index // 2 * 8, "w": 12, "h": 8},
        "targets": [
            {
                "refId": "A",
                "datasource": source,
                "queryType": "Azure Log Analytics",
                "azureLogAnalytics": {**analytics, "dashboardTime": True},
            }
        ],
    }


def check_monitoring(template: Template) -> Iterator[Finding]:
    """Find rules, workbooks and dashboards that differ from the product's tables, and queries that find nothing."""
    folder = template.folder / "monitoring"
    for name, made in make_files().items():
        path = folder / name
        shown = f"infra/monitoring/{name}"
        kept = path.read_text(encoding="utf-8") if path.is_file() else ""
        if kept != made:
            yield Finding(shown, _first_difference(kept, made), f"differs from the product's own tables: {_REMAKE}.")
        for query in _list_queries(_read(path)):
            yield from (Finding(shown, 1, problem) for problem in check_query(query))
    for rule in _read(folder / "alerts.json") or []:
        for problem in _check_rule(rule):
            yield Finding("infra/monitoring/alerts.json", 1, f"{rule.get('name')}: {problem}")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _first_difference(kept: str, made: str) -> int:
    for number, (left, right) in enumerate(zip(kept.splitlines(), made.splitlines(), strict=False), start=1):
        if left != right:
            return number
    return 1


def _list_queries(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        for name, value in content.items():
            if name == "query" and isinstance(value, str) and "|" in value:
                yield value
            yield from _list_queries(value)
    elif isinstance(content, list):
        for value in content:
            yield from _list_queries(value)


def check_query(query: str) -> Iterator[str]:
    """Find tables, metrics, attributes and actions that the app never sends."""
    known = {name: set(metric.attributes) for name, metric in METRICS.items()} | {
        metric.name: {"entity_type", "mode", "exception_type"} for metric in TEAM
    }
    if query.partition(" | ")[0] not in _TABLES:
        yield f"the query asks neither {' nor '.join(_TABLES)}: {query[:40]}"
    names = re.findall(r'name == "([^"]+)"', query)
    yield from (f"no metric is called {name}." for name in names if name not in known)
    attributes = {each for name in names for each in known.get(name, ())}
    for each in re.findall(r'customDimensions\["([^"]+)"\]', query):
        if names and each not in attributes:
            yield f"{' and '.join(names)} has no attribute {each}."
    yield from (
        f"no log row has action={each}." for each in re.findall(r"action=(\w+)", query) if each not in set(Action)
    )


def _check_rule(rule: dict[str, Any]) -> Iterator[str]:
    if f"{rule.get('measure')} = " not in rule.get("query", ""):
        yield f"its query has no column {rule.get('measure')}."
    # Without rows a grouped query gives no row at all, and then nothing is less than anything.
    if rule.get("operator") == "LessThan" and (rule.get("dimensions") or list_dimensions(rule.get("query", ""))):
        yield "it waits for silence by groups, and silence has no groups: count without `by`."
