"""Run the SDK's own tests, taken from its sdist, against this server and compare with what is documented."""

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".conformance"
DOCUMENTED = Path(__file__).with_suffix(".toml")
PLUGIN = "pytest-asyncio==1.3.0"
EMULATOR_PORT = 8081
EITHER = "Timing:"
WIDTH = 50
START_SECONDS = 30
TEST_SECONDS = 300
# The suite imports this package of the SDK's repository, which no registry has.
STAND_IN = {
    "__init__.py": "",
    "azure_recorded_testcase.py": "def get_credential(**_options):\n    return None\n",
    "helpers.py": "def is_live():\n    return False\n",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Count what became of a file's tests and name the failed ones."""

    passed: int
    failed: frozenset[str]
    skipped: frozenset[str]
    not_run: int

    @property
    def seen(self) -> int:
        """Count what was run or skipped."""
        return self.passed + len(self.failed) + len(self.skipped)


def main(arguments: list[str] | None = None) -> int:
    """Run the files, print a line for each, and return 1 when one differs from what is documented."""
    options = _parse(arguments)
    documented = tomllib.loads(DOCUMENTED.read_text(encoding="utf-8"))
    tests = _prepare()
    files = options.files or sorted(documented["run"])
    with _server(options.port), ThreadPoolExecutor(options.jobs) as pool:
        outcomes = []
        surprises = 0
        for name, outcome in zip(files, pool.map(lambda name: _run(name, tests, options), files), strict=True):
            outcomes.append(outcome)
            surprises += _report(name, outcome, _expected(documented, name), documented["skipped"].get(name, 0))
    if not options.files:
        surprises += _list_left_out(documented["left_out"], tests, set(files))
    print(f"{f'{len(files)} files':{WIDTH}} {_counts(*outcomes)}")
    print(f"{surprises} not as documented")
    return 1 if surprises else 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.cosmos.conformance", description=__doc__)
    parser.add_argument("files", nargs="*", help="only these, such as test_ttl (default: all that are documented)")
    parser.add_argument("--port", type=int, default=EMULATOR_PORT, help="for the server (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="files at a time (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=900, help="for one file (default: %(default)s)")
    return parser.parse_args(arguments)


def _prepare() -> Path:
    name = f"azure_cosmos-{version('azure-cosmos')}"
    unpacked = CACHE / name
    if not unpacked.exists():
        sdist = f"azure-cosmos=={version('azure-cosmos')}"
        _pip("download", "--no-deps", "--no-binary", ":all:", "--dest", str(CACHE), sdist)
        with tarfile.open(CACHE / f"{name}.tar.gz") as archive:
            archive.extractall(CACHE / "unpacking", filter="data")
        (CACHE / "unpacking" / name).rename(unpacked)
    packages = CACHE / "packages"
    if not packages.exists():
        _pip("install", "--no-deps", "--target", str(packages), PLUGIN)
    stand_in = packages / "devtools_testutils"
    stand_in.mkdir(exist_ok=True)
    for file, text in STAND_IN.items():
        (stand_in / file).write_text(text, encoding="utf-8")
    (CACHE / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")  # or pytest would find this repository's
    return unpacked / "tests"


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True)


@contextmanager
def _server(port: int) -> Iterator[None]:
    options = ["--port", str(port), "--tls", "--physical-partitions", "5", "--unthrottled"]
    command = [sys.executable, "-m", "local.cosmos", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or not process.stdout.readline():
                raise SystemExit("conformance: the server did not start")
            yield
        finally:
            process.terminate()


def _expected(documented: Mapping[str, Any], name: str) -> dict[str, str]:
    """List a file's failing tests with their reasons."""
    reasons = documented["reasons"]
    return {test: reasons[reason] for reason, tests in documented["run"].get(name, {}).items() for test in tests}


def _report(name: str, outcome: Outcome, documented: Mapping[str, str], skipped: int) -> bool:
    print(f"{name:{WIDTH}} {_counts(outcome)}", flush=True)
    for test in sorted(outcome.failed):
        print(f"    failed: {test}: {documented.get(test, 'NOT DOCUMENTED')}")
    for test in sorted(documented.keys() - outcome.failed - outcome.skipped):
        print(f"    passed, but is documented as failing: {test}")
    # A test that a fast or a slow moment decides is documented as failing, and may pass.
    surprises = {test for test in documented.keys() ^ outcome.failed if not documented.get(test, "").startswith(EITHER)}
    if len(outcome.skipped) != skipped:
        print(f"    {skipped} skipped tests are documented")
    return bool(surprises or outcome.not_run or not outcome.seen or len(outcome.skipped) != skipped)


def _counts(*outcomes: Outcome) -> str:
    passed, not_run = sum(each.passed for each in outcomes), sum(each.not_run for each in outcomes)
    failed, skipped = sum(len(each.failed) for each in outcomes), sum(len(each.skipped) for each in outcomes)
    return f"{passed:4} passed {failed:3} failed {skipped:3} skipped {not_run:3} not run"


def _run(name: str, tests: Path, options: argparse.Namespace) -> Outcome:
    reports = CACHE / "reports"
    reports.mkdir(exist_ok=True)
    junit, log = reports / f"{name}.xml", reports / f"{name}.log"
    junit.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-c", str(CACHE / "pytest.ini"), f"--rootdir={tests}", f"{name}.py"]
    limits = [f"--timeout={min(TEST_SECONDS, options.seconds)}", f"--session-timeout={options.seconds}"]
    with log.open("w", encoding="utf-8") as output:
        subprocess.run(
            [*command, *limits, "-p", "no:cacheprovider", "--tb=native", f"--junitxml={junit}"],
            cwd=tests,
            env=_environment(options.port),
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    collected = re.search(r"collected (\d+) item", log.read_text(encoding="utf-8", errors="replace"))
    return _read(junit, int(collected[1]) if collected else 0)


def _environment(port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ACCOUNT_", "PYTEST_"))}
    elsewhere = {} if port == EMULATOR_PORT else {"ACCOUNT_HOST": f"https://localhost:{port}/"}
    return {**kept, **elsewhere, "PYTHONPATH": str(CACHE / "packages"), "PYTHONDONTWRITEBYTECODE": "1"}


def _read(junit: Path, collected: int) -> Outcome:
    if not junit.exists():
        return Outcome(0, frozenset(), frozenset(), collected)
    cases = list(ElementTree.parse(junit).iter("testcase"))  # noqa: S314  written by our own pytest
    failed = _tests(case for case in cases if case.find("failure") is not None or case.find("error") is not None)
    skipped = _tests(case for case in cases if case.find("skipped") is not None) - failed
    seen = _tests(cases)
    names = [frozenset(name for _, name in tests) for tests in (failed, skipped)]
    return Outcome(len(seen - failed - skipped), names[0], names[1], max(collected - len(seen), 0))


def _tests(cases: Iterable[ElementTree.Element]) -> set[tuple[str, str]]:
    return {(case.get("classname", ""), case.get("name", "")) for case in cases}


def _list_left_out(left_out: Mapping[str, list[str]], tests: Path, run: set[str]) -> int:
    for reason, names in left_out.items():
        for name in names:
            print(f"{name:{WIDTH}} left out: {reason}")
    unknown = {path.stem for path in tests.glob("test_*.py")} - run.union(*left_out.values())
    for name in sorted(unknown):
        print(f"{name:{WIDTH}} left out: NOT DOCUMENTED")
    return len(unknown)


if __name__ == "__main__":
    sys.exit(main())
