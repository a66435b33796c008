"""The command line says in one sentence what is wrong, and exits with 1."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from cdc.operations.migrations import read_migrations
from mappers import APPLICATION_SQL, EXTRA_MAPPERS, MAPPERS
from tests.commands import run_command

ROOT = Path(__file__).parents[2]
COSMOS = {
    "COSMOS_CONNECTION": "AccountEndpoint=http://127.0.0.1:9/;AccountKey=c2VjcmV0;",
    "COSMOS_DATABASE": "MystiraAppDb",
    "LEASE_DATABASE": "MystiraCdc",
    "LEASE_CONTAINER": "leases",
    "LEASE_PREFIX": "test",
    "DURABLE_HUB": "test",
    "IDENTITY_KEY": "for the tests only",
}


@pytest.fixture
def run_process(tmp_path):
    """Run a command with these settings alone, in a folder and a process of its own."""

    def run_command(*command, **values):
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | values
        return subprocess.run(
            [sys.executable, "-m", "cdc", *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run_command


@pytest.fixture
def run(tmp_path):
    """Run a command with these settings alone, in a folder of its own."""
    return lambda *command, **values: run_command(*command, settings=values, folder=tmp_path)


def assert_failed(done, *words):
    """Assert that a run said these words in one sentence and no traceback."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert all(word in done.stdout + done.stderr for word in words)


def test_migrate_names_every_missing_setting(run_process):
    """Without settings every required one is named, and nothing else is tried."""
    done = run_process("migrate")

    assert_failed(done, "POSTGRES_CONNECTION: is missing", *(f"{name}: is missing" for name in COSMOS))
    assert done.stdout == ""


def test_settings_file_that_is_no_json_is_named(run, tmp_path):
    """A broken local.settings.json is one sentence, too."""
    (tmp_path / "local.settings.json").write_text("{", encoding="utf-8")

    assert_failed(run("migrate"), "local.settings.json is not JSON: ", "line 1 column 2")


def test_a_settings_file_without_values_is_named(run, tmp_path):
    """JSON of another shape is one sentence that says which shape it must have."""
    (tmp_path / "local.settings.json").write_text('{"Values": 3}', encoding="utf-8")

    assert_failed(run("migrate"), "local.settings.json must be a JSON object")


def test_the_openapi_document_needs_no_settings(run):
    """It is the same whatever the settings are."""
    done = run("openapi")

    assert done.returncode == 0
    assert json.loads(done.stdout)["openapi"].startswith("3.")


def test_the_script_of_the_roles_needs_no_settings(run):
    """It names the tables of every mapper, also of those that are not replicated yet."""
    done = run("roles")

    first, *rest = done.stdout.splitlines()
    assert done.returncode == 0
    assert all(f'\\"{table.name}\\"' in first for mapper in (*MAPPERS, *EXTRA_MAPPERS) for table in mapper.tables)
    assert "\n".join(rest) == (ROOT / "sql/roles.sql").read_text(encoding="utf-8").rstrip()


def test_a_lease_container_that_is_replicated_is_refused(run):
    """Leases would stand among the documents of the application."""
    values = COSMOS | {"LEASE_DATABASE": COSMOS["COSMOS_DATABASE"], "LEASE_CONTAINER": "Accounts"}

    done = run("setup", **values, POSTGRES_CONNECTION="postgresql://localhost:9/app")

    assert_failed(done, "LEASE_CONTAINER is Accounts, which is replicated")


def test_an_extra_container_without_a_mapper_is_refused(run):
    """The message names the containers that may be added."""
    values = COSMOS | {"POSTGRES_CONNECTION": "postgresql://localhost:9/app", "EXTRA_CONTAINERS": "BadgeImages"}

    assert_failed(run("check", **values), "EXTRA_CONTAINERS: must name only PendingSignups")


def test_migrate_says_what_it_applied(run_process, empty_dsn, tmp_path):
    """The first run names each migration, the second says that there is nothing to do; settings may be in the file."""
    values = COSMOS | {"POSTGRES_CONNECTION": empty_dsn}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values}), encoding="utf-8")

    first, second = run_process("migrate"), run_process("migrate")

    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout.splitlines() == [f"applied {migration.name}" for migration in read_migrations(APPLICATION_SQL)]
    assert second.stdout == "nothing to apply: the database is up to date\n"
    # EXTRA_CONTAINERS may be set where the app runs, and not here.
    with psycopg.connect(empty_dsn) as connection:
        for mapper in (*MAPPERS, *EXTRA_MAPPERS):
            root = connection.execute("select cdc.root_table(%s)", [mapper.container]).fetchone()
            assert root == (mapper.root_name,)


@pytest.mark.parametrize("command", ["migrate", "check"])
@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("postgresql://app:s3cret@127.0.0.1:9/app", "PostgreSQL cannot be reached"),
        ("{server}/nowhere", 'database "nowhere" does not exist'),
    ],
    ids=["no server", "no database"],
)
def test_unreachable_postgres_is_one_sentence(run, empty_dsn, command, target, words):
    """A server that is not there, or a database that it does not have, is said with the setting to correct."""
    server = empty_dsn.rpartition("/")[0]

    done = run(command, **COSMOS, POSTGRES_CONNECTION=target.format(server=server))

    assert_failed(done, words, "POSTGRES_CONNECTION")
    assert "s3cret" not in done.stdout + done.stderr


def test_check_names_missing_migrations(run, empty_dsn):
    """A database without migrations: each missing one is named, and the command that applies them."""
    done = run("check", **COSMOS, POSTGRES_CONNECTION=empty_dsn)

    assert_failed(done, "ok    settings", "ok    postgres", "FAIL  migrations", "run python -m cdc migrate")
    assert all(migration.name in done.stdout for migration in read_migrations(APPLICATION_SQL))


def test_check_names_a_missing_column(run, dsn, app_dsn):
    """A table that lacks a column: table and column are named."""
    with psycopg.connect(dsn) as connection:
        connection.execute("alter table accounts drop column role")

    done = run("check", **COSMOS, POSTGRES_CONNECTION=app_dsn)

    assert_failed(done, "ok    migrations", "FAIL  tables of Accounts: table public.accounts has no column role")


def test_check_passes_what_is_right(run, app_dsn):
    """With PostgreSQL in order only Cosmos is left to mend, in one line."""
    done = run("check", **COSMOS, POSTGRES_CONNECTION=app_dsn)

    assert_failed(done, "ok    tables of Accounts", "ok    tables of UserProfiles", "FAIL  cosmos: ")
    assert sum("FAIL" in line for line in done.stdout.splitlines()) == 1


def test_what_a_reconcile_found_is_shown_to_whoever_has_the_database(run, dsn, app_dsn):
    """A report names nobody: a document's identity, or a row's table and key, are asked for by its number."""
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "insert into cdc.reconciliation (id, container, mode, repair, max_request_units, state) "
            "values (1, 'Accounts', 'keys', false, 1, 'completed')"
        )
        connection.execute(
            "insert into cdc.drift "
            "(reconciliation, container, key, partition_key, id, row_table, row_key, kind, state) values "
            "(1, 'Accounts', 'a', '\"p\"', '\"naledi\"', null, null, 'orphaned', 'left'), "
            "(1, 'Accounts', 'b', null, null, 'public.accounts', '[\"x\"]', 'unclaimed', 'left'), "
            "(1, 'Accounts', 'c', '\"p\"', '\"q\"', null, null, 'missing', 'suspected')"
        )
    values = COSMOS | {"POSTGRES_CONNECTION": app_dsn}

    document, row = (run("show", "--drift", number, **values).stdout for number in ("1", "2"))

    assert 'Accounts, id "naledi", partition key "p"' in document
    assert "orphaned, left, since" in document
    assert 'public.accounts, key ["x"]' in row
    for number in ("3", "4", "x"):
        assert_failed(
            run("show", "--drift", number, **values),
            "There is no finding with this id: it was dropped, or its report was deleted.",
        )


def test_cutover_check_names_documents_only_when_asked(run, dsn):
    """A broken rule is exit code 1, with fingerprints; identities are shown to whoever asks for them."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("insert into accounts (id, email) values ('a', 'x@example.com'), ('b', 'x@example.com')")
        connection.execute(
            "insert into cdc.document"
            " (key, container, partition_key, id, ts, etag, row_table, row_key, row_hash, state)"
            """ values ('\\x01', 'Accounts', '"a"', '"secret-id"', 1, 'e', 'public.accounts', '["a"]',"""
            """ cdc.row_hash('public.accounts', '["a"]'), 'applied')"""
        )

    done = run("cutover", "check", POSTGRES_CONNECTION=dsn, **COSMOS)
    told = run("cutover", "check", "--identities", POSTGRES_CONNECTION=dsn, **COSMOS)

    assert_failed(done, "FAIL  ix_accounts_email", "2 rows break it", "document ", "ok    fk_game_sessions_accounts")
    assert "secret-id" not in done.stdout
    assert "x@example.com" not in done.stdout + told.stdout
    assert "secret-id" in told.stdout


def test_the_phase_is_shown_recorded_and_refused(run, dsn):
    """Setting, record and history; the way back is recorded, with who did it, and phase 3 is the cut-over's."""
    values = COSMOS | {"POSTGRES_CONNECTION": dsn}

    shown, back, refused, unknown = (run("phase", *to, **values) for to in ((), ("cosmos_only",), ("3",), ("4",)))

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "recorded  dual_write_cosmos_read since " in shown.stdout
    assert back.returncode == 0
    assert "dual_write_cosmos_read to cosmos_only, by postgres" in back.stdout
    assert "MIGRATION_PHASE is 1 (dual_write_cosmos_read), but the recorded phase is 0 (cosmos_only)" in back.stderr
    assert_failed(refused, "the cut-over alone")
    assert unknown.returncode == 2
    assert "must be a number from 0 to 3" in unknown.stderr


def test_the_page_of_problems_needs_no_settings(run):
    """It is the page of the docs."""
    done = run("problems")

    assert (done.returncode, done.stdout) == (0, (ROOT / "docs/problems.md").read_text(encoding="utf-8"))


def test_status_without_settings_leads_to_its_paragraph(run):
    """Nothing else can be known."""
    assert_failed(run("status"), "POSTGRES_CONNECTION: is missing", "docs/problems.md#settings_wrong")


def test_status_names_what_is_away_and_ends_with_1(run, app_dsn):
    """The containers are shown as PostgreSQL knows them."""
    done = run("status", **COSMOS, POSTGRES_CONNECTION=app_dsn)

    assert_failed(done, "STOPPED at ", "STOPPED  cosmos_unreachable", "What to do: ", "Accounts")
