"""Compare both sides: python -m local.compare."""

import argparse
import os
import sys

import psycopg
from azure.core.exceptions import AzureError

from local.console import quiet_localhost
from local.oracle.compare import EXPECTED, SETTINGS, compare_settings, list_extra

_LISTS = {"mystira": "local/oracle/expected.py", "example": "local/oracle/example.py"}
_MOST_MESSAGES = 100


def main(arguments: list[str] | None = None) -> int:
    """Compare what COSMOS_CONNECTION, COSMOS_DATABASE and POSTGRES_CONNECTION name; exit 1 on any difference,
    and 2 if nothing was compared, or nothing of a container that EXTRA_CONTAINERS names.

    PendingSignups is compared where its table has rows, or EXTRA_CONTAINERS names it.
    """
    parser = argparse.ArgumentParser(prog="python -m local.compare", description=main.__doc__)
    parser.add_argument(
        "--mappers", choices=EXPECTED, default="mystira", help="whose containers to compare (default: %(default)s)"
    )
    mappers = parser.parse_args(arguments).mappers
    quiet_localhost()
    if missing := [name for name in SETTINGS if not os.environ.get(name)]:
        print(f"{', '.join(missing)} must be set: they say where to compare.", file=sys.stderr)
        return 2
    try:
        comparison = compare_settings(os.environ, mappers)
    except (AzureError, psycopg.Error, ValueError) as error:
        print(f"The two sides cannot be read: {type(error).__name__}.", file=sys.stderr)
        return 2
    for difference in comparison.differences[:_MOST_MESSAGES]:
        print(difference)
    if hidden := comparison.differences[_MOST_MESSAGES:]:
        print(f"and {len(hidden)} more")
    print(f"compare: {comparison}")
    for container in comparison.unlisted:
        print(f"compare: {container} was not compared: {_LISTS[mappers]} has no fields of it")
    if comparison.differences:
        return 1
    return 0 if comparison.containers and not {*list_extra(os.environ)} & {*comparison.unlisted} else 2


if __name__ == "__main__":
    sys.exit(main())
