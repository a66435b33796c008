"""Run the whole system and show what happens, until Ctrl-C."""

import contextlib
import json
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import psycopg
from azure.core.exceptions import AzureError
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn
from rich.table import Table

from local.demo import backfill, cutover, dead_letters
from local.demo.reconcile import count_drift, damage_row, describe_drift, reconcile
from local.demo.writer import DOCUMENTS, Writer
from local.oracle.compare import Comparison
from local.sample import CONTAINERS
from local.stack import LATEST_VERSION, Stack, StackError, running

_REFRESH_SECONDS = 0.5
_PLAIN_REFRESH_SECONDS = 5.0
_BEFORE_DAMAGE_SECONDS = 8.0

# One line a paragraph: the console breaks them.
_WHAT = """
An application writes documents to Cosmos. The change feed triggers function_app.py, which maps each document to rows \
and upserts them into PostgreSQL. A backfill copies the documents that were in Cosmos before the app started. One \
document is poison (its CreatedAt is not a date). The app parks it: it has no rows, and a dead letter says why.

While this runs, try these commands in another terminal, in this folder. The app answers with JSON on one line: add \
"| python3 -m json.tool" to read it more easily.
"""
_TRY = (
    (
        "The accounts that logged in last",
        '{psql} -c "select id, email, last_login_at from accounts order by last_login_at desc nulls last limit 5"',
    ),
    ("The dead letters", '{psql} -c "select container, id, kind, path, message from cdc.dead_letter"'),
    ("The dead letters over HTTP, without ids", 'curl -H "x-functions-key: {key}" {url}api/dead-letters'),
    ("The counts of each container", 'curl -H "x-functions-key: {key}" {url}api/status'),
    (
        "Start another backfill (the path status_url in the answer shows how far it is)",
        'curl -H "x-functions-key: {key}" -d \'{{"unlimited": true}}\' {url}api/backfills',
    ),
    ("The reports of reconcile", 'curl -H "x-functions-key: {key}" {url}api/reconciliations'),
)

_EDITED = "We edited one e-mail by hand in PostgreSQL. Now we start a deep reconcile: it compares every value ..."

_console = Console()


def main(mode: str = LATEST_VERSION) -> int:
    """Run until Ctrl-C, then stop every part."""
    _console.print(
        f"Starting PostgreSQL, the Cosmos server with {DOCUMENTS} documents, and the Functions host. "
        "This takes a few seconds ..."
    )
    writer = Writer()
    with (
        tempfile.NamedTemporaryFile(prefix="mystira-cdc-demo-", suffix=".log") as log,
        running(log=log.file, mode=mode, preload=writer.preload) as stack,
    ):
        _describe(stack, log.name)
        thread = threading.Thread(target=writer.run, args=(stack,))
        thread.start()
        threading.Thread(target=_show_dead_letters, args=(stack, writer), daemon=True).start()
        threading.Thread(target=_show_reconcile, args=(stack, writer), daemon=True).start()
        try:
            with contextlib.suppress(KeyboardInterrupt):
                _copy(stack)
                writer.copied.set()
                _watch(stack, writer)
            with contextlib.suppress(KeyboardInterrupt):
                writer.stopped.set()
                thread.join()
                _cut_over(stack, writer)
        finally:
            writer.stopped.set()
            thread.join()
        return _end(stack)


def _cut_over(stack: Stack, writer: Writer) -> None:
    """Go on to phase 3, if nothing stands in the way that somebody has tried out."""
    paused = _list_paused(stack)
    if not writer.copied.is_set() or paused:
        why = f"{', '.join(paused)} is paused" if paused else "the backfill was not over"
        _console.print(f"There is no cut-over: {why}.", highlight=False)
        return

    _console.print(
        "The application stops. The demo goes on to the cut-over, which takes about half a minute. Ctrl-C skips it."
    )
    try:
        for sentence in cutover.show(stack, writer.sample):
            _console.print(sentence, highlight=False, markup=False)
    except (OSError, StackError) as error:
        _console.print(f"The demo of the cut-over stopped: {error}", highlight=False, markup=False)


def _show_dead_letters(stack: Stack, writer: Writer) -> None:
    """Park, correct and delete documents of its own while everything runs."""
    try:
        for sentence in dead_letters.show(stack):
            _console.print(sentence, highlight=False, markup=False)
    except (psycopg.Error, AzureError, OSError, StackError) as error:
        if not writer.stopped.is_set():
            _console.print(f"The demo of dead letters and deletes stopped: {error}", highlight=False, markup=False)


def _copy(stack: Stack) -> None:
    """Copy what was there before the app, beside the changes that have begun."""
    columns = ("[progress.description]{task.description}", BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_console, disable=not _console.is_terminal) as bar:
        task = bar.add_task("POST /api/backfills", total=100)
        for progress in backfill.copy(stack):
            bar.update(task, completed=progress["percent"])
    _console.print(f"{backfill.describe(progress)}.\n", highlight=False)


def _show_reconcile(stack: Stack, writer: Writer) -> None:
    """Edit a row by hand while everything runs, and say what reconcile makes of it."""
    while not writer.doing.startswith("changing"):
        if writer.stopped.wait(0.5):
            return
    if writer.stopped.wait(_BEFORE_DAMAGE_SECONDS):
        return
    try:
        damage_row(stack)
        _console.print(_EDITED, highlight=False)
        found = count_drift(reconcile(stack, mode="deep"))
    except (psycopg.Error, OSError, StackError) as error:
        if not writer.stopped.is_set():
            _console.print(f"The demo of reconcile stopped: {error}", highlight=False, markup=False)
        return
    text = f"Reconcile found this drift and repaired it: {describe_drift(found)}."
    _console.print(f"{text} GET api/reconciliations has the report.", highlight=False)


def _watch(stack: Stack, writer: Writer) -> None:
    if not _console.is_terminal:
        while True:
            _console.print(_line(stack, writer), soft_wrap=True)
            time.sleep(_PLAIN_REFRESH_SECONDS)
    with Live(console=_console, auto_refresh=False) as live:
        while True:
            live.update(_table(stack, writer), refresh=True)
            time.sleep(_REFRESH_SECONDS)


def _read_status(stack: Stack) -> dict[str, Any]:
    """Ask the app; raise OSError with the reason when it has no answer."""
    request = urllib.request.Request(f"{stack.functions.url}api/status")  # noqa: S310 - our own address
    request.add_header("x-functions-key", stack.functions_key)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - our own address
            status = json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            raise OSError(json.load(error)["detail"]) from None
    if not status["containers"]:
        raise OSError("; ".join(problem["message"] for problem in status["problems"]))
    return {container["container"]: container for container in status["containers"]}


def _line(stack: Stack, writer: Writer) -> str:
    try:
        counters = list(_counters(_read_status(stack), writer))
    except OSError as error:
        return f"The app gives no status: {error}"
    parts = [
        f"{name}: {in_cosmos} in Cosmos, {applied} in PostgreSQL, {parked} parked, {lag} s behind"
        for name, in_cosmos, applied, parked, lag in counters
    ]
    return "; ".join([*parts, f"{writer.writes} writes so far"])


def _table(stack: Stack, writer: Writer) -> Table:
    table = Table(caption=f"{writer.writes} writes so far; {writer.doing}", min_width=72)
    table.add_column("container", no_wrap=True)
    for heading in ("in Cosmos", "in PostgreSQL", "parked", "seconds behind"):
        table.add_column(heading, justify="right")
    try:
        for row in _counters(_read_status(stack), writer):
            table.add_row(*map(str, row))
    except OSError as error:
        table.caption = f"The app gives no status: {error}"
    return table


def _counters(status: dict[str, Any], writer: Writer) -> Iterator[tuple[str, int, int, int, str]]:
    for name in CONTAINERS:
        documents = status[name]["documents"]
        lag = status[name]["lag_seconds"]
        behind = "paused" if status[name]["paused"] else "?" if lag is None else f"{lag:.0f}"
        yield name, writer.documents[name], documents["applied"], documents["parked"], behind


def _describe(stack: Stack, log: str) -> None:
    _console.print(_WHAT)
    page = f"The page of all this, for a browser; it asks for the function key:\n  {stack.functions.url}api/dashboard"
    _console.print(f"{page}\n  key: {stack.functions_key}\n", soft_wrap=True, highlight=False, markup=False)
    for what, command in _TRY:
        text = command.format(psql=stack.psql_command, key=stack.functions_key, url=stack.functions.url)
        _console.print(f"{what}:\n  {text}\n", soft_wrap=True, highlight=False, markup=False)
    url = stack.functions.url.rstrip("/")
    _console.print(f"For the commands of docs/operations.md:\n  URL={url} KEY={stack.functions_key}\n", soft_wrap=True)
    _console.print(f"The Functions host writes its warnings to {log}.", soft_wrap=True, highlight=False)
    _console.print(
        "Press Ctrl-C to end: the demo then cuts over, compares both sides, stops everything and removes the data.\n",
        highlight=False,
    )


def _end(stack: Stack) -> int:
    _console.print("Comparing both sides value by value, then stopping everything and removing the data ...")
    try:
        comparison = _settle(stack)
    except (psycopg.Error, AzureError) as error:
        _console.print(f"demo: The two sides cannot be compared: {type(error).__name__}.")
        return 1
    if comparison.differences:
        for name in _list_paused(stack):
            _console.print(f"{name} is paused, so its changes wait: resume it before you end the demo.")
    for difference in comparison.differences[:10]:
        _console.print(str(difference), soft_wrap=True, highlight=False, markup=False)
    _console.print(f"demo: {comparison}")
    return int(bool(comparison.differences))


def _list_paused(stack: Stack) -> list[str]:
    try:
        return [name for name, status in _read_status(stack).items() if status["paused"]]
    except OSError:
        return []


def _settle(stack: Stack) -> Comparison:
    for _ in range(40):
        comparison = stack.compare()
        if not comparison.differences:
            break
        time.sleep(0.25)
    return comparison
