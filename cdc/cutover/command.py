"""The command line of the cut-over."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cdc.core.documents import Identity
from cdc.core.fingerprints import fingerprint
from cdc.core.mapping import Mapper
from cdc.cutover.rehearsal import Rehearsal
from cdc.cutover.report import Report
from cdc.cutover.rules import BrokenRuleError
from cdc.cutover.run import Run
from cdc.operations.cutover import check_rules
from cdc.postgres import forgotten
from cdc.postgres.database import Database

_SHOWN_AT_MOST = 100
_PERSONAL = "also print the documents; this is personal data"
_ACCESS = (
    "Writing goes on in Cosmos, where it was: give the application its right to write back, and start it in its old "
    "setting."
)


class Display:
    """Shows each step once, and on a terminal how far it is."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._shown = ""

    def say(self, step: str, what: str) -> None:
        """Show what happens."""
        if f"{step} {what}" == self._shown:
            return
        self._shown = f"{step} {what}"
        print(f"{time.monotonic() - self._begun:7.1f} s  {step:17}  {what}", flush=True)


@dataclass(frozen=True, slots=True)
class CutoverCommands:
    """What the commands need."""

    rehearsal: Rehearsal
    run: Run
    report: Report
    mappers: Sequence[Mapper[Any]]
    database: Database
    identity_key: str


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", find: Callable[..., CutoverCommands]) -> None:
    """Add the commands; `find` returns what they need from the runtime."""
    for name, work, help_ in (
        ("check", _check, "say which rows break a rule of the cut-over today; reads only"),
        ("rehearse", _rehearse, "do all that a run reads, time it, and forecast the pause of writing"),
        ("run", _run, "cut over, or go on where an interrupted run stopped; nothing is switched before the last step"),
        ("status", _status, "show the newest rehearsal and run, and what was written to Cosmos since"),
        ("abort", _abort, "take back what an unfinished run has done"),
        (
            "accept",
            _accept,
            "accept what was written to Cosmos since the cut-over: the alarm ends until the next write",
        ),
    ):
        command = commands.add_parser(name, help=help_, description=help_)
        command.set_defaults(run=lambda runtime, arguments, work=work: work(find(runtime), arguments))
        if name == "rehearse":
            command.add_argument(
                "--values", type=_read_values, default=200, metavar="N|all",
                help="compare so many documents of each container by value (default: %(default)s)",
            )  # fmt: skip
        if name in ("check", "rehearse", "run", "status"):
            command.add_argument("--identities", action="store_true", help=_PERSONAL)


def _read_values(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("must be a number or all")
    return int(text)


def _check(commands: CutoverCommands, arguments: argparse.Namespace) -> int:
    broken = 0
    for breach in check_rules(commands.database, commands.mappers):
        broken += bool(breach.rows)
        print(f"{'FAIL' if breach.rows else 'ok  '}  {breach.rule.name}: {breach.meaning}", end="")
        print(f"; {breach.rows} rows break it" if breach.rows else "")
        for identity in breach.documents:
            print(f"      {_name(commands, identity, arguments)}")
    if broken:
        print(f"{broken} rules would fail: correct these documents in Cosmos, where they are still written")
    return int(broken > 0)


def _name(commands: CutoverCommands, identity: Identity, arguments: argparse.Namespace) -> str:
    who = f"  id {identity.id}, partition key {identity.partition_key}" if arguments.identities else ""
    return f"document {fingerprint(identity.key, commands.identity_key)}{who}"


def _rehearse(commands: CutoverCommands, arguments: argparse.Namespace) -> int:
    try:
        attempt = commands.rehearsal.rehearse(arguments.values)
    except BrokenRuleError as error:
        return _tell_breach(commands, error, arguments)
    for unready in attempt.progress.unready:
        print(f"note: a run would be refused now: {unready}")
    print(f"rehearsed: the pause of writing will take about {attempt.progress.forecast_seconds or 0:.1f} s")
    return 0


def _run(commands: CutoverCommands, arguments: argparse.Namespace) -> int:
    forecast = commands.report.attempts.read_newest("rehearsal", ["completed"])
    if forecast is not None:
        print(f"forecast of the pause: {forecast.progress.forecast_seconds or 0:.1f} s")
    try:
        attempt = commands.run.run()
    except BrokenRuleError as error:
        return _tell_breach(commands, error, arguments)
    print(
        f"phase 3 is recorded: PostgreSQL is the primary store; the pause took {attempt.progress.pause_seconds:.1f} s"
    )
    print("Now set MIGRATION_PHASE to 3 for this app, and start the application in phase 3.")
    return 0


def _tell_breach(commands: CutoverCommands, error: BrokenRuleError, arguments: argparse.Namespace) -> int:
    print(error, file=sys.stderr)
    for identity in error.breach.documents:
        print(f"      {_name(commands, identity, arguments)}", file=sys.stderr)
    return 1


def _status(commands: CutoverCommands, arguments: argparse.Namespace) -> int:
    for line in commands.report.write():
        print(line)
    for identity in forgotten.list_open(commands.database, _SHOWN_AT_MOST):
        print(f"           {identity.container}: {_name(commands, identity, arguments)}")
    return 0


def _abort(commands: CutoverCommands, _: argparse.Namespace) -> int:
    attempt = commands.run.abort()
    if attempt is None:
        print(f"Nothing is to be taken back: no run is unfinished. {_ACCESS}")
        return 0
    rules = ", ".join(attempt.progress.rules) or "none was added"
    print(f"aborted; rules taken back: {rules}")
    print(f"Phase 2 stands, and nothing was switched. {_ACCESS}")
    return 0


def _accept(commands: CutoverCommands, _: argparse.Namespace) -> int:
    print(f"accepted {forgotten.accept(commands.database)} documents")
    return 0
