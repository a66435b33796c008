"""What docs/adding-a-container.md says works, word for word."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
BLOCKS = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Applies every migration, then lets PostgreSQL take what the new mapper makes of its sample.
SCRIPT = """
import sys
from cdc.config.settings import Phase
from cdc.operations.table_check import check_tables
from cdc.operations.migrations import migrate, read_migrations
from cdc.core.writes import Outcome
from cdc.postgres.database import Database
from cdc.postgres.gate import record_first
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from mappers import APPLICATION_SQL
from mappers.badges import BADGES
from tests.builders import a_change
from tests.golden import read_bases

database = Database(sys.argv[1])
migrate(database, read_migrations(APPLICATION_SQL))
record_first(database, Phase.DUAL_WRITE_COSMOS_READ)
assert check_tables(database, BADGES) == []
change = a_change(container="Badges", body=read_bases("Badges")["sample"].document)
assert replicate(BADGES, [change], PostgresSink(database)) == Outcome(applied=1)
with database.connection() as connection:
    print(*connection.execute("select id, tier_order, created_at at time zone 'UTC' from badges").fetchone())
database.close()
"""


@pytest.fixture
def project(tmp_path):
    """A copy of the project in which somebody has followed the page."""
    for name in ("cdc", "mappers", "sql", "local", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    next_number = f"{max(int(path.name[:4]) for path in (ROOT / 'sql/application').glob('*.sql')) + 1:04}"
    page = (ROOT / "docs" / "adding-a-container.md").read_text(encoding="utf-8")
    for name, text in BLOCKS.findall(page):
        path = tmp_path / name.replace("NNNN", next_number)
        path.write_text(follow(name, path, text), encoding="utf-8")
    return tmp_path


def follow(name, path, text):
    """Return what a file holds when the page's block has been put into it."""
    if name == "mappers/tables.py":
        return path.read_text(encoding="utf-8") + "\n" + text
    if name == "mappers/__init__.py":
        imports, names = text.strip().split("\n\n")
        module = path.read_text(encoding="utf-8").replace("from mappers.game", f"{imports}\nfrom mappers.game", 1)
        return re.sub(r"^MAPPERS:.*$", names, module, count=1, flags=re.MULTILINE)
    assert not path.exists()
    return text


def run(project, *arguments):
    """Run Python in the copied project and return what it wrote; it must succeed."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=project, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_container_is_added_as_the_page_says(project, empty_dsn):
    """The new migration is applied, its table fits the mapper, and the sample arrives in it."""
    assert run(project, "-c", SCRIPT, empty_dsn).split() == [
        "5b1de2f0-77aa-4c1e-b0a7-d2c3b4a59687",
        "1",
        "2025-12-10",
        "10:00:00.123456",
    ]


def test_the_projects_own_tests_take_the_new_container(project):
    """Its golden cases hold, its migration is in order, and its problems quote nothing."""
    tests = ["tests/unit/mappers/test_golden.py", "tests/unit/mappers/test_privacy.py", "tests/unit/test_sql_files.py"]

    found = run(project, "-m", "pytest", "-v", "-k", "Badges", "-p", "no:cacheprovider", *tests)

    names = "sample|created_in_another_zone|tier_missing|title_null|unknown_property"
    assert len(re.findall(rf"\[Badges(?:-(?:{names}))?\] PASSED", found)) == 9
    run(project, "-m", "ruff", "check", "--no-cache", "mappers")
    run(project, "-m", "ruff", "format", "--no-cache", "--check", "mappers")
