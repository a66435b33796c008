"""Run a benchmark by its name."""

import argparse
import sys
from pathlib import Path

from bench import cosmos, hosts, reconcile, reconcile_campaign


def main(arguments: list[str] | None = None) -> int:
    """Run the named benchmark and return 1 when it misses its goal."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    benchmarks = parser.add_subparsers(dest="name", required=True)
    options = benchmarks.add_parser("cosmos", help=cosmos.__doc__, description=cosmos.__doc__)
    options.add_argument("--documents", type=int, default=100_000, help="(default: %(default)s)")
    options.add_argument("--rounds", type=int, default=5, help="of both servers in turn (default: %(default)s)")
    options = benchmarks.add_parser("reconcile", help=reconcile.__doc__, description=reconcile.__doc__)
    options.add_argument("--documents", type=int, default=200_000, help="(default: %(default)s)")
    options.add_argument("--json", type=Path, metavar="PATH", help="where to write the figures")
    _add_campaigns(benchmarks)
    chosen = parser.parse_args(arguments)
    if chosen.name == "reconcile":
        return reconcile.run(chosen.documents, chosen.json)
    if chosen.name == "campaign" and chosen.campaign == "reconcile":
        return reconcile_campaign.run(chosen.seed, chosen.seconds)
    if chosen.name == "campaign":
        return hosts.run(chosen.seed, chosen.rounds)
    return cosmos.run(chosen.documents, chosen.rounds)


def _add_campaigns(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    described = "Break something at random, again and again, and count what was wrong afterwards."
    campaign = benchmarks.add_parser("campaign", help=described, description=described)
    campaigns = campaign.add_subparsers(dest="campaign", required=True)
    options = campaigns.add_parser("hosts", help=hosts.__doc__, description=hosts.__doc__)
    options.add_argument("--seed", type=int, required=True, metavar="S", help="the same seed kills at the same moments")
    options.add_argument("--rounds", type=int, default=20, help="(default: %(default)s)")
    options = campaigns.add_parser("reconcile", help=reconcile_campaign.__doc__, description=reconcile_campaign.__doc__)
    options.add_argument("--seed", type=int, required=True, metavar="S", help="the same seed breaks the same things")
    options.add_argument("--seconds", type=float, default=90, help="of breaking (default: %(default)s)")


if __name__ == "__main__":
    sys.exit(main())
