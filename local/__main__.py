"""Run the whole system on this machine: python -m local demo | smoke | up."""

import argparse
import json
import signal
import sys
import threading

from local import demo, smoke
from local.postgres import PostgresError
from local.stack import ALL_VERSIONS, LATEST_VERSION, StackError, running


def main() -> int:
    """Run one command; a part that does not start is one sentence on standard error and exit code 1."""
    arguments = _parser().parse_args()
    mode = ALL_VERSIONS if arguments.all_versions else LATEST_VERSION
    try:
        if arguments.command == "up":
            return _up(as_json=arguments.json, mode=mode)
        signal.signal(signal.SIGTERM, _interrupt)  # as Ctrl-C: every part is stopped, and its data are removed
        return demo.main(mode) if arguments.command == "demo" else smoke.main(mode)
    except (StackError, PostgresError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="run everything and watch it, until Ctrl-C")
    commands.add_parser("smoke", help="run everything once and compare both sides")
    up = commands.add_parser("up", help="start everything, print the addresses, serve until SIGTERM")
    up.add_argument("--json", action="store_true", help="print them as one line of JSON")
    for command in commands.choices.values():
        command.add_argument("--all-versions", action="store_true", help="let the change feed tell deletes, too")
    return parser


def _up(*, as_json: bool, mode: str) -> int:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with running(mode=mode) as stack:
        parts = stack.describe()
        if as_json:
            print(json.dumps(parts), flush=True)
        else:
            for part, values in parts.items():
                print(f"{part}: " + ", ".join(f"{name} {value}" for name, value in values.items()), flush=True)
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
