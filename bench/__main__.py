"""Run a benchmark by its name."""

import argparse
import sys

from bench import cosmos


def main(arguments: list[str] | None = None) -> int:
    """Run the named benchmark and return 1 when it misses its goal."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    benchmarks = parser.add_subparsers(dest="name", required=True)
    options = benchmarks.add_parser("cosmos", help=cosmos.__doc__, description=cosmos.__doc__)
    options.add_argument("--documents", type=int, default=100_000, help="(default: %(default)s)")
    options.add_argument("--rounds", type=int, default=5, help="of both servers in turn (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    return cosmos.run(chosen.documents, chosen.rounds)


if __name__ == "__main__":
    sys.exit(main())
