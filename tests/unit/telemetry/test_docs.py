"""What the docs say of telemetry is what the code has."""

import re
from pathlib import Path

import pytest

from cdc.telemetry.alerts import ALERTS
from cdc.telemetry.instruments import METRICS
from cdc.telemetry.rows import Action
from cdc.telemetry.tracing import Name
from mappers.metrics import METRICS as TEAM

DOCS = Path(__file__).parents[3] / "docs"
TELEMETRY = (DOCS / "telemetry.md").read_text(encoding="utf-8")
OPERATIONS = (DOCS / "operations.md").read_text(encoding="utf-8")


def section(text, heading):
    """Return what stands under a heading."""
    return re.split(r"^## ", text.split(f"\n## {heading}\n")[1], flags=re.MULTILINE)[0]


def first_cells(table):
    """Return the names in the first column of a table."""
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


def write_metrics():
    """Return the rows of the metrics' table."""
    for metric in METRICS.values():
        attributes = ", ".join(f"`{name}`" for name in metric.attributes)
        yield f"| `{metric.name}` | {metric.kind} | `{metric.unit}` | {attributes} | {metric.meaning} |"


def write_team():
    """Return the rows of the table of the team's metrics."""
    for metric in TEAM:
        kind = "counter" if metric.measures == "changes" else "histogram"
        yield f"| `{metric.name}` | {kind} | `{metric.unit}` | {metric.meaning} |"


def write_alerts():
    """Return the rows of the alerts' table."""
    for alert in ALERTS:
        yield f"| {alert.name} | {alert.severity} | {alert.condition} | {alert.meaning} | {alert.remedy} |"


def write_queries():
    """Return the queries, one below the other."""
    for alert in ALERTS:
        yield f"// {alert.name}\n" + alert.query.replace(" | ", "\n| ") + "\n"


def read_rows(text):
    """Return the rows of the tables in a text, without their heads."""
    rows = [line for line in text.splitlines() if line.startswith("| ") and line.endswith(" |")]
    return [row for row in rows if not row.startswith(("| name |", "| alert |", "| --- |"))]


def test_every_metric_is_described():
    """By name, kind, unit, attributes and meaning, and no other."""
    assert read_rows(section(TELEMETRY, "Metrics")) == [*write_metrics()]
    assert read_rows(section(TELEMETRY, "The team's names")) == [*write_team()]


def test_every_span_and_every_action_is_described():
    """And no other."""
    assert sorted(first_cells(section(TELEMETRY, "Spans"))) == sorted(Name)
    assert sorted(first_cells(section(TELEMETRY, "Log rows"))) == sorted(Action)


def test_every_alert_is_described():
    """With its query as it is in the rule."""
    alerts = section(OPERATIONS, "Alerts")

    assert read_rows(alerts) == [*write_alerts()]
    assert alerts.split("```")[1] == "kusto\n" + "\n".join(write_queries())


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_asks_for_what_there_is(alert):
    """Its metric is declared, its action is logged, and its measure is a column of its query."""
    table, *_ = alert.query.split(" | ")
    metrics = re.findall(r'name == "([^"]+)"', alert.query)
    actions = re.findall(r"action=(\w+)", alert.query)

    assert table in ("customMetrics", "traces")
    assert set(metrics) <= METRICS.keys()
    assert set(actions) <= set(Action)
    assert metrics or actions or "unhandled user exception" in alert.query
    assert f"summarize {alert.measure} = " in alert.query
    assert set(re.findall(r'customDimensions\["([^"]+)"\]', alert.query)) <= {
        name for metric in metrics for name in METRICS[metric].attributes
    }


def test_the_names_of_alerts_differ():
    """Each becomes a rule of its own."""
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)


def test_every_log_row_has_an_action():
    """Nothing but `rows` speaks to a logger."""
    modules = [path for folder in ("cdc", "mappers") for path in (DOCS.parent / folder).rglob("*.py")]
    speaking = [path.name for path in modules if re.search(r"logger\.(\w+)\(", path.read_text(encoding="utf-8"))]

    assert speaking == ["rows.py"]
