"""Ask the app which containers it replicates; nothing of it is imported here."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_ASK = """
import json, mappers
always = [mapper.container for mapper in mappers.choose_mappers(())]
print(json.dumps([list(dict.fromkeys(always)), list(mappers.EXTRA_CONTAINERS)]))
"""


@dataclass(frozen=True, slots=True)
class Replicated:
    """The containers that are replicated always, and those that EXTRA_CONTAINERS turns on."""

    always: tuple[str, ...]
    extra: tuple[str, ...]


def ask(folder: Path) -> Replicated:
    """Return the containers of the app in a folder; an app that cannot say it has none."""
    done = subprocess.run([sys.executable, "-c", _ASK], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:  # the host will say what is wrong with the mappers
        return Replicated((), ())
    always, extra = json.loads(done.stdout.strip().splitlines()[-1])
    return Replicated(tuple(always), tuple(extra))
