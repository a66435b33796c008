"""Run a benchmark by its name."""

import argparse
import sys
from pathlib import Path

from bench import backfill, backfill_campaign, cosmos, hosts, memory


def main(arguments: list[str] | None = None) -> int:
    """Run the named benchmark and return 1 when it misses its goal."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    benchmarks = parser.add_subparsers(dest="name", required=True)
    options = benchmarks.add_parser("cosmos", help=cosmos.__doc__, description=cosmos.__doc__)
    options.add_argument("--documents", type=int, default=100_000, help="(default: %(default)s)")
    options.add_argument("--rounds", type=int, default=5, help="of both servers in turn (default: %(default)s)")
    _add_campaigns(benchmarks)
    _add_backfills(benchmarks)
    chosen = parser.parse_args(arguments)
    if chosen.name == "campaign":
        if chosen.campaign == "backfill":
            return backfill_campaign.run(chosen.seed)
        return hosts.run(chosen.seed, chosen.rounds)
    if chosen.name == "memory":
        return memory.run(chosen.documents, chosen.json)
    if chosen.name == "backfill":
        return backfill.run(chosen.documents, chosen.rounds, chosen.json)
    return cosmos.run(chosen.documents, chosen.rounds)


def _add_backfills(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    for module, documents in ((memory, 200_000), (backfill, 20_000)):
        name = module.__name__.removeprefix("bench.")
        options = benchmarks.add_parser(name, help=module.__doc__, description=module.__doc__)
        options.add_argument("--documents", type=int, default=documents, help="(default: %(default)s)")
        options.add_argument("--json", type=Path, metavar="PATH", help="write what was measured")
        if module is backfill:
            options.add_argument("--rounds", type=int, default=3, help="of both in turn (default: %(default)s)")


def _add_campaigns(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    described = "Break something at random, again and again, and count what was wrong afterwards."
    campaign = benchmarks.add_parser("campaign", help=described, description=described)
    campaigns = campaign.add_subparsers(dest="campaign", required=True)
    options = campaigns.add_parser("hosts", help=hosts.__doc__, description=hosts.__doc__)
    options.add_argument("--seed", type=int, required=True, metavar="S", help="the same seed kills at the same moments")
    options.add_argument("--rounds", type=int, default=20, help="(default: %(default)s)")
    options = campaigns.add_parser("backfill", help=backfill_campaign.__doc__, description=backfill_campaign.__doc__)
    options.add_argument("--seed", type=int, required=True, metavar="S", help="the same seed breaks at the same counts")


if __name__ == "__main__":
    sys.exit(main())
