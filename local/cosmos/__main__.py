"""Serve an account from the command line until SIGTERM or SIGINT."""

import argparse
import ctypes
import os
import signal
import sys
import threading

from local.cosmos import CosmosServer, auth
from local.ending import Ending

PR_SET_PDEATHSIG = 1
LONGEST_STOP_SECONDS = 10.0


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal and return the exit code."""
    options = _parse(arguments)
    ending = Ending()
    if options.with_parent:
        _end_with_parent()
    try:
        server = CosmosServer(
            port=options.port,
            tls=options.tls,
            physical_partitions=options.physical_partitions,
            key=options.key,
            throttles=not options.unthrottled,
        )
        server.start()
    except (OSError, OverflowError, ValueError) as error:
        print(f"cosmos: cannot serve on port {options.port}: {error}", file=sys.stderr)
        return 1
    which = "the emulator's published one" if options.key == auth.EMULATOR_KEY else "as given"
    print(f"cosmos: {server.endpoint} (key: {which})", flush=True)
    ending.wait()
    _stop(server)
    return 0


def _stop(server: CosmosServer) -> None:
    # A request may compute for minutes, and nothing interrupts it but the end of the process.
    stopping = threading.Thread(target=server.stop, daemon=True)
    stopping.start()
    stopping.join(LONGEST_STOP_SECONDS)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.cosmos", description=__doc__)
    parser.add_argument("--port", type=int, default=8081, help="0 picks a free one (default: %(default)s)")
    parser.add_argument("--tls", action="store_true", help="https, with a certificate made now for localhost")
    parser.add_argument("--physical-partitions", type=int, default=1, help="of containers created without a throughput")
    parser.add_argument("--key", default=auth.EMULATOR_KEY, help="base64 (default: the emulator's published one)")
    parser.add_argument("--unthrottled", action="store_true", help="let a container exceed the throughput that it has")
    parser.add_argument("--with-parent", action="store_true", help="end when the parent process ends (Linux)")
    return parser.parse_args(arguments)


def _end_with_parent() -> None:
    # The kernel watches the parent's thread that started this process, not the whole parent.
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
