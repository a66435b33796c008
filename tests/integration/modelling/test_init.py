"""From documents to rows with what `init` wrote: the project's own checks hold, and nothing that was edited is lost."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from local.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
# Migrates, lets PostgreSQL take every document of a file, and prints the rows of all new tables.
APPLY = """
import json, sys
from cdc.config.settings import Phase
from cdc.core.mapper_groups import by_container
from cdc.operations.migrations import migrate, read_migrations
from cdc.operations.table_check import check_tables
from cdc.postgres.database import Database
from cdc.postgres.gate import record_first
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from mappers import APPLICATION_SQL, choose_mappers
from tests.builders import a_change

database, container = Database(sys.argv[1]), sys.argv[2]
migrate(database, read_migrations(APPLICATION_SQL))
record_first(database, Phase.DUAL_WRITE_COSMOS_READ)
(mapper,) = [each for each in by_container(choose_mappers([container])) if each.container == container]
assert check_tables(database, mapper) == []
bodies = json.load(open(sys.argv[3]))
changes = [a_change(container=container, partition_key=str(i), body=body) for i, body in enumerate(bodies)]
outcome = replicate(mapper, changes, PostgresSink(database))
rows = {}
with database.connection() as connection:
    for table in mapper.tables:
        found = connection.execute(f"select to_jsonb(t) from {table} t order by t::text")
        rows[table.name] = [row[0] for row in found]
database.close()
print(json.dumps([outcome.parked, rows]))
"""
NODE = [
    {
        "id": str(UUID(int=number)),
        "type": "order",
        "customerId": str(UUID(int=99)),
        "total": 12.25 + number,
        "placedAt": 1_767_972_031 + number,
        "tags": ["a", "b"],
        "note": None if number % 2 else "",
        "shippingAddress": {"street": "Long Street 1", "zip": "00123"},
        "lines": [{"lineId": f"l{each}", "price": 1.5, "options": [{"id": each, "name": "x"}]} for each in range(2)],
        "wild": {"a": 1} if number % 2 else [1],
        "from": "web",
        "accessToken": "secret",
        **({"deletedAt": 1_768_000_000} if number == 3 else {}),
    }
    for number in range(12)
] + [
    {"id": str(UUID(int=100 + number)), "type": "refund", "orderId": str(UUID(int=number)), "amount": 5.5}
    for number in range(10)
]
DOTNET = [
    {
        "id": f"Account|{number}",
        "Id": str(number),
        "$type": "Account",
        "Code": f"c{number}",
        "BornAt": "2026-01-09T15:20:31.8123456Z",
        "Never": "0001-01-01T00:00:00",
        "Roles": "one,two",
        "Settings": '{"a":1}',
        "Elapsed": "01:02:03",
        "IsDeleted": number == 1,
    }
    for number in range(12)
]
TENANTS = [{"id": f"v{number // 2}", "tenantId": f"t{number % 2}", "seconds": number} for number in range(30)]


@pytest.fixture
def project(tmp_path):
    """A copy of the project; returns a function that runs Python in it."""
    for name in ("cdc", "mappers", "sql", "local", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run.folder = tmp_path
    return run


def begin(project, documents, container, *arguments):
    """Write documents into a file, profile it, and write the mapper; return what init said."""
    path = project.folder / f"{container}.json"
    path.write_text(json.dumps(documents), encoding="utf-8")
    project("-m", "cdc", "profile", "--json", path.name)
    return project("-m", "cdc", "init", "--profile", f"{container}.profile.json", *arguments)


def check(project, container):
    """Run what `make check` runs on mappers, and their golden cases; plan the documents."""
    project("-m", "ruff", "check", "--no-cache", "mappers")
    project("-m", "ruff", "format", "--no-cache", "--check", "mappers")
    tests = ["tests/unit/mappers/test_golden.py", "tests/unit/test_sql_files.py"]
    project("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", f"{container} or file or fit or number", *tests)
    assert "green" in project("-m", "cdc", "plan", container, "--json", f"{container}.json")


def apply(project, dsn, container):
    """Return the rows that PostgreSQL holds after every document of the file."""
    (line,) = project("-c", APPLY, dsn, container, f"{container}.json").strip().splitlines()
    return json.loads(line)


def test_two_types_with_tables_inside_each_other(project, empty_dsn):
    """Camel case, epochs, money, a delete mark, child tables of child tables, a secret: all of it without an edit."""
    said = begin(project, NODE, "Orders", "--partition-key", "/customerId")

    assert "$.accessToken of order looks like a secret" in said
    check(project, "Orders")
    project("-m", "mypy", "mappers")
    parked, rows = apply(project, empty_dsn, "Orders")
    assert parked == 0
    assert {name: len(found) for name, found in rows.items()} == {
        "orders": 11,
        "order_lines": 22,
        "order_line_options": 22,
        "refunds": 10,
    }
    assert rows["orders"][0] == {
        "id": str(UUID(int=0)),
        "customer_id": str(UUID(int=99)),
        "total": 12.25,
        "placed_at": "2026-01-09T15:20:31+00:00",
        "tags": ["a", "b"],
        "note": "",
        "shipping_address_street": "Long Street 1",
        "shipping_address_zip": "00123",
        "wild": [1],
        "from": "web",
    }
    option = {"order_id": str(UUID(int=0)), "line_id": "l0", "id": 0, "name": "x"}
    assert rows["order_line_options"][0] == option
    page = (project.folder / "docs/containers/Orders.md").read_text(encoding="utf-8")
    assert "Secrets, never copied: `$.accessToken`" in page
    assert "secret" not in json.dumps(rows)


def test_a_type_whose_names_another_container_has(project, empty_dsn):
    """The module and the table get the container's name in front; conventions that hide a property are not taken."""
    begin(project, DOTNET, "Shop")

    check(project, "Shop")
    _, rows = apply(project, empty_dsn, "Shop")
    assert len(rows["shop_accounts"]) == 11
    assert rows["shop_accounts"][0] == {
        "id": "0",
        "code": "c0",
        "born_at": "2026-01-09T15:20:31.812345+00:00",
        "never": None,
        "roles": ["one", "two"],
        "settings": {"a": 1},
        "elapsed": "01:02:03",
    }


def test_ids_that_are_unique_within_a_partition_only(project, empty_dsn):
    """The key of the table is then the partition key and the id."""
    begin(project, TENANTS, "visits", "--partition-key", "/tenantId")

    check(project, "visits")
    _, rows = apply(project, empty_dsn, "visits")
    assert len(rows["visits"]) == 30
    assert rows["visits"][0] == {"tenant_id": "t0", "id": "v0", "seconds": 0}


def test_what_was_edited_is_left(project):
    """Run again, nothing changes; an edited file stays, and the new text stands beside it."""
    begin(project, TENANTS, "visits")
    files = {path: path.read_bytes() for path in project.folder.rglob("*") if path.suffix in (".py", ".sql", ".md")}

    said = project("-m", "cdc", "init", "--profile", "visits.profile.json")

    assert {path: path.read_bytes() for path in files} == files
    assert {line.split()[0] for line in said.split("\n\n")[0].splitlines()} == {"same"}

    module = project.folder / "mappers/visits.py"
    module.write_text(module.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    said = project("-m", "cdc", "init", "--profile", "visits.profile.json")

    assert "left     mappers/visits.py" in said
    assert module.read_text(encoding="utf-8").endswith("# edited\n")
    assert (project.folder / "mappers/visits.py.new").read_bytes() == files[module]


def test_a_profile_of_another_format_is_refused(project):
    """One sentence says what to do, and nothing is written."""
    (project.folder / "old.json").write_text('{"format": 0}', encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "cdc", "init", "--profile", "old.json"],
        cwd=project.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert done.returncode != 0
    assert "run `python -m cdc profile` again" in done.stderr
    assert "Traceback" not in done.stderr
