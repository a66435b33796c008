"""The command that writes a container's first mapper."""

import argparse
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from cdc.core.conventions import Conventions
from cdc.core.document_reader import DocumentReader
from cdc.core.errors import FatalError, RequestError
from cdc.core.mapping import Mapper
from cdc.modelling.adopting import adopt
from cdc.modelling.design import Design
from cdc.modelling.designing import make_design
from cdc.modelling.misnamed import check_container, check_partition_key, check_tables, find_owners
from cdc.modelling.opening import read_tables
from cdc.modelling.profile import Profile
from cdc.modelling.project import find_taken, write_project
from cdc.modelling.schema_profile import read_schema
from cdc.modelling.table_misfits import list_misfits
from cdc.modelling.table_profile import profile_tables

_ChooseMappers = Callable[[Sequence[str]], Sequence[Mapper[Any]]]


@dataclass(frozen=True, slots=True)
class _Tools:
    """Where the command gets settings and the mappers that are there from."""

    read_environment: Callable[[], Mapping[str, str]]
    choose_mappers: _ChooseMappers
    extra_containers: Sequence[str]


def add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    read_environment: Callable[[], Mapping[str, str]],
    choose_mappers: _ChooseMappers,
    extra_containers: Sequence[str],
) -> None:
    """Add the command."""
    help_ = "write a mapper, its tables, a migration, golden cases and a page, for you to edit"
    command = commands.add_parser("init", help=help_, description=f"{help_}; what is there already is left as it is")
    command.add_argument("--container", metavar="NAME", help="the container (default: the name in the profile)")
    begin = command.add_mutually_exclusive_group()
    begin.add_argument("--profile", type=Path, metavar="FILE", help="a file of `python -m cdc profile`")
    begin.add_argument("--schema", type=Path, metavar="FILE", help="a JSON Schema of the documents")
    command.add_argument(
        "--table", action="append", default=[], metavar="SCHEMA.TABLE",
        help="a table of POSTGRES_CONNECTION that exists already, for the documents' type; again for each type",
    )  # fmt: skip
    command.add_argument(
        "--partition-key", metavar="/A,/B", default="", help="the paths of its partition key, where a file was profiled"
    )
    command.set_defaults(
        run=partial(_init, _Tools(read_environment, choose_mappers, extra_containers)), stands_alone=True
    )


def _init(tools: _Tools, arguments: argparse.Namespace) -> int:
    design = _make_design(tools, arguments)
    for line in write_project(design, Path()):
        print(line)
    for type_ in design.types:
        for path in type_.secrets:
            print(f"look     {path} of {type_.type_name} looks like a secret: it is never copied")
        for table in type_.root.walk():
            for name, reason in table.left:
                print(f"look     {table.sql_name}: nothing writes {name}: {reason}")
            if table.left:
                print(f"look     {table.sql_name}: if a property of another name fills one, write its field by hand")
    for need in design.needs:
        print(f"look     {need}")
    page = f"docs/containers/{design.container}.md"
    print(f"\nread {page}, edit what is wrong, then: python -m cdc plan {shlex.quote(design.container)}")
    return 0


def _make_design(tools: _Tools, arguments: argparse.Namespace) -> Design:
    profile = _find_profile(arguments)
    container = arguments.container or (profile.source.name if profile else None)
    if container is None:
        raise RequestError("Name the container: python -m cdc init --container NAME --table SCHEMA.TABLE")
    if set(container) & {*"/\\?#"}:
        raise RequestError(f"{container} is no name of a container: Cosmos DB allows none of / \\ ? # in it.")
    mappers = tools.choose_mappers(tools.extra_containers)
    check_container(container, mappers)
    theirs = _find_theirs(mappers)
    taken = find_taken(Path(), container)
    if arguments.table:
        tables = read_tables(tools.read_environment(), arguments.table)
        check_tables(tables, container, mappers)
        profile = profile or profile_tables(tables, container, theirs)
        design = adopt(profile, container, tables, theirs, taken, find_owners(container, mappers))
        # A schema and a table have no documents.
        return replace(design, needs=[*design.needs, *list_misfits(design)]) if arguments.profile else design
    if profile is None:
        raise RequestError("Say what to begin with: --profile FILE, --schema FILE or --table SCHEMA.TABLE.")
    paths = [path for path in arguments.partition_key.split(",") if path]
    check_partition_key(paths, profile)
    return make_design(profile, container, paths, theirs, taken)


def _find_profile(arguments: argparse.Namespace) -> Profile | None:
    if arguments.profile:
        return _read_profile(arguments.profile)
    return _read_schema(arguments.schema) if arguments.schema else None


def _read_profile(path: Path) -> Profile:
    try:
        return Profile.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FatalError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise RequestError(f"{path} is no profile of this version: run `python -m cdc profile` again.") from None


def _read_schema(path: Path) -> Profile:
    try:
        return read_schema(json.loads(path.read_text(encoding="utf-8-sig")), path.name.partition(".")[0])
    except OSError as error:
        raise FatalError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise RequestError(f"{path} is no JSON Schema.") from None


def _find_theirs(mappers: Sequence[Mapper[Any]]) -> Conventions | None:
    """Return the conventions of the classes in `mappers/conventions.py`, if a mapper follows them."""
    for mapper in mappers:
        if isinstance(mapper.reader, DocumentReader):
            base = next(each for each in mapper.reader.model.__mro__ if "conventions" in vars(each))
            if base.__module__ == "mappers.conventions":
                return mapper.reader.conventions
    return None
