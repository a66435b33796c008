"""The pipelines and infra/deploy.sh are well-formed, and everything that they call is there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra.hooks.parameters import fill

ROOT = Path(__file__).parents[2]
PIPELINES = [".github/workflows/deploy.yml", "azure-pipelines.yml"]
STEPS = [
    "make check",
    "make package",
    "infra/deploy.sh what-if",
    "infra/deploy.sh provision",
    "infra/deploy.sh publish",
    "infra/deploy.sh verify",
]
TOOLS = {"pip", "npm", "set"}
SCRIPT = (ROOT / "infra" / "deploy.sh").read_text(encoding="utf-8")
PARAMETERS = (ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8")
REQUIRED = dict.fromkeys(re.findall(r"\$\{(\w+)\}", PARAMETERS), "x")

# Says how it was called; as python3 -c it is Python.
FAKE = """#!/bin/sh
case "$*" in
  -c*) exec {python} "$@" ;;
  *'sub show'*) echo '{outputs}' ;;
esac
echo "$(basename "$0")" "$@" >> {log}
pwd > {log}.folder
"""


def list_scripts(part):
    """Return every script of a pipeline as its lines, in order."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name in ("run", "script", "inlineScript"):
                yield value.strip().splitlines()
            else:
                yield from list_scripts(value)
    elif isinstance(part, list):
        for each in part:
            yield from list_scripts(each)


def list_commands(path):
    """Return every command line of a pipeline, in order."""
    return [
        line for script in list_scripts(yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))) for line in script
    ]


@pytest.mark.parametrize("path", PIPELINES)
def test_a_pipeline_checks_packages_asks_deploys_and_verifies(path):
    """In this order, with targets, scripts and actions that exist."""
    commands = list_commands(path)
    assert [command for command in commands if command.split()[0] not in TOOLS] == STEPS
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in commands:
        program, *words = command.split()
        if program == "make":
            assert re.search(rf"^{words[0]}:", makefile, re.MULTILINE)
        elif program not in TOOLS:
            assert os.access(ROOT / program, os.X_OK)
            assert re.search(rf"^  {words[0]}\)", SCRIPT, re.MULTILINE)
        for word in words:
            if word.endswith(".txt"):
                assert (ROOT / word).is_file()


def test_azure_devops_ends_at_the_first_failure():
    """It runs bash without -e: a template that was refused would be published all the same. GitHub's bash has -e."""
    pipeline = yaml.safe_load((ROOT / PIPELINES[1]).read_text(encoding="utf-8"))
    long = [script for script in list_scripts(pipeline) if len(script) > 1]
    assert len(long) > 1
    assert [script for script in long if script[0] != "set -e"] == []


@pytest.mark.parametrize("path", PIPELINES)
def test_a_pipeline_gives_the_template_all_that_it_needs(path):
    """A variable without a default must come from the pipeline."""
    text = (ROOT / path).read_text(encoding="utf-8")
    assert [name for name in (*REQUIRED, "AZURE_PRINCIPAL_NAME") if name not in text] == []


def test_github_gives_the_template_every_variable():
    """Without VNET_ENABLED a provision would open a private network. No test must see them."""
    workflow = yaml.safe_load((ROOT / PIPELINES[0]).read_text(encoding="utf-8"))
    names = re.findall(r"\$\{(\w+)", PARAMETERS)
    assert "env" not in workflow
    assert "env" not in workflow["jobs"]["check"]
    assert workflow["jobs"]["deploy"]["env"] == {name: f"${{{{ vars.{name} }}}}" for name in names}


def test_the_tests_see_no_variables_of_a_deployment():
    """They have settings of their own."""
    pipeline = yaml.safe_load((ROOT / PIPELINES[1]).read_text(encoding="utf-8"))
    assert ["variables" in each for each in (pipeline, *pipeline["stages"])] == [False, False, True]


def test_only_the_job_that_deploys_may_sign_in():
    """Tests and packages of others run in the job before."""
    workflow = yaml.safe_load((ROOT / PIPELINES[0]).read_text(encoding="utf-8"))
    asking = [name for name, job in workflow["jobs"].items() if "id-token" in job.get("permissions", {})]
    assert (asking, workflow["permissions"]) == (["deploy"], {"contents": "read"})


def test_the_script_is_bash_and_calls_what_is_there():
    """It was never run on Azure."""
    subprocess.run(["bash", "-n", ROOT / "infra" / "deploy.sh"], check=True)
    called = re.findall(r"\binfra/[\w/.]+\.(?:py|bicep)", SCRIPT)
    assert len(called) >= 4
    assert [path for path in called if not (ROOT / path).is_file()] == []


def test_parameters_are_filled_in_as_azd_does():
    """With defaults, with variables, with numbers."""
    found = json.loads(fill(PARAMETERS, REQUIRED | {"ALERT_EMAIL": "a@example.org", "MAXIMUM_INSTANCE_COUNT": ""}))[
        "parameters"
    ]
    assert found["alertEmail"]["value"] == "a@example.org"
    assert found["maximumInstanceCount"]["value"] == 40
    assert found["vnetEnabled"]["value"] is False
    assert "$" not in json.dumps(found)


@pytest.mark.parametrize(
    ("name", "parameter"), [("MIGRATION_PHASE", "migrationPhase"), ("AZURE_ENV_NAME", "environmentName")]
)
@pytest.mark.parametrize("value", ["2", "true"])
def test_a_text_that_looks_like_a_number_stays_a_text(name, parameter, value):
    """Azure refuses a number where the template declares a text."""
    assert json.loads(fill(PARAMETERS, REQUIRED | {name: value}))["parameters"][parameter]["value"] == value


def test_a_parameter_that_must_be_set_is_named():
    """All of them at once."""
    with pytest.raises(SystemExit, match=r"AZURE_ENV_NAME, .*COSMOS_DATABASE"):
        fill(PARAMETERS, {})


def run_script(tmp_path, *words, folder=ROOT, **variables):
    """Return how infra/deploy.sh, typed in a folder, called programs that only say it."""
    outputs = json.dumps({"azure_FUNCTION_APP_NAME": {"value": "the app"}, "POSTGRES_HOST": {"value": "a host"}})
    fake = FAKE.format(log=tmp_path / "called", outputs=outputs, python=sys.executable)
    for name in ("az", "func", "python3"):
        (tmp_path / name).write_text(fake)
        (tmp_path / name).chmod(0o755)
    environment = REQUIRED | variables | {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run([ROOT / "infra" / "deploy.sh", *words], cwd=folder, env=environment, check=True)
    return (tmp_path / "called").read_text().splitlines()


def test_the_script_reads_the_outputs_and_runs_the_steps_in_order(tmp_path):
    """As azd does."""
    called = run_script(tmp_path)
    assert [" ".join(line.split()[:4]) for line in called] == [
        "python3 infra/hooks/parameters.py",
        "az deployment sub create",
        "az deployment sub show",
        "python3 infra/hooks/predeploy.py",
        "func azure functionapp publish",
        "az deployment sub show",
        "python3 infra/hooks/postdeploy.py",
    ]
    assert "func azure functionapp publish the app --python" in called


@pytest.mark.parametrize("has_path", [False, True], ids=["name", "path"])
def test_the_script_runs_a_command_of_the_app_where_it_was_typed(tmp_path, has_path):
    """With the outputs, and with everything that was typed; the script itself names a Python from the root."""
    variables = {"PYTHON": os.path.relpath(tmp_path / "python3", ROOT)} if has_path else {}
    (folder := tmp_path / "a folder").mkdir()
    called = run_script(tmp_path, "cdc", "phase", "0", "--override", "two words", folder=folder, **variables)
    assert called[1:] == [f"python3 {ROOT}/infra/hooks/command.py phase 0 --override two words"]
    assert (tmp_path / "called.folder").read_text() == f"{folder}\n"
