"""The commands that look at data: profile and plan."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from cdc.core.errors import FatalError, RequestError
from cdc.core.source_container import SourceContainer
from cdc.modelling import profile_text
from cdc.modelling.document_file import read_documents
from cdc.modelling.profile import Profile, Source
from cdc.modelling.profiler import Profiler
from cdc.modelling.sampling import Progress, Sample, SampledFeed

_BUDGET = 5_000
_SECONDS = 2.0


class Cosmos:
    """What the commands read: containers and their feeds; nothing else, and nothing is written."""

    def __init__(
        self,
        open_feed: Callable[[str], AbstractContextManager[SampledFeed]],
        find: Callable[[str], SourceContainer],
    ) -> None:
        self.open_feed = open_feed
        self.find = find


OpenCosmos = Callable[[], AbstractContextManager[Cosmos]]


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", open_cosmos: OpenCosmos) -> None:
    """Add the commands."""
    help_ = "look at a container, or at a JSON file, and say what is there by type and path, without one value"
    command = commands.add_parser("profile", help=help_, description=help_)
    command.add_argument("container", nargs="?")
    _add_reading(command)
    command.add_argument("--type-property", metavar="NAME", help="the property that names the type; else it is found")
    command.add_argument("--output", type=Path, metavar="FILE", help="the profile (default: NAME.profile.json)")
    command.set_defaults(run=lambda arguments: _profile(open_cosmos, arguments), reads_source=True)


def _add_reading(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", type=Path, metavar="FILE", help="an array of documents, or one document a line")
    command.add_argument(
        "--budget", type=_read_budget, default=_BUDGET, metavar="UNITS",
        help="spend at most so many request units on reading (default: %(default)s)",
    )  # fmt: skip


def _read_budget(text: str) -> float:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError("must be a number of request units")
    return float(text)


def _profile(open_cosmos: OpenCosmos, arguments: argparse.Namespace) -> int:
    if (arguments.container is None) == (arguments.json is None):
        raise RequestError("Name a container, or a file with --json.")
    profile = _profile_file(arguments) if arguments.json else _profile_container(open_cosmos, arguments)
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
    for document in read_documents(arguments.json, exact=True):
        profiler.see(document)
    return profiler.build(Source(name=arguments.json.stem, kind="file", read=0, complete=True))


def _profile_container(open_cosmos: OpenCosmos, arguments: argparse.Namespace) -> Profile:
    name = arguments.container
    with open_cosmos() as cosmos:
        paths = cosmos.find(name).partition_key_paths
        profiler = Profiler(arguments.type_property, paths)
        with cosmos.open_feed(name) as feed, shown(name, arguments.budget) as show:
            sample = Sample(feed, arguments.budget, show)
            for document in sample.read():
                profiler.see(document)
    read = sample.progress
    source = Source(
        name=name,
        kind="container",
        read=0,
        complete=read.complete,
        documents=read.documents,
        partition_key=paths,
        feed_ranges=read.feed_ranges,
        request_units=round(read.request_units, 1),
    )
    return profiler.build(source)


@contextmanager
def shown(name: str, budget: float | None) -> Iterator[Callable[[Progress], None]]:
    """Show on standard error how far the reading is: in one line on a terminal, else now and then."""
    said, terminal = time.monotonic(), sys.stderr.isatty()
    of = "" if budget is None else f" of {budget:.0f}"

    def show(progress: Progress) -> None:
        nonlocal said
        if time.monotonic() - said < (0.1 if terminal else _SECONDS):
            return
        said = time.monotonic()
        line = (
            f"{name}: {progress.read} of {progress.documents} documents, {progress.request_units:.0f}{of} request units"
        )
        print(f"\r{line}\033[K" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
