"""Run a campaign by its name."""

import argparse
import sys
from collections.abc import Callable
from types import ModuleType

import campaigns
from campaigns import apply, backfill, cutover, hosts, reconcile, redeploy
from campaigns.application import Application
from campaigns.example import EXAMPLE
from campaigns.mystira import MYSTIRA

Run = Callable[[argparse.Namespace], int]
_APPLICATIONS = {each.name: each for each in (MYSTIRA, EXAMPLE)}


def main(arguments: list[str] | None = None) -> int:
    """Run the named campaign and return 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m campaigns", description=campaigns.__doc__)
    names = parser.add_subparsers(dest="name", required=True)
    options = _add(names, "hosts", hosts, lambda it: hosts.run(it.seed, it.rounds, _find(it)), has_mappers=True)
    options.add_argument("--rounds", type=int, default=20, help="(default: %(default)s)")
    options = _add(names, "apply", apply, lambda it: apply.run(it.seed, it.changes, _find(it)), has_mappers=True)
    options.add_argument("--changes", type=int, default=20_000, help="(default: %(default)s)")
    _add(names, "backfill", backfill, lambda it: backfill.run(it.seed, _find(it)), has_mappers=True)
    options = _add(
        names, "reconcile", reconcile, lambda it: reconcile.run(it.seed, it.seconds, _find(it)), has_mappers=True
    )
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


def _find(chosen: argparse.Namespace) -> Application:
    return _APPLICATIONS[chosen.mappers]


def _add(
    names: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    module: ModuleType,
    run: Run,
    *,
    has_mappers: bool = False,
) -> argparse.ArgumentParser:
    options = names.add_parser(name, help=module.__doc__, description=module.__doc__)
    options.add_argument("--seed", type=int, required=True, metavar="S", help="the same seed plans the same faults")
    if has_mappers:
        options.add_argument("--mappers", choices=_APPLICATIONS, default="mystira", help="(default: %(default)s)")
    options.set_defaults(run=run)
    return options


if __name__ == "__main__":
    sys.exit(main())
