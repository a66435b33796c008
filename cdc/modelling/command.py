"""The commands that look at data: profile and plan."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cdc.config.source_settings import split_names
from cdc.core.errors import FatalError, RequestError, UnknownError
from cdc.core.feed_items import partition_key
from cdc.core.mapping import Mapper
from cdc.modelling import opening, plan_text, profile_text
from cdc.modelling.document_file import read_documents
from cdc.modelling.plan import Plan
from cdc.modelling.profile import Profile, Source
from cdc.modelling.profiler import Profiler
from cdc.modelling.rule_check import RuleCheck
from cdc.modelling.sampling import Progress, Sample

_BUDGET = 5_000
_UNITS_PER_SECOND = 400
# How often the progress is shown.
_SECONDS, _TERMINAL_SECONDS = 2.0, 0.1


@dataclass(frozen=True, slots=True)
class _Tools:
    """Where the commands get settings and mappers from."""

    read_environment: Callable[[], Mapping[str, str]]
    choose_mappers: Callable[[Sequence[str]], Sequence[Mapper[Any]]]
    extra_containers: Sequence[str]

    def open_source(self) -> AbstractContextManager[opening.Source]:
        return opening.open_source(self.read_environment(), self.extra_containers)

    def read_names(self, setting: str) -> tuple[str, ...]:
        """Return the names in a setting, although others may be missing."""
        return split_names(self.read_environment().get(setting, ""))


def add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    read_environment: Callable[[], Mapping[str, str]],
    choose_mappers: Callable[[Sequence[str]], Sequence[Mapper[Any]]],
    extra_containers: Sequence[str],
) -> None:
    """Add the commands."""
    tools = _Tools(read_environment, choose_mappers, extra_containers)
    help_ = "look at a container, or at a JSON file, and say what is there by type and path, without one value"
    command = commands.add_parser("profile", help=help_, description=help_)
    command.add_argument(
        "container", nargs="?", metavar="CONTAINER", help="its name in Cosmos; with --json the name to give the file"
    )
    _add_reading(command)
    command.add_argument("--type-property", metavar="NAME", help="the property that names the type; else it is found")
    command.add_argument("--output", type=Path, metavar="FILE", help="the profile (default: NAME.profile.json)")
    command.set_defaults(run=partial(_profile, tools), stands_alone=True)
    help_ = (
        "run the mappers over a sample, a file or everything, write nothing, and say what would be parked or left out"
    )
    command = commands.add_parser("plan", help=help_, description=f"{help_}; exit code 1 if there is something to do")
    command.add_argument("containers", nargs="*", metavar="CONTAINER", help="by default every replicated container")
    _add_reading(command)
    command.add_argument("--all", action="store_true", help="read every document, whatever it costs")
    command.add_argument(
        "--units-per-second", type=_read_units, default=_UNITS_PER_SECOND, metavar="UNITS",
        help="say how long a backfill takes with so many request units a second (default: %(default)s)",
    )  # fmt: skip
    command.set_defaults(run=partial(_plan, tools), stands_alone=True)


def _add_reading(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", type=Path, metavar="FILE", help="an array of documents, or one document a line")
    command.add_argument(
        "--budget", type=_read_units, default=_BUDGET, metavar="UNITS",
        help="spend at most so many request units on reading a container (default: %(default)s)",
    )  # fmt: skip


def _read_units(text: str) -> float:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError("must be a number of request units")
    return float(text)


def _profile(tools: _Tools, arguments: argparse.Namespace) -> int:
    if arguments.container is None and arguments.json is None:
        raise RequestError("Name a container, or a file with --json.")
    profile = _profile_file(arguments) if arguments.json else _profile_container(tools, arguments)
    if not profile.source.read:
        raise RequestError(f"{profile.source.name} has no documents: there is nothing to profile.")
    print(profile_text.write(profile))
    output = arguments.output or Path(f"{profile.source.name}.profile.json")
    try:
        output.write_text(profile.write(), encoding="utf-8")
    except OSError as error:
        raise FatalError(f"{output} cannot be written: {error.strerror}.") from None
    print(f"\nwritten to {output}: it holds names of properties and types, counts and forms, and no value")
    return 0


def _profile_file(arguments: argparse.Namespace) -> Profile:
    profiler = Profiler(arguments.type_property)
    complete = False
    with shown(arguments.json.name) as show, _interruptible("profile"):
        for number, document in enumerate(read_documents(arguments.json, exact=True), 1):
            profiler.see(document)
            show(f"{number} documents")
        complete = True
    name = arguments.container or arguments.json.stem.removesuffix(".documents")
    return profiler.build(Source(name=name, kind="file", read=0, complete=complete))


def _profile_container(tools: _Tools, arguments: argparse.Namespace) -> Profile:
    name = arguments.container
    with tools.open_source() as source:
        paths = source.find(name).partition_key_paths
        profiler = Profiler(arguments.type_property, paths)
        with source.open_feed(name) as feed, shown(name) as show:
            sample = Sample(feed, arguments.budget, lambda progress: show(_describe(progress, arguments.budget)))
            with _interruptible("profile"):
                for document in sample.read():
                    profiler.see(document)
    read = sample.progress
    about = Source(
        name=name,
        kind="container",
        read=0,
        complete=read.complete,
        documents=read.documents,
        partition_key=paths,
        feed_ranges=read.feed_ranges,
        request_units=round(read.request_units, 1),
    )
    return profiler.build(about)


@contextmanager
def _interruptible(what: str) -> Iterator[None]:
    """End the reading at Ctrl-C: what was read is worth a profile, or a plan."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\nstopped: this is the {what} of what was read until now", file=sys.stderr)


def _plan(tools: _Tools, arguments: argparse.Namespace) -> int:
    mappers = _choose(tools, arguments)
    check = RuleCheck(mappers)
    plans = [Plan(mapper, check) for mapper in mappers]
    finished = False
    with _interruptible("plan"):
        _read_all(tools, plans, arguments)
        finished = True
    complete = {table.name for plan in plans if plan.complete for table in plan.mapper.tables}
    accepted = tools.read_names("READINESS_ACCEPTED_TYPES")
    reached = [plan for plan in plans if finished or plan.documents]
    lines = [line for plan in reached for line in plan_text.write(plan, accepted, arguments.units_per_second)]
    lines += plan_text.write_rules(*check.find_breaches(complete))
    for _, text in lines:
        print(text)
    green = finished and all(fine for fine, _ in lines)
    not_green = "not green: see the lines with FAIL" if finished else "not green: not everything was read"
    print("green: nothing would be parked or left out" if green else not_green)
    return int(not green)


def _read_all(tools: _Tools, plans: Sequence[Plan], arguments: argparse.Namespace) -> None:
    if arguments.json:
        _plan_file(plans[0], arguments.json)
        return
    with tools.open_source() as source:
        for plan in plans:
            _plan_container(source, plan, None if arguments.all else arguments.budget)


def _choose(tools: _Tools, arguments: argparse.Namespace) -> Sequence[Mapper[Any]]:
    if not arguments.containers and not arguments.json:
        return tools.choose_mappers(tools.read_names("EXTRA_CONTAINERS"))
    known = {mapper.container: mapper for mapper in tools.choose_mappers(tools.extra_containers)}
    if not set(arguments.containers) <= known.keys():
        raise UnknownError.of_container(known)
    if arguments.json and len(arguments.containers) != 1:
        raise RequestError("Name the one container whose documents are in the file.")
    return [known[name] for name in dict.fromkeys(arguments.containers)]


def _plan_file(plan: Plan, path: Path) -> None:
    with shown(path.name) as show:
        for number, document in enumerate(read_documents(path), 1):
            plan.see(document, number)
            show(f"{number} documents")
    plan.complete = True


def _plan_container(source: opening.Source, plan: Plan, budget: float | None) -> None:
    name = plan.mapper.container
    paths = source.find(name).partition_key_paths
    with source.open_feed(name) as feed, shown(name) as show:
        sample = Sample(feed, budget, lambda progress: show(_describe(progress, budget)))
        for document in sample.read():
            plan.see(document, repr((partition_key(paths, document), document.get("id"))))
    read = sample.progress
    plan.held, plan.units_per_document, plan.complete = read.documents, read.units_per_document, read.complete


def _describe(progress: Progress, budget: float | None) -> str:
    of = "" if budget is None else f" of {budget:.0f}"
    return f"{progress.read} of {progress.documents} documents, {progress.request_units:.0f}{of} request units"


@contextmanager
def shown(name: str) -> Iterator[Callable[[str], None]]:
    """Show on standard error how far the reading is: in one line on a terminal, else now and then."""
    said, terminal = time.monotonic(), sys.stderr.isatty()

    def show(how_far: str) -> None:
        nonlocal said
        if time.monotonic() - said < (_TERMINAL_SECONDS if terminal else _SECONDS):
            return
        said = time.monotonic()
        line = f"{name}: {how_far}"
        print(f"\r{line}\033[K" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
