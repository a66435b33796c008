"""Run a benchmark by its name."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from bench import apply, backfill, cosmos, memory, reconcile, resync, start, telemetry
from bench import map as mapping

Run = Callable[[argparse.Namespace], int]


def main(arguments: list[str] | None = None) -> int:
    """Run the named benchmark and return 1 when it misses its goal."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    benchmarks = parser.add_subparsers(dest="name", required=True)
    _add_benchmarks(benchmarks)
    chosen = parser.parse_args(arguments)
    run: Run = chosen.run
    return run(chosen)


def _add_benchmarks(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    options = _add(benchmarks, "cosmos", cosmos, lambda chosen: cosmos.run(chosen.documents, chosen.rounds))
    options.add_argument("--documents", type=int, default=100_000, help="(default: %(default)s)")
    options.add_argument("--rounds", type=int, default=5, help="of both servers in turn (default: %(default)s)")
    _add_figures(benchmarks, "apply", apply, apply.run)
    _add_figures(benchmarks, "map", mapping, mapping.run)
    _add_figures(benchmarks, "backfill", backfill, backfill.run)
    _add_figures(benchmarks, "telemetry", telemetry, telemetry.run)
    options = _add(benchmarks, "memory", memory, lambda chosen: memory.run(chosen.documents, chosen.json))
    options.add_argument("--documents", type=int, default=200_000, help="and a tenth of them (default: %(default)s)")
    options.add_argument("--json", type=Path, metavar="PATH", help="where to write the figures")
    options = _add(benchmarks, "resync", resync, lambda chosen: resync.run(chosen.documents, chosen.json))
    options.add_argument("--documents", type=int, default=800, help="(default: %(default)s)")
    options.add_argument("--json", type=Path, metavar="PATH", help="where to write the figures")
    options = _add(benchmarks, "reconcile", reconcile, lambda chosen: reconcile.run(chosen.documents, chosen.json))
    options.add_argument("--documents", type=int, default=200_000, help="(default: %(default)s)")
    options.add_argument("--json", type=Path, metavar="PATH", help="where to write the figures")
    options = _add(benchmarks, "start", start, lambda chosen: start.run(chosen.rounds, chosen.json))
    options.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    options.add_argument("--json", type=Path, metavar="PATH", help="where to write the figures")


def _add_figures(
    benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    module: ModuleType,
    run: Callable[[int, int, Path | None], int],
) -> None:
    options = _add(benchmarks, name, module, lambda chosen: run(chosen.documents, chosen.rounds, chosen.json))
    options.add_argument("--documents", type=int, default=10_000, help="of each container (default: %(default)s)")
    options.add_argument("--rounds", type=int, default=5, help="shuffled (default: %(default)s)")
    options.add_argument("--json", type=Path, metavar="PATH", help="where to write the figures")


def _add(
    benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, module: ModuleType, run: Run
) -> argparse.ArgumentParser:
    options = benchmarks.add_parser(name, help=module.__doc__, description=module.__doc__)
    options.set_defaults(run=run)
    return options


if __name__ == "__main__":
    sys.exit(main())
