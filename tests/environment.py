"""Make a virtual environment of the packages that some requirements need, from those installed here, and no others."""

import re
import venv
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def make_environment(folder: Path, requirements: Iterable[str]) -> Path:
    """Return its interpreter. It has what pip would install with constraints.txt, without pip and without a network."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for found in find_needed(requirements).values():
        for file in found.files or ():
            if ".." not in file.parts:
                target = packages / file
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(file.locate())
    return folder / "bin" / "python"


def read_requirements(path: Path) -> list[str]:
    """Return the requirements of a file that includes no other but constraints."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-c "))]


def find_needed(requirements: Iterable[str]) -> dict[str, Distribution]:
    """Return the installed packages that these requirements need, themselves included, by name."""
    needed: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    left = [*_choose(requirements, "")]
    while left:
        name, extra = left.pop()
        if (name, extra) not in seen:
            seen.add((name, extra))
            needed[name] = distribution(name)
            left += _choose(needed[name].requires or (), extra)
    return needed


def _choose(requirements: Iterable[str], extra: str) -> Iterator[tuple[str, str]]:
    """Return the name and extra of those whose markers are true here."""
    for each in map(Requirement, requirements):
        if each.marker is None or each.marker.evaluate({"extra": extra}):
            for wanted in ("", *each.extras):
                yield re.sub(r"[-_.]+", "-", each.name).lower(), wanted
