"""Build the zip of what Azure gets of this folder, by .funcignore: python -m local.package."""

import argparse
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from pathspec import GitIgnoreSpec

from local.stack import ROOT

PATH = Path("dist/mystira-cdc.zip")
# The same files make the same zip.
_DATE = (1980, 1, 1, 0, 0, 0)


def build(root: Path, path: Path) -> list[str]:
    """Write the zip and return the names of its files; a remote build installs requirements.txt beside them."""
    names = sorted(_find(root))
    path.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(_describe(name), (root / name).read_bytes())
    return names


def _describe(name: str) -> ZipInfo:
    info = ZipInfo(name, _DATE)
    info.compress_type = ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


def _find(root: Path) -> Iterator[str]:
    spec = GitIgnoreSpec.from_lines((root / ".funcignore").read_text(encoding="utf-8").splitlines())
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not spec.match_file(f"{(here / name).as_posix()}/")]
        for name in files:
            found = (here / name).as_posix()
            if found != ".funcignore" and not spec.match_file(found):
                yield found


def main(arguments: list[str] | None = None) -> int:
    """Build the zip and say what it is."""
    parser = argparse.ArgumentParser("python -m local.package", description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="the folder of the app")
    parser.add_argument("--into", type=Path, default=ROOT / PATH, metavar="FILE", help=f"by default {PATH}")
    options = parser.parse_args(arguments)
    names = build(options.root, options.into)
    content = options.into.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    print(f"{options.into}: {len(names)} files, {len(content) / 1024:.0f} KB, sha256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
