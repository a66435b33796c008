"""The SQL files are what the code expects them to be."""

import re

import pytest

from cdc.core.row_keys import key_columns
from cdc.operations.migration_steps import read_steps
from cdc.operations.migrations import Series, read_migrations
from cdc.postgres.statements import SQL, statement
from mappers import APPLICATION_SQL, EXTRA_MAPPERS, MAPPERS

MIGRATIONS = read_migrations(APPLICATION_SQL)
ALL_MAPPERS = (*MAPPERS, *EXTRA_MAPPERS)


def test_migrations_are_numbered_without_gaps():
    """Two branches that add the same number are found before they are merged; up to 16 both series were one."""
    engine, application = ([each.number for each in MIGRATIONS if each.series is series] for series in Series)

    assert {*range(1, max(engine) + 1)} - {*engine} == {2, 3, 5, 16}
    assert {*range(1, max(application, default=0) + 1)} - {*application} <= {*engine} - {*range(17, max(engine) + 1)}
    assert len(set(engine)) == len(engine)
    assert len(set(application)) == len(application)


@pytest.mark.parametrize("folder", [SQL / "engine", APPLICATION_SQL], ids=lambda folder: folder.name)
def test_every_file_is_a_migration(folder):
    """A file that the runner would not find, or would find under another number, is a mistake."""
    for path in folder.iterdir():
        assert re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", path.name)


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda migration: migration.name)
def test_migrations_can_be_rolled_back(migration):
    """A migration, or each step, is one transaction: nothing in it ends that, or refuses to run inside."""
    steps = read_steps(migration.name, migration.statements)
    texts = [each.statements for each in steps if each.kind != "index"] if steps else [migration.statements]

    for statements in texts:
        text = re.sub(r"--.*", "", statements).lower()
        assert text.strip()
        assert not re.search(r"\b(commit|rollback|concurrently|vacuum)\b", text)


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda migration: migration.name)
def test_a_step_is_what_its_kind_demands(migration):
    """Nothing stands before the first step, no name comes twice, and a step that is alone has one statement."""
    steps = read_steps(migration.name, migration.statements)
    before = migration.statements.partition("-- step:")[0] if steps else ""

    assert not re.sub(r"--.*", "", before).strip()
    assert len({each.name for each in steps}) == len(steps)
    for step in steps:
        assert step.kind in ("transaction", "batches", "index")
        assert step.kind == "transaction" or step.statements.count(";") == 1
        if step.kind == "index":
            name = step.name.rpartition(".")[2]
            assert re.search(rf"create (unique )?index concurrently if not exists {name} on ", step.statements)


@pytest.mark.parametrize("mapper", ALL_MAPPERS, ids=lambda mapper: mapper.container)
def test_tables_are_created_by_a_migration(mapper):
    """Every mapped table stands in a migration, which adopts what is there already, or in one of the application's."""
    text = "".join(migration.statements for migration in MIGRATIONS)

    for table in (table for table in mapper.tables if not table.info.get("adopted")):
        assert f"if to_regclass('{table}') is null then" in text
        assert f"create table {table} (" in text


@pytest.mark.parametrize("mapper", ALL_MAPPERS, ids=lambda mapper: mapper.container)
def test_child_keys_begin_with_the_root_key(mapper):
    """The rows of a document are found by its root key alone."""
    root, *children = map(key_columns, mapper.tables)

    for columns in children:
        assert len(columns) > len(root)
        pairs = zip(root, columns, strict=False)
        assert all(str(ours.type) == str(theirs.type) for ours, theirs in pairs)


def test_named_statements_are_used_and_described():
    """Every statement has a comment that says what it is for, and code that runs it."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(SQL.glob("*.sql")))
    code = "".join(path.read_text(encoding="utf-8") for path in (SQL.parent / "cdc").rglob("*.py"))

    for name in re.findall(r"^-- name: (\w+)$", text, re.MULTILINE):
        assert statement(name).startswith("--")
        assert f'statement("{name}")' in code
