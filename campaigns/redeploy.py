"""Restart the app in an old and a new release in turn, on one database, in the middle of its work, and compare."""

import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psycopg

from campaigns.backfill import Writer
from campaigns.mystira import MYSTIRA
from campaigns.stage import KEY, Stage, StuckError, running, wait_until
from local import package
from local.operator import Operator
from local.oracle.compare import compare_settings
from local.patience import PATIENCE_SECONDS
from local.sample import Sample
from local.stack import ROOT, Part, StackError

# The release before deployment was code.
OLD = "428a410"
RESTARTS = 20
DOCUMENTS = 1_500
PAGE_SIZE = 20
_WORKS = ("feed", "backfill", "reconcile")
_RUNNING = {
    "backfill": "select count(*) from cdc.backfill where state = 'running'",
    "reconcile": "select count(*) from cdc.reconciliation where state = 'running'",
}
_LETTERS = "select count(*) from cdc.dead_letter"
_BATCHES = "select coalesce(max(number), 0) from cdc.recent_batch"


@dataclass(slots=True)
class Result:
    """Count what a campaign did, and keep what was wrong."""

    restarts: int = 0
    kills: int = 0
    caught: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_WORKS, 0))
    changes: int = 0
    parked: int = 0
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        caught = ", ".join(f"{count} in mid-{work}" for work, count in self.caught.items())
        return (
            f"{self.restarts} restarts ({caught}; {self.kills} by kill), {self.changes} changes, {self.parked} parked, "
            f"{len(self.differences)} differences"
        )


class ReleaseError(Exception):
    """Say why there is no old release."""


def run(seed: int, restarts: int, old: str) -> int:
    """Print one line and return 1 when anything was wrong."""
    with tempfile.TemporaryDirectory(prefix="releases-") as folder:
        try:
            releases = [unpack(old, Path(folder, "old")), unpack(None, Path(folder, "new"))]
        except ReleaseError as error:
            print(f"redeploy: {error}")
            return 1
        result = play(seed, restarts, releases)
    print(*result.differences[:20], f"redeploy {seed}: {result}", sep="\n", flush=True)
    return 1 if result.differences else 0


def unpack(commit: str | None, folder: Path) -> Path:
    """Build the package of a commit, or of what is here, and return the folder with nothing else in it."""
    folder.mkdir(exist_ok=True)
    tree = ROOT if commit is None else _check_out(commit, folder)
    package.build(tree, folder / "app.zip")
    shutil.unpack_archive(folder / "app.zip", folder / "app")
    return folder / "app"


def _check_out(commit: str, folder: Path) -> Path:
    git = shutil.which("git") or "git"
    into = folder / "tree.zip"
    done = subprocess.run([git, "archive", "--output", into, commit], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise ReleaseError(f"git has no commit {commit}: this is a shallow clone, or no clone at all")
    shutil.unpack_archive(into, folder / "tree")
    return folder / "tree"


def play(seed: int, restarts: int, releases: list[Path]) -> Result:
    """Let the new release prepare the database and the old one begin; then change releases while everything moves."""
    result, sample, dice = Result(), Sample(seed=seed), random.Random(seed)
    with running(MYSTIRA) as stage:
        for document in sample.create(DOCUMENTS):
            stage.source.write(*document)
        releases_in_turn = _Releases(stage, releases)
        try:
            with Writer(stage.source, sample, str(seed)) as writer, _working(stage, releases_in_turn):
                for number in range(restarts):
                    _redeploy(stage, dice, _WORKS[number % len(_WORKS)], releases_in_turn, result)
            if writer.error is not None:
                raise writer.error
            result.changes = writer.changes
            result.differences += _settle(stage, releases_in_turn)
        finally:
            releases_in_turn.stop()
        result.parked = stage.count(_LETTERS)
    return result


class _Releases:
    """The one host that runs, in one of two releases."""

    def __init__(self, stage: Stage, folders: list[Path]) -> None:
        self._stage, self._folders, self._turn = stage, folders, 0
        self._host = self._start()

    def _start(self) -> Part:
        command = ["local.functions", f"--key={KEY}", "--verbose", "--state", str(self._stage.folder / "durable")]
        command.append(f"--root={self._folders[self._turn]}")
        environment = {**self._stage.settings, "TMPDIR": str(self._stage.folder)}
        for _ in range(4):
            with suppress(StackError):
                return Part(command, environment, self._stage.log)
        return Part(command, environment, self._stage.log)

    def change(self, *, kills: bool) -> None:
        """Replace the release by the other one, as Recreate does: what runs is ended, and may be killed."""
        (self._host.kill if kills else self._host.stop)()
        self._turn = 1 - self._turn
        self._host = self._start()

    def stop(self) -> None:
        """End the host."""
        self._host.stop()

    @property
    def name(self) -> str:
        """Return which of the two runs."""
        return ("old", "new")[self._turn]

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask the release that runs; the status is 0 while there is none."""
        try:
            return Operator(self._host.url, KEY).ask(method, path, body)
        except (OSError, ValueError):
            return 0, None


@contextmanager
def _working(stage: Stage, releases: _Releases) -> Iterator[None]:
    """Let a backfill and a reconcile run at any time, until the block ends."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.2):
            with suppress(psycopg.Error):
                if not stage.count(_RUNNING["backfill"]):
                    releases.ask("POST", "backfills", {"max_request_units_per_second": 400, "page_size": PAGE_SIZE})
                if not stage.count(_RUNNING["reconcile"]):
                    releases.ask("POST", "reconciliations", {"mode": "keys"})

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _redeploy(stage: Stage, dice: random.Random, work: str, releases: _Releases, result: Result) -> None:
    """Wait until this work is under way, and a little longer; change the release, and wait until that is ready."""
    if work == "feed":
        before = stage.count(_BATCHES)
        wait_until(lambda: stage.count(_BATCHES) > before, "the feed runs")
    else:
        wait_until(lambda: stage.count(_RUNNING[work]) > 0, f"a {work} runs")
    time.sleep(dice.uniform(0, 1))
    kills = dice.random() < 0.5
    releases.change(kills=kills)
    result.restarts += 1
    result.kills += kills
    result.caught[work] += 1
    wait_until(lambda: releases.ask("GET", "health/ready")[0] == HTTPStatus.OK, f"the {releases.name} release is ready")


def _settle(stage: Stage, releases: _Releases) -> Iterator[str]:
    """Both sides become equal, everything that was begun ends, and nobody lacks anything."""
    with suppress(StuckError):
        wait_until(lambda: not compare_settings(stage.settings).differences, "both sides are equal", PATIENCE_SECONDS)
    yield from map(str, compare_settings(stage.settings).differences)
    for work, query in _RUNNING.items():
        try:
            wait_until(partial(_is_none, stage, query), f"the {work} is over", PATIENCE_SECONDS)
        except StuckError:
            yield f"a {work} is stuck"
    status, ready = releases.ask("GET", "health/ready")
    if status != HTTPStatus.OK:
        yield f"the {releases.name} release is not ready: {ready}"


def _is_none(stage: Stage, query: str) -> bool:
    return stage.count(query) == 0
