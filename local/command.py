"""Run the whole system on this machine: python -m local demo | smoke | up."""

import argparse
import json
import re
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local import application
from local.demo import smoke, watch
from local.documents import DocumentsError, Import, Kept, find_odd_keys, read_documents, write_documents
from local.ending import Ending
from local.oracle.compare import SETTINGS
from local.postgres import PostgresError
from local.sample import PARTITION_KEYS, Source
from local.stack import ALL_VERSIONS, LATEST_VERSION, ROOT, Stack, StackError, running, shorten

_READY = """
Ready: a document that you write to Cosmos is in PostgreSQL a moment later. Try these commands in another terminal, in
this folder:
{sample}
  {psql} -c "{query}"

  curl -H "x-functions-key: {key}" {url}api/status

To compare both sides, type first where they are:

  export {both_sides}
  {python} -m local.compare

In a browser, {url}api/dashboard shows the state of everything; it asks for the function key, {key}

More is in docs/local.md. Press Ctrl-C to stop everything{kept}."""

_WRITE = """
  COSMOS_CONNECTION="{cosmos}" COSMOS_DATABASE={database} {python} -m local.sample --documents 100 --seed 1
"""
_QUERY = "select id, email, last_login_at from accounts order by last_login_at desc nulls last limit 5"


def main() -> int:
    """Run one command; a part that does not start is one sentence on standard error and exit code 1."""
    arguments = _parser().parse_args()
    mode = ALL_VERSIONS if arguments.all_versions else LATEST_VERSION
    try:
        if arguments.command == "up":
            return _up(arguments, mode)
        signal.signal(signal.SIGTERM, _interrupt)  # as Ctrl-C: every part is stopped, and its data are removed
        return watch.main(mode) if arguments.command == "demo" else smoke.main(mode)
    except (DocumentsError, StackError, PostgresError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="run the whole system and watch it, until Ctrl-C; then compare both sides")
    commands.add_parser("smoke", help="run the same steps once without waiting, compare both sides, and end")
    up = commands.add_parser("up", help="start the whole system, print its addresses, run until Ctrl-C or SIGTERM")
    up.add_argument("--json", action="store_true", help="print the addresses as one line of JSON")
    up.add_argument(
        "--container",
        action="append",
        type=_container,
        metavar="NAME:/KEY",
        help="create this source container; again for each; a hierarchical key is /A,/B",
    )
    up.add_argument(
        "--import",
        action="append",
        default=[],
        dest="imports",
        metavar="[NAME=]FILE",
        help="write the documents of this file: an array, or one document a line; again for each file",
    )
    up.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="keep the documents in this folder for the next run; tables are made anew from them",
    )
    for command in commands.choices.values():
        command.add_argument("--all-versions", action="store_true", help="use the change feed that reports deletes")
    return parser


def _container(text: str) -> tuple[str, str]:
    name, separator, key = text.partition(":")
    if not name or not separator or not all(re.fullmatch("(/[^/,]+)+", path) for path in key.split(",")):
        raise argparse.ArgumentTypeError(f"{text} is not like Orders:/customerId or Orders:/tenantId,/customerId")
    return name, key


def _up(arguments: argparse.Namespace, mode: str) -> int:
    ending, as_json = Ending(), arguments.json
    kept = Kept(arguments.keep) if arguments.keep else None
    named = {**(kept.containers if kept else {}), **dict(arguments.container or ())}
    imports = [*(kept.imports if kept else ()), *(Import.read(text, [*named]) for text in arguments.imports)]
    documents = [read_documents(wanted.path) for wanted in imports]
    containers, extra = _choose(named)
    _tell_odd_keys(named, imports, documents)
    if not as_json:
        print("Starting PostgreSQL, the Cosmos server and the Functions host. This takes a few seconds ...", flush=True)
    with running(mode=mode, containers=containers, extra=extra) as stack:
        source = stack.open_source()
        for wanted, found in zip(imports, documents, strict=True):
            written = write_documents(source, wanted, found)
            if not as_json:
                print(f"{wanted.container}: {written} documents of {wanted.path}", flush=True)
        print(json.dumps(stack.describe()) if as_json else _explain(stack, arguments.keep), flush=True)
        ending.wait()
        if kept is not None and named:
            kept.save(Source(source.client, {name: source.containers[name] for name in named}, named))
        source.close()
        if not as_json:
            print("Ending everything ..." if kept else "Ending everything and removing the data ...", flush=True)
    return 0


def _choose(named: Mapping[str, str]) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return the containers to create, and what EXTRA_CONTAINERS must turn on.

    Those that the app replicates always must be there, too, if the sample knows their keys.
    """
    if not named:
        return dict(PARTITION_KEYS), ()
    replicated = application.ask(ROOT)
    mapped = {*replicated.always, *replicated.extra}
    for name in named:
        if mapped and name not in mapped:
            there = ", ".join(sorted(mapped))
            said = f"No mapper takes {name}: its documents become no rows. There are mappers of {there}."
            print(said, file=sys.stderr)
    always = {name: key for name, key in PARTITION_KEYS.items() if name in replicated.always}
    return {**always, **named}, tuple(name for name in named if name in replicated.extra)


def _tell_odd_keys(named: Mapping[str, str], imports: list[Import], documents: list[list[dict[str, Any]]]) -> None:
    """Say which partition keys no document has: Cosmos takes them, and init does not."""
    for container, key in named.items():
        of_it = zip(imports, documents, strict=True)
        found = [document for wanted, read in of_it if wanted.container == container for document in read]
        for said in find_odd_keys(container, key, found):
            print(said, file=sys.stderr)


def _explain(stack: Stack, kept: Path | None) -> str:
    parts = [
        f"{part}: " + ", ".join(f"{name} {value}" for name, value in values.items())
        for part, values in stack.describe().items()
    ]
    python = shorten(sys.executable)
    write = _WRITE.format(
        cosmos=stack.settings["COSMOS_CONNECTION"], database=stack.settings["COSMOS_DATABASE"], python=python
    )
    has_sample = stack.containers == PARTITION_KEYS
    ready = _READY.format(
        sample=write if has_sample else "",
        query=_QUERY if has_sample else "select container, state, count(*) from cdc.document group by 1, 2",
        psql=stack.psql_command,
        both_sides=_export(stack),
        python=python,
        key=stack.functions_key,
        url=stack.functions.url,
        kept=" and remove the data" if kept is None else f"; {kept} keeps the documents",
    )
    return "\n".join([*parts, ready])


def _export(stack: Stack) -> str:
    """Return the settings that say where both sides are, as a shell reads them, for PostgreSQL's administrator."""
    named = {name: stack.settings[name] for name in (*SETTINGS, "EXTRA_CONTAINERS") if stack.settings[name]}
    named["POSTGRES_CONNECTION"] = stack.administrator
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in named.items())
