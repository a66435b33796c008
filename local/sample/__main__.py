"""Write sample documents into the source containers: python -m local.sample."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from azure.core.exceptions import AzureError

from local.console import quiet_localhost
from local.sample import CONTAINERS, DATABASE, EMULATOR, Sample, Source, write_changes

_SILENT_SECONDS = 2.0


def _setting(name: str, default: str) -> str:
    path = Path("local.settings.json")
    values = json.loads(path.read_text(encoding="utf-8-sig"))["Values"] if path.exists() else {}
    return str(os.environ.get(name) or values.get(name) or default)


def _count(text: str) -> int:
    return int(_positive(text))


def _positive(text: str) -> float:
    if not 0 <= float(text) < float("inf"):
        raise argparse.ArgumentTypeError("must be 0 or more")
    return float(text)


def _write(sample: Sample, source: Source, documents: int) -> None:
    """Write documents, and say now and then how many are written."""
    said = time.monotonic()
    for number, document in enumerate(sample.create(documents), 1):
        source.write(*document)
        if time.monotonic() - said >= _SILENT_SECONDS:
            said = time.monotonic()
            print(f"{number} of {documents} documents written ...", flush=True)
    print(f"{documents} documents written")


def main() -> int:
    """Write documents, then changes, into the database that COSMOS_CONNECTION and COSMOS_DATABASE name.

    They come from the environment or from local.settings.json; by default it is the local Cosmos server on port 8081.
    EXTRA_CONTAINERS=PendingSignups lets it write pending signups as well.
    """
    parser = argparse.ArgumentParser(prog="python -m local.sample", description=main.__doc__)
    parser.add_argument("--documents", type=_count, required=True, metavar="N", help="how many documents to write")
    parser.add_argument("--seed", type=int, required=True, metavar="S", help="the same seed writes the same documents")
    parser.add_argument(
        "--changes-per-second", type=_positive, default=0.0, metavar="R", help="then change them at this pace"
    )
    parser.add_argument("--seconds", type=_positive, default=10.0, metavar="T", help="for this long (default: 10)")
    arguments = parser.parse_args()
    quiet_localhost()
    try:
        source = Source.open(_setting("COSMOS_CONNECTION", EMULATOR), _setting("COSMOS_DATABASE", DATABASE))
    except (AzureError, ValueError) as error:
        where = f"COSMOS_CONNECTION, by default {EMULATOR.partition(';')[0]}"
        print(f"Cosmos cannot be used ({type(error).__name__}): check {where}.", file=sys.stderr)
        return 1
    extra = _setting("EXTRA_CONTAINERS", "").replace(" ", "").split(",")
    sample = Sample(arguments.seed, containers=(*CONTAINERS, *extra))
    _write(sample, source, arguments.documents)
    if arguments.changes_per_second and sample.documents:
        changes = list(
            write_changes(sample, source, per_second=arguments.changes_per_second, seconds=arguments.seconds)
        )
        print(f"{len(changes)} changes written")
    source.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
