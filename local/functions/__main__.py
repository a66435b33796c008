"""Start a Functions host: python -m local.functions."""

import argparse
import asyncio
import ctypes
import json
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import NoReturn

from local.functions import host, log, settings
from local.functions.errors import HostError
from local.functions.host import Host, LoadedApp, RunOptions
from local.functions.keys import Keys

_PR_SET_PDEATHSIG = 1
_LAST_PORT = 65_535
# The SDK's setting for text that is no UTF-8: the .NET host replaces it, too.
_MALFORMED_TEXT = "AZURE_COSMOS_CHARSET_DECODER_ERROR_ACTION_ON_MALFORMED_INPUT"


def main(arguments: list[str] | None = None) -> int:
    """Run the host that the command line describes, and return its exit code."""
    options = _parse(arguments)
    log.configure(verbose=options.verbose, as_json=options.json_log)
    if options.with_parent:
        _end_with_parent()
    try:
        root = _enter(options.root)
        if options.list:
            # Nothing is started, so that the example's settings will do where there are no others.
            files = ("local.settings.json", "local.settings.example.json")
            _list(host.load(root, settings_files=files), options.port)
            return 0
        _serve(host.load(root), options)
    except HostError as error:
        return _refuse(error)


def _refuse(error: HostError) -> int:
    print(f"functions: {error}", file=sys.stderr)
    return 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m local.functions", description="Run function_app.py on this machine.")
    parser.add_argument(
        "--root", type=Path, default=Path(), metavar="DIR", help="the folder of function_app.py, by default this one"
    )
    parser.add_argument("--port", type=_port, default=7071, help="7071 by default, 0 picks a free one")
    parser.add_argument("--key", default=None, help="the function key, by default a random one")
    parser.add_argument("--admin-key", default=None, help="the key that opens everything, by default a random one")
    parser.add_argument(
        "--answer-within",
        type=_seconds,
        default=230.0,
        metavar="SECONDS",
        help="how long an HTTP request waits: Azure's 230",
    )
    parser.add_argument(
        "--state",
        type=_resolve,
        default=None,
        metavar="DIR",
        help="the folder for the state of durable functions and the locks of timers",
    )
    parser.add_argument(
        "--lock-wait",
        type=_seconds,
        default=15.0,
        metavar="SECONDS",
        help="how long a host waits before it asks again whether another one has written the first leases",
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="log every invocation and retry, why a request is refused, and what the app logs as INFO",
    )
    parser.add_argument("--json-log", action="store_true", help="log one JSON object a line")
    parser.add_argument(
        "--list",
        action="store_true",
        help="print each function with its bindings and URL as a line of JSON, and start nothing",
    )
    parser.add_argument("--with-parent", action="store_true", help="end when the parent process ends")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is no port: a whole number from 0 to {_LAST_PORT}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return seconds


def _resolve(text: str) -> Path:
    return Path(text).resolve()


def _enter(root: Path) -> Path:
    if not root.is_dir():
        raise HostError(f"{root} is not a folder")
    os.chdir(root)
    return Path.cwd()


def _serve(loaded: LoadedApp, options: argparse.Namespace) -> NoReturn:
    os.environ.setdefault(_MALFORMED_TEXT, "REPLACE")
    planned = host.plan(loaded, os.environ)
    host.warn_about_dates(loaded)
    given = RunOptions(
        keys=Keys(
            function=options.key or secrets.token_urlsafe(24), admin=options.admin_key or secrets.token_urlsafe(24)
        ),
        threads=settings.read_threads(os.environ),
        answer_seconds=options.answer_within,
        state=options.state,
        drains=settings.read_drains(os.environ),
        lock_wait_seconds=options.lock_wait,
    )
    code = 0

    async def run() -> None:
        await Host(planned, given).run(options.port)

    try:
        asyncio.run(run())
    except HostError as error:
        code = _refuse(error)
    sys.stdout.flush()
    sys.stderr.flush()
    # The interpreter would wait for the threads of invocations that outlive the grace period.
    os._exit(code)


def _list(loaded: LoadedApp, port: int) -> None:
    templates = {endpoint.function.name: endpoint.route.template for endpoint in loaded.endpoints}
    for function in loaded.functions:
        described: dict[str, object] = {"name": function.name, "bindings": function.bindings}
        if function.name in templates:
            described["url"] = f"http://127.0.0.1:{port}/{templates[function.name]}"
        print(json.dumps(described))


def _end_with_parent() -> None:
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
