"""The stack as a whole: one command starts it, one line says where it is, one signal ends it."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
import pytest

import local.__main__
from local.demo import smoke
from local.patience import PATIENCE_SECONDS
from local.postgres import Postgres
from local.sample import Source
from local.stack import ROOT
from tests.commands import run_command
from tests.e2e.conftest import wait_until

SESSIONS = """
select distinct usename, rolsuper, exists (select from pg_class where relowner = r.oid)
from pg_stat_activity join pg_roles r on rolname = usename
where backend_type = 'client backend' and pid <> pg_backend_pid()
"""


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_up_prints_one_line_of_json_and_serves_until_sigterm() -> None:
    """A document written to the printed Cosmos arrives in the printed PostgreSQL; nothing is left afterwards."""
    command = [sys.executable, "-m", "local", "up", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as stack:
        assert stack.stdout is not None
        parts = json.loads(stack.stdout.readline())
        connection = f"AccountEndpoint={parts['cosmos']['endpoint']};AccountKey={parts['cosmos']['key']};"
        source = Source.open(connection, parts["cosmos"]["database"])
        source.write("Accounts", {"id": "a", "$type": "Account", "Email": "a@example.com"})
        source.close()

        with psycopg.connect(parts["postgres"]["dsn"], autocommit=True) as postgres:
            wait_until(lambda: postgres.execute("select 1 from accounts").fetchone() is not None, "the row is there")
            server = postgres.execute("select pg_backend_pid()").fetchone()
            sessions = postgres.execute(SESSIONS).fetchall()
        request = urllib.request.Request(
            f"{parts['functions']['url']}api/status", headers={"x-functions-key": parts["functions"]["key"]}
        )

        def read_containers() -> list[dict[str, Any]]:
            with urllib.request.urlopen(request) as response:
                return list(json.load(response)["containers"])

        # A first look that comes while everything starts may have no time left for numbers.
        wait_until(lambda: read_containers() != [], "the status has numbers")
        containers = read_containers()
        stack.send_signal(signal.SIGTERM)
        assert stack.wait(PATIENCE_SECONDS) == 0
    assert containers[0]["documents"] == {"applied": 1, "parked": 0, "deleted": 0, "unmapped": 0}
    # The app is in the writer's role: no superuser, and not the owner of anything.
    assert sessions == [("postgres_writer", False, False)]
    assert server is not None
    assert _is_gone(server[0])


def test_up_says_that_it_is_ready_what_to_try_and_how_it_ends() -> None:
    """What it prints for somebody at a terminal can be typed as it stands there; Ctrl-C ends it."""
    command = [sys.executable, "-m", "local", "up"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as stack:
        assert stack.stdout is not None
        lines = [stack.stdout.readline()]
        while lines[-1] and "Ctrl-C" not in lines[-1]:
            lines.append(stack.stdout.readline())
        typed = [line.strip() for line in lines if line.startswith("  ")]
        sample, psql = (_type(line) for line in typed if not line.startswith("curl "))
        stack.send_signal(signal.SIGINT)
        rest = stack.stdout.read()
        assert stack.wait(PATIENCE_SECONDS) == 0

    assert lines[0].startswith("Starting ")
    assert any(line.startswith("Ready: ") for line in lines)
    assert "Ending " in rest
    assert "100 documents" in sample
    assert "last_login_at" in psql
    assert typed[-1].startswith("curl -H ")


def _type(line: str) -> str:
    return subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout


def test_smoke_in_the_feed_of_all_versions_ends_with_its_line_and_exit_code_0() -> None:
    """All of it: whether a backfill counts for the cut-over depends on when this feed began."""
    command = [sys.executable, "-m", "local", "smoke", "--all-versions"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    _check_smoke(done)


def test_smoke_ends_with_its_line_and_exit_code_0(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `make smoke` promises, up to the cut-over, which tests/e2e/test_cutover.py has in this mode."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(smoke, "_cut_over", lambda *_: [])
    try:
        done = run_command("smoke", settings=os.environ, main=local.__main__.main)
    finally:
        signal.signal(signal.SIGTERM, before)

    _check_smoke(done)


def _check_smoke(done: "subprocess.CompletedProcess[str]") -> None:
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0, done.stdout + done.stderr
    assert last.startswith(f"smoke: {smoke.DOCUMENTS + smoke.POISON} documents in 4 containers, ")
    assert last.endswith(f" rows, {smoke.POISON} parked, 0 differences")


def test_a_server_that_is_there_already_is_used_in_a_database_of_its_own(postgres_server: Postgres) -> None:
    """POSTGRES_CONNECTION names a server: nothing is written to its database, and nothing is left on it."""

    def names(of: str) -> set[str]:
        query = {"databases": b"select datname from pg_database", "roles": b"select rolname from pg_roles"}[of]
        with psycopg.connect(postgres_server.dsn()) as connection:
            return {name for (name,) in connection.execute(query).fetchall()}

    before, roles = names("databases"), names("roles")
    command = [sys.executable, "-m", "local", "up", "--json"]
    environment = {**os.environ, "POSTGRES_CONNECTION": postgres_server.dsn()}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as stack:
        assert stack.stdout is not None
        lines = iter(stack.stdout.readline, "")
        parts = next(json.loads(line) for line in lines if line.startswith("{"))
        during = names("databases")
        stack.send_signal(signal.SIGTERM)
        assert stack.wait(PATIENCE_SECONDS) == 0

    (own,) = during - before
    assert f"dbname={own}" in parts["postgres"]["dsn"]
    assert (names("databases"), names("roles")) == (before, roles)
    with psycopg.connect(postgres_server.dsn()) as connection:
        assert connection.execute("select to_regclass('cdc.document')").fetchone() == (None,)


def test_documents_of_a_file_are_imported_and_kept(tmp_path: Path) -> None:
    """A container that is off by default is turned on; the next run makes its tables anew from what was kept."""
    file, kept = tmp_path / "signups.json", tmp_path / "kept"
    file.write_text(json.dumps([{"id": "one", "email": "a@example.com", "_ts": 7}]), encoding="utf-8")
    first = ["--container", "PendingSignups:/email", "--import", str(file)]

    for arguments in (first, []):
        command = [sys.executable, "-m", "local", "up", "--json", "--keep", str(kept), *arguments]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as stack:
            assert stack.stdout is not None
            parts = json.loads(stack.stdout.readline())
            with psycopg.connect(parts["postgres"]["dsn"], autocommit=True) as postgres:
                found = "select id from pending_signups"
                wait_until(lambda: postgres.execute(found).fetchone() is not None, "the row is there")  # noqa: B023
                assert postgres.execute(found).fetchall() == [("one",)]
            stack.send_signal(signal.SIGTERM)
            assert stack.wait(PATIENCE_SECONDS) == 0

    assert json.loads((kept / "PendingSignups.json").read_text(encoding="utf-8")) == [
        {"id": "one", "email": "a@example.com"}
    ]
