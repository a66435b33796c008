"""Apply batches of 1,000 with telemetry on and off, in turns, and compare the CPU time of the two processes.

Each process has a database of its own. The collector only takes what comes, in the process of the benchmark.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from bench.database import Server, serve
from bench.goals import Figure, report

GOAL = 1.05


class Applier:
    """A process that applies one batch whenever it is asked to."""

    def __init__(self, dsn: str, documents: int, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "bench.telemetry_applier", dsn, str(documents)]
        # Nothing of the environment may send telemetry of its own accord.
        plain = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=plain | environment
        )
        self.batches = int(self._read())

    def apply(self) -> None:
        """Apply the next batch."""
        self._ask("apply")

    def finish(self) -> float:
        """Send all telemetry, end, and return the seconds of CPU since the first batch."""
        seconds = float(self._ask("finish"))
        self._process.wait()
        return seconds

    def _ask(self, word: str) -> str:
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        print(word, file=self._process.stdin)
        return self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        return self._process.stdout.readline()


def run(documents: int, rounds: int, path: Path | None) -> int:
    """Print the ratio, beside that of two processes without telemetry; return 1 when it misses its goal."""
    with serve() as server, _collecting() as url:
        destinations: dict[str, dict[str, str]] = {"on": {"OTEL_EXPORTER_OTLP_ENDPOINT": url}, "control": {}}
        ratios: dict[str, list[float]] = {name: [] for name in destinations}
        for number in range(rounds):
            for name, environment in destinations.items():
                ratios[name].append(_measure(server, documents, environment, first=bool(number % 2)))
                print(f"{name}: {ratios[name][-1]:.3f}", flush=True)
    figure = _figure("telemetry_client_cpu", ratios["on"], GOAL)
    report([figure, _figure("control", ratios["control"])], {"documents": documents, "rounds": rounds}, path)
    return 0 if figure.met else 1


def _figure(key: str, ratios: Sequence[float], goal: float | None = None) -> Figure:
    return Figure(key, statistics.median(ratios), goal, parts={"least": min(ratios), "most": max(ratios)})


def _measure(server: Server, documents: int, environment: dict[str, str], *, first: bool) -> float:
    """Return the CPU time of a process with these settings over that of one without telemetry."""
    with ExitStack() as ends:
        addresses = [ends.enter_context(server.fresh()).dsn for _ in range(2)]
        plain, other = Applier(addresses[0], documents, {}), Applier(addresses[1], documents, environment)
        turns = (other, plain) if first else (plain, other)
        for _ in range(plain.batches):
            for applier in turns:
                applier.apply()
        spent = {applier: applier.finish() for applier in turns}
    return spent[other] / spent[plain]


@contextmanager
def _collecting() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
