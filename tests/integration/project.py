"""A copy of the project, to write mappers into."""

import shutil
import subprocess
import sys
from pathlib import Path

from local.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
_FOLDERS = ("cdc", "mappers", "sql", "local", "tests")
_FILES = ("pyproject.toml", "function_app.py", "host.json", "local.settings.example.json")


class Project:
    """The copy, and Python that runs in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # What is compiled goes along, or every copy would compile it anew; but no file that somebody is writing.
        unfinished = shutil.ignore_patterns("*.pyc.*")
        for name in _FOLDERS:
            shutil.copytree(ROOT / name, folder / name, ignore=unfinished)
        for name in _FILES:
            shutil.copy(ROOT / name, folder)

    def run(self, *arguments: str) -> str:
        """Run Python and return what it wrote; it must succeed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def check(self, containers: str) -> None:
        """Run what `make check` runs on mappers, and the golden cases of those containers (a pattern of pytest's)."""
        self.run("-m", "ruff", "check", "--no-cache", "mappers")
        self.run("-m", "ruff", "format", "--no-cache", "--check", "mappers")
        tests = ["tests/unit/mappers/test_golden.py", "tests/unit/test_sql_files.py"]
        chosen = f"{containers} or file or fit or number"
        self.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, *tests)

    def check_types(self) -> None:
        """Run mypy on the mappers; what it knows of the rest from earlier runs goes along."""
        known = ROOT / ".mypy_cache"
        if known.is_dir():
            shutil.copytree(known, self.folder / known.name)
        self.run("-m", "mypy", "mappers")
