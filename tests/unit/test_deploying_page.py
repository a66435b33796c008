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


def test_every_word_of_the_script_and_every_hook_is_there():
    """What is typed from memory of another release fails in the middle."""
    script = (ROOT / "infra" / "deploy.sh").read_text(encoding="utf-8")
    hooks = (ROOT / "azure.yaml").read_text(encoding="utf-8")
    words = set(re.findall(r"infra/deploy\.sh ([a-z][\w-]*)", PAGE)) - {"does"}
    assert {"what-if", "prove"} <= words
    assert [word for word in words if f"\n  {word})" not in script] == []
    assert re.findall(r"azd hooks run (\w+)", PAGE)
    assert [hook for hook in re.findall(r"azd hooks run (\w+)", PAGE) if f"\n  {hook}:\n" not in hooks] == []


def test_nobody_is_told_to_run_what_deletes_the_account():
    """Azd takes every resource group that the deployment wrote to."""
    told = [line for line in re.findall(r"```\n(.*?)```", PAGE, re.DOTALL) if "azd down" in line]
    assert told == []
    assert "az group delete --name rg-prod" in PAGE
    assert "**Do not run `azd down`.**" in PAGE


def test_before_the_group_is_deleted_the_page_says_when_never():
    """In phase 3 its server has the only data."""
    before, after = PAGE.split("## Taking it all down", 1)[1].split("az group delete --name rg-prod", 1)
    assert before.strip().startswith(
        "> **In phase 3 never delete the group `rg-prod` if the template made the PostgreSQL server.**"
    )
    assert after.strip().startswith("# never in phase 3 with its server")


@pytest.mark.parametrize("page", ["deploying", "operations", "phase-2", "cut-over"])
def test_every_page_sets_the_phase_by_the_template(page):
    """What is set past it is gone after the next provision."""
    text = " ".join((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8").split())
    assert re.search(r"azd env set MIGRATION_PHASE [23] (&& )?azd provision", text)
    assert "provision overwrites" in text or "until the next provision" in text


@pytest.mark.parametrize("name", NOT_ON_FLEX)
def test_a_setting_that_flex_refuses_is_named_for_other_plans_only(name):
    """Every paragraph that names it says so, and the template sets none."""
    paragraphs = [part for part in PAGE.split("\n\n") if name in part]
    assert paragraphs
    assert [
        part for part in paragraphs if "other plan" not in part.replace("\n", " ") and "Elastic Premium" not in part
    ] == []
    assert [path for path in (ROOT / "infra").rglob("*.bicep") if name in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize(
    "page",
    ["README.md", "docs/deploying.md", "docs/operations.md", "docs/local.md", "docs/phase-2.md", "docs/cut-over.md"],
)
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
    most = (4 + 2) * 40 + 7
    assert f"the 7: {most} | {most * 3} |" in PAGE
    words = " ".join(PAGE.split())
    assert f"at least {most * 2 + 50}: {most * 2} for the app" in words
    assert f"50 + 3 x {most} = {50 + 3 * most}" in words
    assert f"OTHER_POSTGRES_CONNECTIONS {50 + 3 * most}\n" in PAGE
    assert f"need {50 + 5 * most} connections" in words
    assert sizes["Standard_D2ds_v5"] < 50 + 5 * most <= sizes["Standard_D4ds_v5"]
    assert f"each keeps {50 + 3 * (6 * 20 + 7)}" in words
    smallest = next(name for name, count in sizes.items() if (count - 50) // most >= 2)
    assert f"the smallest is `{smallest}`" in PAGE.replace("\n", " ")
    assert (sizes["Standard_B2s"] - 50) // (6 * 29 + 7) == 2 > (sizes["Standard_B2s"] - 50) // (6 * 30 + 7)
