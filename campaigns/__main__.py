"""Run a campaign by its name."""

import argparse
import sys
from collections.abc import Callable
from types import ModuleType

import campaigns
from campaigns import apply, backfill, cutover, hosts, reconcile, redeploy

Run = Callable[[argparse.Namespace], int]


def main(arguments: list[str] | None = None) -> int:
    """Run the named campaign and return 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m campaigns", description=campaigns.__doc__)
    names = parser.add_subparsers(dest="name", required=True)
    options = _add(names, "hosts", hosts, lambda chosen: hosts.run(chosen.seed, chosen.rounds))
    options.add_argument("--rounds", type=int, default=20, help="(default: %(default)s)")
    options = _add(names, "apply", apply, lambda chosen: apply.run(chosen.seed, chosen.changes))
    options.add_argument("--changes", type=int, default=20_000, help="(default: %(default)s)")
    _add(names, "backfill", backfill, lambda chosen: backfill.run(chosen.seed))
    options = _add(names, "reconcile", reconcile, lambda chosen: reconcile.run(chosen.seed, chosen.seconds))
    options.add_argument("--seconds", type=float, default=90, help="of breaking (default: %(default)s)")
    options = _add(names, "cutover", cutover, lambda chosen: cutover.run(chosen.seed, chosen.faults, chosen.accounts))
    options.add_argument("--faults", type=int, default=20, help="(default: %(default)s)")
    options.add_argument("--accounts", type=int, default=500, help="(default: %(default)s)")
    options = _add(names, "redeploy", redeploy, lambda chosen: redeploy.run(chosen.seed, chosen.restarts, chosen.old))
    options.add_argument("--restarts", type=int, default=redeploy.RESTARTS, help="(default: %(default)s)")
    options.add_argument("--old", default=redeploy.OLD, metavar="COMMIT", help="(default: %(default)s)")
    chosen = parser.parse_args(arguments)
    run: Run = chosen.run
    return run(chosen)


def _add(
    names: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, module: ModuleType, run: Run
) -> argparse.ArgumentParser:
    options = names.add_parser(name, help=module.__doc__, description=module.__doc__)
    options.add_argument("--seed", type=int, required=True, metavar="S", help="the same seed plans the same faults")
    options.set_defaults(run=run)
    return options


if __name__ == "__main__":
    sys.exit(main())
