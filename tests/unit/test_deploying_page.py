"""What docs/deploying.md tells people to type and to set is there."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
PARAMETERS = (ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8")
# Flex Consumption has these elsewhere, or not at all.
NOT_ON_FLEX = ("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_WORKER_PROCESS_COUNT")


def test_every_variable_of_azd_is_one_that_the_template_reads():
    """A variable with another name would change nothing, without a word."""
    named = set(re.findall(r"azd env set ([A-Z_]+)", PAGE))
    assert len(named) > 5
    assert named <= set(re.findall(r"\$\{(\w+)", PARAMETERS))


def test_every_path_of_the_repository_is_there():
    """Hooks, scripts and pipelines."""
    paths = set(re.findall(r"(?:infra|\.github|sql|dist)/[\w./-]*\w\.(?:py|sh|json|bicep|yml|sql)", PAGE))
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("name", NOT_ON_FLEX)
def test_a_setting_that_flex_refuses_is_named_for_other_plans_only(name):
    """Every paragraph that names it says so, and the template sets none."""
    paragraphs = [part for part in PAGE.split("\n\n") if name in part]
    assert paragraphs
    assert [
        part for part in paragraphs if "other plan" not in part.replace("\n", " ") and "Elastic Premium" not in part
    ] == []
    assert [path for path in (ROOT / "infra").rglob("*.bicep") if name in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("page", ["README.md", "docs/deploying.md", "docs/operations.md", "docs/local.md"])
def test_links_lead_to_headings(page):
    """A page that was rewritten takes its headings away."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]*#[\w-]+)\)", text):
        path, _, anchor = target.partition("#")
        if not path.startswith("http"):
            found = ((ROOT / page).parent / path if path else ROOT / page).read_text(encoding="utf-8")
            headings = [
                re.sub(r"[^\w -]", "", each).strip().lower().replace(" ", "-")
                for each in re.findall(r"^#+ (.*)", found, re.MULTILINE)
            ]
            assert anchor in headings, target


def test_the_numbers_of_connections_are_those_of_the_template():
    """Instances, what is kept, and the default size."""
    given = {name: each["value"] for name, each in json.loads(PARAMETERS)["parameters"].items()}
    assert given["maximumInstanceCount"] == "${MAXIMUM_INSTANCE_COUNT=40}"
    assert given["otherPostgresConnections"] == "${OTHER_POSTGRES_CONNECTIONS=50}"
    template = (ROOT / "infra" / "main.bicep").read_text(encoding="utf-8")
    sizes = {name: int(count) for name, count in re.findall(r"^  (Standard_\w+): (\d+)$", template, re.MULTILINE)}
    assert sizes["Standard_B1ms"] == 35
    assert f"`{next(name for name, count in sizes.items() if (count - 50) // 40 >= 6)}`" in PAGE
