"""The check finds nothing in the template, and every mistake that is planted there."""

import json
import shutil

import pytest

from infra.check.__main__ import CHECKS, check
from infra.check.monitoring import check_query, list_dimensions, make_files
from infra.check.template import ROOT, Template
from tests.infra.mistakes import MISTAKES

# A template of which nothing is right.
EMPTY = """
param spare int = ''
var loaded = loadTextContent('nothing.json')
output name string = tenant().name
resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {}
"""


@pytest.fixture
def copy(tmp_path):
    """A copy of what is deployed."""
    shutil.copytree(ROOT / "infra", tmp_path / "infra", ignore=shutil.ignore_patterns("check", "__pycache__"))
    shutil.copy(ROOT / "azure.yaml", tmp_path)
    return tmp_path


def test_nothing_is_wrong_in_the_template():
    """Neither in the real one, hooks included."""
    assert check(Template(ROOT / "infra")) == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(copy, mistake):
    """With a message that says what is wrong, in the file where it is wrong or in the one that it breaks."""
    file, old, new, message = MISTAKES[mistake]
    text = (copy / file).read_text(encoding="utf-8")
    assert old in text
    (copy / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    found = [str(each) for each in check(Template(copy / "infra"))]

    assert any(message in each for each in found), found


def test_a_hook_that_is_gone_or_reads_what_nobody_sets_is_found(copy):
    """Azd would fail only after everything is deployed."""
    hooks = copy / "infra" / "hooks"
    (hooks / "postdeploy.py").unlink()
    (hooks / "predeploy.py").write_text('site.read("POSTGRES_HOST")\nsite.read("POSTGRES_SERVER")\n', encoding="utf-8")

    found = [str(each) for each in check(Template(copy / "infra"))]

    assert "infra/hooks/predeploy.py:2: main.bicep has no output POSTGRES_SERVER; is it POSTGRES_ROLE?." in found
    assert "azure.yaml:1: there is no hook infra/hooks/postdeploy.py." in found


def test_a_script_that_gives_wrong_parameters_is_found(copy):
    """The Azure CLI would refuse the deployment."""
    script = (
        'az deployment sub create --parameters environmentName=a location="$L" cosmosAcount="$C" cosmosDatabase=d\n'
    )
    (copy / "infra" / "deploy.sh").write_text(script, encoding="utf-8")

    assert [str(each) for each in check(Template(copy / "infra"))] == [
        "infra/deploy.sh:1: main.bicep has no parameter cosmosAcount; is it cosmosAccountName?.",
        "infra/deploy.sh:1: the parameter cosmosAccountName is missing.",
        "infra/deploy.sh:1: the parameter cosmosResourceGroup is missing.",
    ]


def test_no_property_is_demanded_that_may_be_left_out(copy):
    """What Azure does not require is no finding."""
    storage = copy / "infra/app/storage.bicep"
    text = storage.read_text(encoding="utf-8")
    assert "    accessTier: 'Hot'\n" in text
    storage.write_text(text.replace("    accessTier: 'Hot'\n", ""), encoding="utf-8")

    assert check(Template(copy / "infra")) == []


@pytest.mark.parametrize("run", CHECKS, ids=lambda run: run.__name__)
def test_every_check_finds_something(copy, run):
    """In an empty folder with an empty template, so that no check passes because it looks at nothing."""
    for path in (copy / "infra").rglob("*.*"):
        path.unlink()
    (copy / "azure.yaml").write_text("services:\n  cdc:\n", encoding="utf-8")
    (copy / "infra" / "deploy.sh").write_text("az deployment sub create --parameters spareTime=1\n", encoding="utf-8")
    (copy / "infra" / "main.bicep").write_text(EMPTY, encoding="utf-8")

    assert list(run(Template(copy / "infra")))


def test_windows_overlap():
    """Rows reach Azure minutes late: with a window as long as the time between two looks, some would never be seen."""
    looks = {(rule["frequency"], rule["window"]) for rule in json.loads(make_files()["alerts.json"])}

    assert looks == {("PT5M", "PT15M"), ("PT15M", "PT1H")}


def test_every_absence_is_counted_without_groups():
    """A rule for silence has a query that always gives a row."""
    rules = json.loads(make_files()["alerts.json"])
    silent = [rule for rule in rules if rule["operator"] == "LessThan"]

    assert [rule["name"] for rule in silent] == ["no telemetry"]
    assert all(rule["aggregation"] == "Minimum" and not rule["dimensions"] for rule in silent)
    assert all("summarize points = count()" in rule["query"] for rule in silent)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a | summarize n = count()", []),
        ("a | summarize n = count() by container", ["container"]),
        ("a | summarize n = max(v) by c = tostring(d), kind = tostring(e)", ["c", "kind"]),
        ("a | summarize n = count() by c | where n > 1", ["c"]),
    ],
)
def test_the_dimensions_of_a_rule_are_the_groups_of_its_query(query, expected):
    """So each container has an alert of its own."""
    assert list_dimensions(query) == expected


def test_a_query_of_an_unknown_table_is_found():
    """Only what the app sends is asked."""
    assert list(check_query("requests | count")) == [
        "the query asks neither customMetrics nor traces: requests | count"
    ]
