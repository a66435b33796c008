"""The engine and the local servers know no application: its names stand with its mappers."""

import re
from pathlib import Path

import pytest

from mappers import EXTRA_MAPPERS, MAPPERS

ROOT = Path(__file__).parents[2]
PLACES = ("cdc", "local/cosmos", "local/functions", "sql/engine", "function_app.py", "host.json")
STATEMENTS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "sql").glob("*.sql"))
CONTAINERS = [mapper.container for mapper in (*MAPPERS, *EXTRA_MAPPERS)]
TABLES = [table.name for mapper in (*MAPPERS, *EXTRA_MAPPERS) for table in mapper.tables]
TYPES = [name for mapper in (*MAPPERS, *EXTRA_MAPPERS) for name in mapper.types]
# Of one word, only these are nothing else: an application may have orders, and what the engine says has an order.
ALONE = {"Accounts", "Badge", "Badges", "Scenario", "Scenarios"}
OWN = ALONE | {name for name in (*CONTAINERS, *TABLES, *TYPES) if re.search("[a-z][A-Z]|_", name)}
NAMES = re.compile("(?i:mystira)|" + "|".join(rf"\b{name}\b" for name in OWN))


def find_files(place):
    """Return every text file of the project at a place."""
    path = ROOT / place
    found = [path] if path.is_file() else path.rglob("*")
    return [
        each for each in found if each.is_file() and each.suffix in (".py", ".sql", ".html", ".md", ".json", ".toml")
    ]


@pytest.mark.parametrize("place", [*PLACES, *STATEMENTS])
def test_no_name_of_the_application_stands_here(place):
    """Another application needs no change of these files."""
    files = find_files(place)

    assert files
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not NAMES.search(line), f"{path.relative_to(ROOT)}:{number}"


def test_the_names_are_found_where_they_belong():
    """The pattern is not one that finds nothing."""
    assert NAMES.search("Accounts")
    assert NAMES.search("from game_sessions")
    assert NAMES.search("MystiraAppDb")
    assert not NAMES.search("the accounts of Cosmos")
