"""What docs/adding-a-container.md says works, word for word."""

import json
import re
import shlex
import signal
import subprocess
import sys

import psycopg
import pytest

from local.patience import PATIENCE_SECONDS
from tests.e2e.conftest import wait_until
from tests.integration.project import ROOT, Project

PAGE = (ROOT / "docs" / "adding-a-container.md").read_text(encoding="utf-8")
# The page's blocks in their order: files, changes of files, and commands.
STEPS = re.findall(r"^```(?:(\w+) (\S+))?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path):
    """A copy of the project."""
    return Project(tmp_path)


def find(folder, name):
    """Return the file that the page names; NNNN is the number that it has."""
    if "NNNN" not in name:
        return folder / name
    (path,) = folder.glob(name.replace("NNNN", "[0-9]" * 4))
    return path


def change(path, diff):
    """Replace the lines with a minus, which the file must have once, by those with a plus."""
    lines = diff.splitlines()
    before, after = ("\n".join(line[1:] for line in lines if line[0] == sign) for sign in "-+")
    text = path.read_text(encoding="utf-8")
    assert text.count(f"\n{before}\n") == 1, path
    path.write_text(text.replace(f"\n{before}\n", f"\n{after}\n"), encoding="utf-8")


def follow(project):
    """Do all that the page says until something runs for good; return that command, and what the others printed."""
    said = ""
    for kind, name, text in STEPS:
        if kind == "diff":
            change(find(project.folder, name), text)
        elif kind:
            find(project.folder, name).write_text(text, encoding="utf-8")
        else:
            command = shlex.split(text)
            assert command[0] == "python"
            if command[:3] == ["python", "-m", "local"]:
                return command[1:], said
            said += project.run(*command[1:])
    raise AssertionError("the page runs nothing")


def test_a_container_is_added_as_the_page_says(project, monkeypatch, empty_dsn):
    """From documents to rows: every file, edit and command of the page, and the project's checks on what they leave."""
    monkeypatch.setenv("POSTGRES_CONNECTION", empty_dsn)
    command, said = follow(project)

    assert "\ngreen" in said
    assert "$.accessToken of order looks like a secret" in said
    project.check("Orders")
    tests = ["tests/unit/test_names.py", "tests/integration/mappers/test_extra_containers.py"]
    project.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "Orders or application", *tests)

    with subprocess.Popen(
        [sys.executable, *command, "--json"], cwd=project.folder, stdout=subprocess.PIPE, text=True
    ) as stack:
        dsn = json.loads(stack.stdout.readline())["postgres"]["dsn"]
        with psycopg.connect(dsn, autocommit=True) as connection:

            def read(query):
                return connection.execute(query).fetchall()

            wait_until(lambda: read("select count(*) from cdc.document") == [(6,)], "all documents arrived")
            assert read("select id, total::text, placed_at at time zone 'UTC' from orders order by id")[0][:2] == (
                "o1",
                "24.90",
            )
            assert read("select id from orders order by id") == [("o1",), ("o2",), ("o3",)]
            assert len(read("select * from order_lines")) == 4
            assert read("select order_id, amount::text, reason from refunds order by id") == [
                ("o2", "4.25", "broken"),
                ("o3", "3.99", None),
            ]
            assert read("select count(*) from cdc.dead_letter") == [(0,)]
        stack.send_signal(signal.SIGTERM)
        assert stack.wait(PATIENCE_SECONDS) == 0
    kept = json.loads((project.folder / "kept" / "Orders.json").read_text(encoding="utf-8"))
    assert len(kept) == 6
