"""What is set up wrongly ends in one clear sentence: from the command line, from the host, and from health/ready."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local.cosmos import CosmosServer
from local.patience import PATIENCE_SECONDS
from local.stack import ROOT, Part, make_settings
from tests.commands import prepare, run_command
from tests.e2e.conftest import running_host

OTHER_KEY = "b3RoZXIga2V5"
NOWHERE = "postgresql://postgres@127.0.0.1:1/postgres"


def _run(module: str, *arguments: str, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


def _check(settings: Mapping[str, str]) -> tuple[int, list[str]]:
    done = run_command("check", settings=settings)
    assert done.stderr == ""
    return done.returncode, [line for line in done.stdout.splitlines() if line.startswith("FAIL")]


def _ready(settings: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    with running_host(settings) as host:
        try:
            with urllib.request.urlopen(f"{host.url}api/health/ready") as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


def test_everything_in_order_is_reported_line_by_line(settings: Mapping[str, str]) -> None:
    """The good case: `check` exits 0 and health/ready answers 200. Both tell what is unmapped, which is no failure."""
    with psycopg.connect(settings["POSTGRES_CONNECTION"]) as connection:
        connection.execute(
            "insert into cdc.document (key, container, partition_key, id, ts, etag, state, unmapped_type)"
            " values ('k', 'Accounts', '\"a\"', '\"a\"', 1, 'e', 'unmapped', 'SalesOrder')"
        )

    checked = run_command("check", settings=settings)
    status, body = _ready(settings)

    *lines, note = checked.stdout.splitlines()
    assert (checked.returncode, status) == (0, 200)
    assert all(line.startswith("ok ") for line in lines)
    assert note == "note  Accounts: unmapped documents of type SalesOrder: 1; no mapper takes them"
    assert [(each["type"], each["documents"]) for each in body["unmapped"]] == [("SalesOrder", 1)]


def test_missing_settings_are_all_named_and_the_host_does_not_start(cosmos: CosmosServer) -> None:
    """Two settings are empty, one is wrong: one message names the three."""
    settings = make_settings(cosmos.connection_string, "") | {"COSMOS_DATABASE": "", "MIGRATION_PHASE": "later"}

    for module, arguments in (("cdc", ["check"]), ("local.functions", ["--port", "0"])):
        done = _run(module, *arguments, settings=settings)

        assert done.returncode == 1
        assert "COSMOS_DATABASE: is missing" in done.stderr
        assert "POSTGRES_CONNECTION: is missing" in done.stderr
        assert "MIGRATION_PHASE: must be" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_wrong_cosmos_key_is_told_as_such(settings: Mapping[str, str], tmp_path: Path) -> None:
    """The key in the connection string is not the account's."""
    wrong = dict(settings)
    wrong["COSMOS_CONNECTION"] = f"{wrong['COSMOS_CONNECTION'].partition('AccountKey=')[0]}AccountKey={OTHER_KEY};"

    code, failures = _check(wrong)
    host = _run("local.functions", "--port", "0", "--state", str(tmp_path), settings=wrong)

    assert code == 1
    assert failures == ["FAIL  cosmos: Cosmos refuses the key: correct AccountKey in COSMOS_CONNECTION."]
    assert host.returncode == 1
    assert "key" in host.stderr
    assert "Traceback" not in host.stderr


def test_an_unreachable_postgres_is_told_by_check_and_by_503(settings: Mapping[str, str]) -> None:
    """Nothing listens where POSTGRES_CONNECTION points."""
    unreachable = {**settings, "POSTGRES_CONNECTION": NOWHERE}

    code, failures = _check(unreachable)
    status, body = _ready(unreachable)

    assert code == 1
    assert len(failures) == 1
    assert "PostgreSQL cannot be reached: check that the server of POSTGRES_CONNECTION runs" in failures[0]
    assert (status, body["title"]) == (503, "Service Unavailable")
    assert [error["field"] for error in body["errors"]] == ["postgres_unreachable"]


def test_an_unmigrated_database_is_told_by_check_and_by_503(settings: Mapping[str, str], empty_dsn: str) -> None:
    """The database has none of the tables."""
    unmigrated = {**settings, "POSTGRES_CONNECTION": empty_dsn}

    code, failures = _check(unmigrated)
    status, body = _ready(unmigrated)

    assert code == 1
    assert len(failures) == 1
    assert failures[0].endswith("run python -m cdc migrate.")
    assert status == 503
    assert [error["field"] for error in body["errors"]] == ["setup_incomplete"]


def test_a_column_that_a_mapper_writes_and_the_table_lacks_is_named(settings: Mapping[str, str], dsn: str) -> None:
    """Somebody dropped a column."""
    with psycopg.connect(dsn) as connection:
        connection.execute("alter table user_profiles drop column pronouns")

    code, failures = _check(settings)
    status, body = _ready(settings)

    assert code == 1
    assert len(failures) == 1
    assert failures[0].startswith("FAIL  tables of UserProfiles: table public.user_profiles has no column pronouns")
    assert status == 503
    assert [error["field"] for error in body["errors"]] == ["setup_incomplete"]
    assert "pronouns" in body["errors"][0]["message"]


def test_a_missing_lease_container_says_to_run_setup(cosmos: CosmosServer, dsn: str) -> None:
    """Nobody has run `python -m cdc setup`."""
    settings = prepare(make_settings(cosmos.connection_string, dsn))
    without = {**settings, "LEASE_CONTAINER": "other-leases"}

    code, failures = _check(without)

    assert code == 1
    assert len(failures) == 1
    assert failures[0].endswith("Run python -m cdc setup.")


@pytest.mark.parametrize("key", [None, "wrong"], ids=["no key", "wrong key"])
def test_status_needs_the_function_key(host: Part, key: str | None) -> None:
    """Everything but health asks for a key."""
    request = urllib.request.Request(f"{host.url}api/status", headers={"x-functions-key": key} if key else {})

    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request)

    with refusal.value as response:
        assert response.code == 401


def test_the_functions_are_listed_on_a_clone_without_settings() -> None:
    """`--list` needs no settings but the example's, and starts nothing."""
    listed = _run("local.functions", "--list", settings={})

    assert listed.returncode == 0
    functions = {function["name"]: function for function in map(json.loads, listed.stdout.splitlines())}
    assert functions["change_feed_accounts"]["bindings"][0]["leaseContainerName"] == "%LEASE_CONTAINER%"
    assert functions["status"]["url"].endswith("/api/status")
