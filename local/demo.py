"""Run the whole system and show what happens, until Ctrl-C."""

import contextlib
import json
import os
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from local.compare import Comparison
from local.sample import CONTAINERS, Sample
from local.stack import Stack, running

DOCUMENTS = 1_000
CHANGES_PER_SECOND = 20
_REFRESH_SECONDS = 0.5
_PLAIN_REFRESH_SECONDS = 5.0

_HINTS = """
An application writes to Cosmos; the change feed triggers function_app.py, which maps each document
to rows and upserts them into PostgreSQL. While this runs, try in another terminal:

  {psql} -c "table accounts limit 5"
  {psql} -c "select container, kind, path, message from cdc.dead_letter"
  curl -H "x-functions-key: {key}" {url}api/status

The Functions host writes its warnings to {log}. Ctrl-C compares both sides and ends everything.
"""

_console = Console()


@dataclass
class _Writer:
    """Writes to Cosmos as an application would, in a thread of its own, and counts what it wrote."""

    stack: Stack
    stopped: threading.Event = field(default_factory=threading.Event)
    documents: Counter[str] = field(default_factory=Counter)
    newest_ts: Counter[str] = field(default_factory=Counter)
    writes: int = 0
    doing: str = "writing documents"

    def run(self) -> None:
        source = self.stack.open_source()
        for container, document in self._stream():
            self.newest_ts[container] = source.write(container, document)["_ts"]
            self.writes += 1
            if self.stopped.is_set():
                break
        source.close()

    def _stream(self) -> Iterator[tuple[str, dict[str, Any]]]:
        sample = Sample(seed=1)
        for container, document in sample.create(DOCUMENTS):
            self.documents[container] += 1
            yield container, document
        self.doing = "writing one poison document: an account created `the day before yesterday`"
        self.documents["Accounts"] += 1
        yield sample.poison()
        self.doing = f"changing documents, {CHANGES_PER_SECOND} a second"
        while not self.stopped.wait(1 / CHANGES_PER_SECOND):
            yield sample.change()


def main() -> int:
    """Run until Ctrl-C, then stop every part."""
    _console.print("Starting PostgreSQL, the Cosmos server and the Functions host (a few seconds) ...")
    with tempfile.NamedTemporaryFile(prefix="mystira-cdc-demo-", suffix=".log") as log, running(log=log.file) as stack:
        _console.print(_describe(stack, log.name), soft_wrap=True, highlight=False, markup=False)
        writer = _Writer(stack)
        thread = threading.Thread(target=writer.run)
        thread.start()
        try:
            with contextlib.suppress(KeyboardInterrupt):
                _watch(stack, writer)
        finally:
            writer.stopped.set()
            thread.join()
        return _end(stack)


def _watch(stack: Stack, writer: _Writer) -> None:
    if not _console.is_terminal:
        while True:
            _console.print(_line(_read_status(stack), writer), soft_wrap=True)
            time.sleep(_PLAIN_REFRESH_SECONDS)
    with Live(console=_console, auto_refresh=False) as live:
        while True:
            live.update(_table(_read_status(stack), writer), refresh=True)
            time.sleep(_REFRESH_SECONDS)


def _read_status(stack: Stack) -> dict[str, Any]:
    request = urllib.request.Request(f"{stack.functions.url}api/status")  # noqa: S310 - our own address
    request.add_header("x-functions-key", stack.functions_key)
    with urllib.request.urlopen(request) as response:  # noqa: S310 - our own address
        containers = json.load(response)["containers"]
    return {container["container"]: container for container in containers}


def _line(status: dict[str, Any], writer: _Writer) -> str:
    parts = [
        f"{name}: {in_cosmos} in Cosmos, {applied} in PostgreSQL, {parked} parked, {lag} s behind"
        for name, in_cosmos, applied, parked, lag in _counters(status, writer)
    ]
    return "; ".join([*parts, f"{writer.writes} writes so far"])


def _table(status: dict[str, Any], writer: _Writer) -> Table:
    table = Table(caption=f"{writer.writes} writes so far; {writer.doing}", min_width=72)
    table.add_column("container")
    for heading in ("in Cosmos", "in PostgreSQL", "parked", "seconds behind"):
        table.add_column(heading, justify="right")
    for row in _counters(status, writer):
        table.add_row(*map(str, row))
    return table


def _counters(status: dict[str, Any], writer: _Writer) -> Iterator[tuple[str, int, int, int, int]]:
    for name in CONTAINERS:
        documents = status[name]["documents"]
        lag = writer.newest_ts[name] - (status[name]["newest_ts"] or writer.newest_ts[name])
        yield name, writer.documents[name], documents["applied"], documents["parked"], max(0, lag)


def _describe(stack: Stack, log: str) -> str:
    psql = f'{min(stack.psql, os.path.relpath(stack.psql), key=len)} "{stack.settings["POSTGRES_CONNECTION"]}"'
    return _HINTS.format(psql=psql, key=stack.functions_key, url=stack.functions.url, log=log)


def _end(stack: Stack) -> int:
    _console.print("Comparing both sides ...")
    comparison = _settle(stack)
    _console.print(f"demo: {comparison}")
    return int(bool(comparison.differences))


def _settle(stack: Stack) -> Comparison:
    for _ in range(40):
        comparison = stack.compare()
        if not comparison.differences:
            break
        time.sleep(0.25)
    return comparison
