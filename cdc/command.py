"""The commands of python -m cdc."""

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cdc.api import openapi
from cdc.config.settings import Phase, Settings, read_phase
from cdc.core.deadline import Deadline
from cdc.core.errors import CdcError, SettingsError, UnreadyError
from cdc.core.mapper_groups import by_container
from cdc.cutover import command as cutover_command
from cdc.cutover.command import Display
from cdc.modelling import command as modelling_command
from cdc.modelling import init_command
from cdc.operations import problem_page, problems, rights, status_text
from cdc.operations.checks import all_pass
from cdc.operations.problems import Health
from cdc.runtime import Runtime
from mappers import APPLICATION_SQL, EXTRA_CONTAINERS, choose_mappers

# A look ends in so many seconds, whatever is away.
_LOOK_SECONDS = 10.0
_WATCH_SECONDS = 2.0
_TIME = "%Y-%m-%d %H:%M:%S %Z"


def main() -> int:
    """Run one command; print an error to standard error and return exit code 1 on failure."""
    arguments = _parser().parse_args()
    # The SDK does not verify a local Cosmos server, and urllib3 warns about it at every request.
    warnings.filterwarnings("ignore", message="Unverified HTTPS request is being made to host '(localhost|127.0.0.1)'")
    run: Callable[..., int] = arguments.run
    try:
        if arguments.stands_alone:  # needs no PostgreSQL
            return run(arguments)
        settings = Settings.read(_environment(), EXTRA_CONTAINERS)
        runtime = Runtime(settings, choose_mappers(settings.extra_containers), APPLICATION_SQL)
        try:
            return run(runtime, arguments)
        finally:
            runtime.close()
    except CdcError as error:
        print(_sentence(str(error), getattr(error, "detail", "")), file=sys.stderr)
        if isinstance(error, SettingsError):
            print(f"See {problems.Code.SETTINGS_WRONG.page}.", file=sys.stderr)
        for name, problem in error.fields if isinstance(error, UnreadyError) else ():
            print(f"FAIL  {name}: {problem}", file=sys.stderr)
        return 1


def _sentence(message: str, detail: str) -> str:
    return f"{message} ({detail})" if detail else message


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cdc",
        description="Prepare and check the stores. Settings come from the environment and from local.settings.json.",
    )
    parser.set_defaults(stands_alone=False)
    commands = parser.add_subparsers(required=True)
    for run, help_ in (
        (_migrate, "apply the missing migrations to PostgreSQL"),
        (_setup, "create the lease container, apply the migrations, and record the phase where none is recorded"),
        (_check, "check settings, connections, migrations and mapped tables; print one line for each check"),
    ):
        command = commands.add_parser(run.__name__.strip("_"), help=help_, description=help_)
        command.set_defaults(run=run)
    _add_containers(commands)
    _add_phases(commands)
    modelling_command.add(commands, _environment, lambda names: by_container(choose_mappers(names)), EXTRA_CONTAINERS)
    init_command.add(commands, _environment, choose_mappers, EXTRA_CONTAINERS)
    help_ = "say what is wrong now and what to do, and show the numbers of each container; exit code 1 if not healthy"
    command = commands.add_parser("status", help=help_, description=help_)
    command.add_argument("--watch", action="store_true", help="look again every few seconds, until Ctrl-C")
    command.set_defaults(run=_show_status)
    for name, write, help_ in (
        ("roles", _write_roles, "print the SQL that creates the roles and grants their rights on mapped tables"),
        ("problems", problem_page.write_page, "print the page of the docs about every problem"),
        ("openapi", openapi.write_document, "print the OpenAPI document of the HTTP API"),
    ):
        command = commands.add_parser(name, help=help_, description=help_)
        command.set_defaults(run=partial(_print, write), stands_alone=True)
    return parser


def _add_containers(commands: Any) -> None:
    help_ = "accept the container that the settings name now instead of the one seen first"
    command = commands.add_parser("adopt", help=help_, description=help_)
    command.add_argument("container", metavar="CONTAINER")
    command.set_defaults(run=_adopt)
    help_ = "pause a container: nothing of it is written, and its changes wait in Cosmos"
    command = commands.add_parser("pause", help=help_, description=help_)
    command.add_argument("container", metavar="CONTAINER")
    command.add_argument("--reason", required=True, help="why, in a sentence that names nobody")
    command.set_defaults(run=_pause)
    help_ = "resume a paused container, and read again what its mapper parked since two minutes before the pause"
    command = commands.add_parser("resume", help=help_, description=help_)
    command.add_argument("container", metavar="CONTAINER")
    command.add_argument("--accept", action="store_true", help="leave parked what was parked")
    command.set_defaults(run=_resume)
    help_ = "show the document or row of a dead letter or a finding; the output is personal data"
    command = commands.add_parser("show", help=help_, description=help_)
    command.add_argument("id", metavar="ID", help="the `id` in /api/dead-letters; with --drift the number of a finding")
    command.add_argument("--drift", action="store_true", help="show a finding of reconcile")
    command.set_defaults(run=_show)


def _add_phases(commands: Any) -> None:
    help_ = "say whether the application may go to a phase; exit code 1 if not"
    command = commands.add_parser("readiness", help=help_, description=help_)
    command.add_argument("--to", type=int, choices=range(4), help="the phase; by default the next one")
    command.add_argument("--anew", action="store_true", help="measure now what the timer measures now and then")
    command.set_defaults(run=_show_readiness)
    help_ = "show the recorded phase and its history, or record a phase for which the application is ready"
    command = commands.add_parser("phase", help=help_, description=help_)
    command.add_argument("to", nargs="?", type=_phase, metavar="N", help="the phase to record: a number or a name")
    command.add_argument("--override", metavar="WHY", help="record it although checks fail; the reason is kept")
    command.set_defaults(run=_show_phase)
    help_ = "rehearse, run, watch and stop the cut-over to PostgreSQL as the primary store"
    command = commands.add_parser("cutover", help=help_, description=help_)
    cutover_command.add(command.add_subparsers(required=True), lambda runtime: runtime.open_cutover(Display().say))


def _write_roles() -> str:
    return rights.write_script(choose_mappers(EXTRA_CONTAINERS))


def _print(write: Callable[[], Any], _arguments: argparse.Namespace) -> int:
    written = write()
    print(written.rstrip() if isinstance(written, str) else json.dumps(written, indent=2))
    return 0


def _phase(text: str) -> Phase:
    try:
        return read_phase(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _environment() -> Mapping[str, str]:
    """Return the Values of local.settings.json, overridden by the environment, as in the Core Tools."""
    path = Path("local.settings.json")
    if os.environ.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Production" or not path.exists():
        return os.environ
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))["Values"]
        return {**{str(name): str(value) for name, value in values.items()}, **os.environ}
    except json.JSONDecodeError as error:  # its message has the position and quotes no values
        raise SettingsError(f"local.settings.json is not JSON: {error}.") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise SettingsError("local.settings.json must be a JSON object with an object named Values.") from None


def _migrate(runtime: Runtime, _: argparse.Namespace) -> int:
    # Not those of the settings: the app may have others than whoever migrates.
    applied = runtime.setup.migrate(by_container(choose_mappers(EXTRA_CONTAINERS)))
    print("\n".join(f"applied {name}" for name in applied) or "nothing to apply: the database is up to date")
    return 0


def _setup(runtime: Runtime, arguments: argparse.Namespace) -> int:
    runtime.setup.create_lease_container()
    print(f"lease container {runtime.settings.lease_database}/{runtime.settings.lease_container} exists")
    _migrate(runtime, arguments)
    recorded = runtime.setup.record_phase()
    print(f"phase {recorded.phase.name.lower()} is recorded since {recorded.since:{_TIME}}")
    return 0


def _check(runtime: Runtime, _: argparse.Namespace) -> int:
    checks = runtime.checks.run()
    settings = runtime.settings
    replicated = "" if settings.replicates else ": nothing is replicated"
    print(f"ok    settings, phase {settings.phase.name.lower()}{replicated}")
    for check in checks:
        if check.problem is not None:
            print(f"FAIL  {check.name}: {_sentence(check.problem, check.detail)}")
        elif check.note is not None:
            print(f"note  {check.name}: {check.note}")
        else:
            print(f"{'skip' if check.skipped else 'ok  '}  {check.name}")
    if not all_pass(checks):
        print("note  python -m cdc status also shows paused containers, dead letters, and how late each container is")
        return 1
    for advice in runtime.checks.list_advice():
        print(f"note  {advice}")
    for unmapped in runtime.status.list_unmapped():
        print(f"note  {unmapped.container}: {unmapped.describe()}")
    for paused in runtime.status.list_paused():
        print(f"note  {paused.container}: {paused.describe()}")
    return 0


def _show_status(runtime: Runtime, arguments: argparse.Namespace) -> int:
    healthy = False
    try:
        while True:
            with Deadline(_LOOK_SECONDS).applies():
                report = runtime.status.read(_LOOK_SECONDS)
            healthy = report.verdict is Health.HEALTHY
            clear = "\033[H\033[2J" if arguments.watch and sys.stdout.isatty() else ""
            print(f"{clear}{status_text.write(report)}", flush=True)
            if not arguments.watch:
                break
            time.sleep(_WATCH_SECONDS)
    except KeyboardInterrupt:
        print()
    return int(not healthy)


def _show_phase(runtime: Runtime, arguments: argparse.Namespace) -> int:
    if arguments.to is not None:
        runtime.phase.change(arguments.to, arguments.override)
    found = runtime.phase.report()
    print(f"setting   {found.setting}")
    print(f"recorded  {found.recorded or 'none'}{f' since {found.since:{_TIME}}' if found.since else ''}")
    for change in found.changes:
        print(f"{change.at:{_TIME}}  {change.before or 'none'} to {change.phase}, by {change.by}")
        if failed := [f"{each['container'] or 'all'}: {each['name']}" for each in change.checks if not each["passed"]]:
            print(f"  although these checks failed: {', '.join(failed)}")
        if change.override is not None:
            print(f"  reason: {change.override}")
    if found.problem is not None:
        print(found.problem, file=sys.stderr)
    return 0


def _adopt(runtime: Runtime, arguments: argparse.Namespace) -> int:
    if runtime.setup.adopt(arguments.container):
        print(f"adopted {arguments.container}: run a backfill and a reconcile of all its keys before you use its rows")
    else:
        print(f"nothing to adopt: {arguments.container} is already the container seen first")
    return 0


def _pause(runtime: Runtime, arguments: argparse.Namespace) -> int:
    print(f"{arguments.container} is {runtime.pauses.pause(arguments.container, arguments.reason).describe()}")
    return 0


def _resume(runtime: Runtime, arguments: argparse.Namespace) -> int:
    due = runtime.pauses.resume(arguments.container, accept=arguments.accept)
    print(f"resumed {arguments.container}: {due} dead letters are read again")
    return 0


def _show_readiness(runtime: Runtime, arguments: argparse.Namespace) -> int:
    report = runtime.readiness.report(arguments.to, anew=arguments.anew)
    for check in report.checks:
        where = f"{check.container}: " if check.container else ""
        at = f", measured at {check.measured_at:{_TIME}}" if check.measured_at else ""
        mark = "ok  " if check.passed else "FAIL"
        print(f"{mark}  {where}{check.name}: {check.actual} (must be: {check.required}){at}")
        if check.remedy:
            print(f"      {check.remedy}")
    if report.note:
        print(report.note)
    print(f"{'ready' if report.ready else 'not ready'} for phase {report.to}, {report.phase}")
    return int(not report.ready)


def _show(runtime: Runtime, arguments: argparse.Namespace) -> int:
    return _show_drift(runtime, arguments.id) if arguments.drift else _show_letter(runtime, arguments.id)


def _show_drift(runtime: Runtime, id_: str) -> int:
    found = runtime.reconciliations.find(id_)
    if found["row_table"] is None:
        print(f"document       {found['container']}, id {found['id']}, partition key {found['partition_key']}")
    else:
        print(f"row            {found['row_table']}, key {found['row_key']}")
    print(f"drift          {found['kind']}, {found['state']}, since {found['since']:{_TIME}}")
    return 0


def _show_letter(runtime: Runtime, id_: str) -> int:
    letter = runtime.dead_letters.find(id_)
    identity = letter.identity
    print(f"document       {identity.container}, id {identity.id}, partition key {identity.partition_key}")
    print(f"problem        {letter.kind} at {letter.path}: {letter.message}")
    print(f"state          {letter.state}, {letter.attempts} attempts, parked at {letter.parked_at:{_TIME}}")
    return 0
