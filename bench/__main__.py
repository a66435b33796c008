"""Run a benchmark by its name."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from bench import apply, backfill, cosmos, hosts, memory, reconcile, reconcile_campaign
from bench import map as mapping
from bench.campaigns import apply as apply_campaign
from bench.campaigns import backfill as backfill_campaign

Run = Callable[[argparse.Namespace], int]


def main(arguments: list[str] | None = None) -> int:
    """Run the named benchmark and return 1 when it misses its goal."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    benchmarks = parser.add_subparsers(dest="name", required=True)
    _add_benchmarks(benchmarks)
    described = "Break something at random, again and again, and count what was wrong afterwards."
    campaign = benchmarks.add_parser("campaign", help=described, description=described)
    _add_campaigns(campaign.add_subparsers(dest="campaign", required=True))
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
    options = _add(benchmarks, "memory", memory, lambda chosen: memory.run(chosen.documents, chosen.json))
    options.add_argument("--documents", type=int, default=200_000, help="and a tenth of them (default: %(default)s)")
    options.add_argument("--json", type=Path, metavar="PATH", help="where to write the figures")
    options = _add(benchmarks, "reconcile", reconcile, lambda chosen: reconcile.run(chosen.documents, chosen.json))
    options.add_argument("--documents", type=int, default=200_000, help="(default: %(default)s)")
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


def _add_campaigns(campaigns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    options = _add_campaign(campaigns, "hosts", hosts, lambda chosen: hosts.run(chosen.seed, chosen.rounds))
    options.add_argument("--rounds", type=int, default=20, help="(default: %(default)s)")
    options = _add_campaign(
        campaigns, "apply", apply_campaign, lambda chosen: apply_campaign.run(chosen.seed, chosen.changes)
    )
    options.add_argument("--changes", type=int, default=20_000, help="(default: %(default)s)")
    _add_campaign(campaigns, "backfill", backfill_campaign, lambda chosen: backfill_campaign.run(chosen.seed))
    options = _add_campaign(
        campaigns, "reconcile", reconcile_campaign, lambda chosen: reconcile_campaign.run(chosen.seed, chosen.seconds)
    )
    options.add_argument("--seconds", type=float, default=90, help="of breaking (default: %(default)s)")


def _add_campaign(
    campaigns: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, module: ModuleType, run: Run
) -> argparse.ArgumentParser:
    options = _add(campaigns, name, module, run)
    options.add_argument("--seed", type=int, required=True, metavar="S", help="the same seed plans the same faults")
    return options


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, module: ModuleType, run: Run
) -> argparse.ArgumentParser:
    options = commands.add_parser(name, help=module.__doc__, description=module.__doc__)
    options.set_defaults(run=run)
    return options


if __name__ == "__main__":
    sys.exit(main())
