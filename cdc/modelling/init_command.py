"""The command that writes a container's first mapper."""

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cdc.core.conventions import Conventions
from cdc.core.document_reader import DocumentReader
from cdc.core.errors import FatalError, RequestError
from cdc.core.mapping import Mapper
from cdc.modelling.designing import make_design
from cdc.modelling.profile import Profile
from cdc.modelling.project import find_taken, write_project
from cdc.modelling.schema_profile import read_schema

_ChooseMappers = Callable[[Sequence[str]], Sequence[Mapper[Any]]]


def add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    choose_mappers: _ChooseMappers,
    extra_containers: Sequence[str],
) -> None:
    """Add the command."""
    help_ = "write a mapper, its tables, a migration, golden cases and a page, for you to edit"
    command = commands.add_parser("init", help=help_, description=f"{help_}; what is there already is left as it is")
    begin = command.add_mutually_exclusive_group(required=True)
    begin.add_argument("--profile", type=Path, metavar="FILE", help="a file of `python -m cdc profile`")
    begin.add_argument("--schema", type=Path, metavar="FILE", help="a JSON Schema of the documents")
    command.add_argument("--container", metavar="NAME", help="the container (default: the name in the profile)")
    command.add_argument(
        "--partition-key", metavar="/A,/B", default="", help="the paths of its partition key, where a file was profiled"
    )
    command.add_argument("--folder", type=Path, default=Path(), help="the folder of the project (default: this one)")
    command.set_defaults(run=partial(_init, choose_mappers, extra_containers), stands_alone=True)


def _init(choose: _ChooseMappers, extra_containers: Sequence[str], arguments: argparse.Namespace) -> int:
    profile = _read_profile(arguments.profile) if arguments.profile else _read_schema(arguments.schema)
    paths = [path for path in arguments.partition_key.split(",") if path]
    container = arguments.container or profile.source.name
    theirs = _find_theirs(choose(extra_containers), arguments.folder)
    design = make_design(profile, container, paths, theirs, find_taken(arguments.folder, container))
    for line in write_project(design, arguments.folder):
        print(line)
    for type_ in design.types:
        for path in type_.secrets:
            print(f"look     {path} of {type_.type_name} looks like a secret: it is never copied")
    print(f"\nread docs/containers/{container}.md, edit what is wrong, then: python -m cdc plan {container}")
    return 0


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


def _find_theirs(mappers: Sequence[Mapper[Any]], folder: Path) -> Conventions | None:
    """Return the conventions of `mappers/conventions.py`: those that most mappers follow."""
    if not (folder / "mappers" / "conventions.py").is_file():
        return None
    found = [mapper.reader.conventions for mapper in mappers if isinstance(mapper.reader, DocumentReader)]
    return max(found, key=found.count, default=None)
