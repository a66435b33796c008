"""What Azure gets is enough: the zip and requirements.txt, on the local host and in Microsoft's worker library."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local import package
from local.operator import Operator
from local.sample import Source
from local.stack import ROOT, Part
from tests.builders import an_account
from tests.e2e.conftest import Query, wait_until
from tests.environment import find_needed, make_environment, read_requirements

PARTS = {"cdc", "mappers", "sql", "function_app.py", "host.json", "requirements.txt", "constraints.txt"}
LIBRARY = "azure-functions-runtime"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked package."""
    folder = tmp_path_factory.mktemp("package")
    package.build(ROOT, folder / "app.zip")
    zipfile.ZipFile(folder / "app.zip").extractall(folder / "app")
    return folder / "app"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    """An interpreter that has the package's requirements.txt and nothing else."""
    return make_environment(tmp_path_factory.mktemp("empty"), read_requirements(folder / "requirements.txt"))


@pytest.fixture
def alone(settings: Mapping[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of a process that can import the local host, and of the rest only what the package has."""
    (tmp_path / "local").symlink_to(ROOT / "local")
    return {**settings, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def host(alone: Mapping[str, str], folder: Path, python: Path, tmp_path: Path) -> Iterator[Part]:
    """The Functions host with the package."""
    command = ["local.functions", "--key", "key", "--state", str(tmp_path / "state")]
    part = Part(command, alone, python=str(python), folder=folder)
    yield part
    part.stop()


def run_in(folder: Path, environment: Mapping[str, str], *command: object) -> tuple[int, str]:
    """Run a command and return its exit code and what it said."""
    done = subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_the_zip_has_the_app_and_nothing_else(folder: Path) -> None:
    """What somebody leaves in a checkout is not looked at here, but what git knows."""
    known = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    tops = {name.partition("/")[0] for name in known.splitlines()}
    found = {path.name for path in folder.iterdir()}
    assert found >= PARTS
    assert found & (tops or found) == PARTS
    assert list(folder.rglob("__pycache__")) == []


def test_every_package_that_the_app_needs_has_one_version(folder: Path) -> None:
    """The remote build of an old release must not bring packages that it was never tried with."""
    requirements = folder / "requirements.txt"
    assert "-c constraints.txt" in requirements.read_text(encoding="utf-8").splitlines()
    fixed = map(Requirement, read_requirements(folder / "constraints.txt"))
    versions = {canonicalize_name(each.name): each for each in fixed if each.marker is None or each.marker.evaluate()}
    needed = find_needed(read_requirements(requirements))
    assert len(needed) > 20
    assert {name for name, found in needed.items() if found.version not in versions[name].specifier} == set()


@pytest.mark.parametrize(
    "name",
    [".azure/prod/.env", ".env/../.coverage.1", "cdc/__pycache__/a.pyc", "dist/old.zip", "local.settings.json"],
)
def test_what_a_checkout_gathers_is_not_packed(tmp_path: Path, name: str) -> None:
    """Secrets, old packages and leftovers of tools stay on the machine."""
    left = tmp_path / name
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("left")
    (tmp_path / ".funcignore").write_bytes((ROOT / ".funcignore").read_bytes())
    (tmp_path / "host.json").write_text("{}")
    assert package.build(tmp_path, tmp_path / "dist" / "app.zip") == ["host.json"]


def test_the_same_files_make_the_same_zip(tmp_path: Path) -> None:
    """Whoever builds it, and whenever: its hash says which release runs."""
    zips = [tmp_path / "one.zip", tmp_path / "two.zip"]
    for each in zips:
        package.build(ROOT, each)
    assert zips[0].read_bytes() == zips[1].read_bytes()


def test_the_package_alone_replicates(host: Part, source: Source, query: Query) -> None:
    """The worker's only packages are those of requirements.txt, and its only modules those of the zip."""
    source.write("Accounts", an_account("a"))
    wait_until(lambda: query("select 1 from accounts where id = 'a'") != [], "the document has its row")
    operator = Operator(host.url, "key")
    assert operator.ask("GET", "health/ready")[0] == 200
    assert operator.ask("GET", "status")[0] == 200


def test_the_commands_run_from_the_package(alone: Mapping[str, str], folder: Path, python: Path) -> None:
    """Whoever deploys may use the package's own copy of the app."""
    code, said = run_in(folder, alone, python, "-m", "cdc", "check")
    assert (code, "FAIL" in said) == (0, False), said


def test_nothing_else_can_be_imported(alone: Mapping[str, str], folder: Path, python: Path) -> None:
    """Else the tests above would prove nothing."""
    code = "import importlib.util as u; print([n for n in ('campaigns', 'pytest', 'rich', 'cdc') if u.find_spec(n)])"
    assert run_in(folder, alone, python, "-c", code) == (0, "['cdc']\n")


@pytest.mark.skipif(sys.version_info < (3, 13), reason=f"{LIBRARY}, Microsoft's worker library, needs Python 3.13")
def test_the_package_alone_replicates_in_the_worker_library(
    alone: Mapping[str, str], folder: Path, source: Source, query: Query, tmp_path: Path
) -> None:
    """The library brings what it needs itself, as in Azure."""
    requirements = [*read_requirements(folder / "requirements.txt"), LIBRARY]
    written = source.write("Accounts", an_account("a"))
    call = {"function": "change_feed_accounts", "parameter": "documents", "retry": (0, 0)}
    done = subprocess.run(
        [make_environment(tmp_path / "empty", requirements), ROOT / "tests/e2e/engines.py", "library", folder],
        cwd=folder,
        env={**os.environ, **alone},
        input=json.dumps([call | {"payload": ["string", json.dumps([written])]}]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["results"] == [None]
    assert query("select id from accounts") == [("a",)]
