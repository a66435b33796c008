"""docs/cut-over.md: the az commands have the form of Microsoft's reference, and ours are commands."""

import re
import shlex
from pathlib import Path

import pytest

from cdc.command import _parser

PAGE = (Path(__file__).parents[2] / "docs/cut-over.md").read_text(encoding="utf-8")
LINES = [line.strip() for block in re.findall(r"```\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
# What each command needs and takes: learn.microsoft.com/cli/azure, read in November 2026. None of them was run.
FORMS = {
    "webapp stop": ({"--name", "--resource-group"}, set()),
    "webapp start": ({"--name", "--resource-group"}, set()),
    "functionapp config appsettings set": ({"--name", "--resource-group", "--settings"}, set()),
    "cosmosdb keys regenerate": ({"--name", "--resource-group", "--key-kind"}, set()),
    "cosmosdb sql role assignment list": ({"--account-name", "--resource-group"}, set()),
    "cosmosdb sql role assignment create": (
        {"--account-name", "--resource-group", "--scope", "--principal-id", "--role-definition-id"},
        set(),
    ),
    "cosmosdb sql role assignment delete": (
        {"--account-name", "--resource-group", "--role-assignment-id"},
        {"--yes"},
    ),
}
AZ = [line for line in LINES if line.startswith("az ")]


@pytest.mark.parametrize("line", AZ)
def test_an_az_command_has_its_form(line):
    """Its options are those that it needs and takes, and each but a flag has a value."""
    words = shlex.split(line)[1:]
    first = next(place for place, word in enumerate(words) if word.startswith("--"))
    needed, flags = FORMS[" ".join(words[:first])]
    options = {word for word in words if word.startswith("--")}

    assert needed <= options <= needed | flags
    assert len(words) == first + 2 * len(options - flags) + len(options & flags)


def test_the_page_takes_the_right_away_and_gives_it_back():
    """Both roles are named by their built-in ids: the reader's and the contributor's."""
    roles = re.findall(r"--role-definition-id (\S+)", "\n".join(AZ))

    assert roles == ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"]
    assert {line.removeprefix("python -m cdc ") for line in LINES if line.startswith("python")} == {
        "cutover check",
        "readiness --to 3",
        "cutover rehearse",
        "cutover status",
        "cutover run",
        "cutover abort",
        "cutover status --identities",
        "cutover accept",
    }


OURS = sorted(
    {*re.findall(r"python -m cdc ([a-z][^`\n)]*)", PAGE)}
    | {"cutover rehearse --values all", "cutover run --identities"}
)


@pytest.mark.parametrize("command", OURS)
def test_a_command_of_ours_is_one(command):
    """Also those inside sentences, and the options that the page names."""
    assert callable(_parser().parse_args(shlex.split(command)).run)
