"""The stack as a whole: one command starts it, one line says where it is, one signal ends it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

import local.command
from local.demo import smoke
from local.operator import Operator
from local.patience import PATIENCE_SECONDS
from local.postgres import Postgres
from local.sample import Source
from local.stack import ROOT
from tests.commands import run_command
from tests.e2e.conftest import read_status, wait_until

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


@contextmanager
def up(*arguments: str, **environment: str) -> Iterator[tuple[dict[str, Any], psycopg.Connection[Any]]]:
    """Run `local up --json` until the block ends; give the one line that it prints, and a way to ask PostgreSQL."""
    command = [sys.executable, "-m", "local", "up", "--json", *arguments]
    settings = {**os.environ, **environment}
    with subprocess.Popen(command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, text=True) as stack:
        assert stack.stdout is not None
        parts = json.loads(stack.stdout.readline())
        try:
            with psycopg.connect(parts["postgres"]["dsn"], autocommit=True) as postgres:
                yield parts, postgres
        finally:
            stack.send_signal(signal.SIGTERM)
        assert stack.wait(PATIENCE_SECONDS) == 0


def wait_for_signup(postgres: psycopg.Connection[Any]) -> None:
    """Wait until the table of a container that is off by default has the row of its only document."""
    query = "select id from pending_signups"
    wait_until(lambda: postgres.execute(query).fetchall() == [("one",)], "the row is there")


def test_up_uses_a_server_and_the_documents_of_a_file_and_keeps_them(postgres_server: Postgres, tmp_path: Path) -> None:
    """The first run has a database of its own on a server that is there already, and leaves nothing on it.

    The second one makes the tables anew from what was kept, on a server that ends with it. A document written to the
    printed Cosmos arrives in the printed PostgreSQL.
    """
    file, kept = tmp_path / "signups.json", tmp_path / "kept"
    file.write_text(json.dumps([{"id": "one", "email": "a@example.com", "_ts": 7}]), encoding="utf-8")
    named = ["--container", "PendingSignups:/email", "--import", str(file)]
    before = _list_names(postgres_server)
    with up("--keep", str(kept), *named, POSTGRES_CONNECTION=postgres_server.dsn()) as (parts, postgres):
        wait_for_signup(postgres)
        (own,) = _list_names(postgres_server)["databases"] - before["databases"]
        assert f"dbname={own}" in parts["postgres"]["dsn"]
    assert _list_names(postgres_server) == before
    with psycopg.connect(postgres_server.dsn()) as connection:
        assert connection.execute("select to_regclass('cdc.document')").fetchone() == (None,)
    assert json.loads((kept / "PendingSignups.json").read_text(encoding="utf-8")) == [
        {"id": "one", "email": "a@example.com"}
    ]

    with up("--keep", str(kept)) as (parts, postgres):
        wait_for_signup(postgres)
        connection_string = f"AccountEndpoint={parts['cosmos']['endpoint']};AccountKey={parts['cosmos']['key']};"
        source = Source.open(connection_string, parts["cosmos"]["database"])
        source.write("Accounts", {"id": "a", "$type": "Account", "Email": "a@example.com"})
        source.close()
        wait_until(lambda: postgres.execute("select 1 from accounts").fetchone() is not None, "the row is there")
        functions = Operator(parts["functions"]["url"], parts["functions"]["key"])
        assert read_status(functions)["containers"][0]["documents"] == {
            "applied": 1,
            "parked": 0,
            "deleted": 0,
            "unmapped": 0,
        }
        # The app is in the writer's role: no superuser, and not the owner of anything.
        assert postgres.execute(SESSIONS).fetchall() == [("postgres_writer", False, False)]
        server = postgres.execute("select pg_backend_pid()").fetchone()
    assert server is not None
    assert _is_gone(server[0])


def _list_names(server: Postgres) -> dict[str, set[str]]:
    queries = {"databases": b"select datname from pg_database", "roles": b"select rolname from pg_roles"}
    with psycopg.connect(server.dsn()) as connection:
        return {of: {name for (name,) in connection.execute(query)} for of, query in queries.items()}


def test_up_says_that_it_is_ready_what_to_try_and_how_it_ends() -> None:
    """What it prints for somebody at a terminal can be typed as it stands there; Ctrl-C ends it."""
    command = [sys.executable, "-m", "local", "up"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as stack:
        assert stack.stdout is not None
        lines = [stack.stdout.readline()]
        while lines[-1] and "Ctrl-C" not in lines[-1]:
            lines.append(stack.stdout.readline())
        typed = [line.strip() for line in lines if line.startswith("  ")]
        at = next(number for number, line in enumerate(typed) if line.startswith("export "))
        commands = [*typed[: at - 1], "\n".join(typed[at:])]  # a line of settings is for the command after it
        sample, psql, compared = (_type(line) for line in commands)
        stack.send_signal(signal.SIGINT)
        rest = stack.stdout.read()
        assert stack.wait(PATIENCE_SECONDS) == 0

    assert lines[0].startswith("Starting ")
    assert any(line.startswith("Ready: ") for line in lines)
    assert "Ending " in rest
    assert "100 documents" in sample
    assert "last_login_at" in psql
    assert typed[at - 1].startswith("curl -H ")
    assert re.search("^compare: [0-9]+ documents in 4 containers", compared, re.MULTILINE)


def _type(line: str) -> str:
    done = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    # Differences are no failure here: a document may still be on its way.
    assert done.returncode == 0 or (done.returncode == 1 and "compare: " in done.stdout), done.stderr
    return done.stdout


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
        done = run_command("smoke", settings=os.environ, main=local.command.main)
    finally:
        signal.signal(signal.SIGTERM, before)

    _check_smoke(done)


def _check_smoke(done: "subprocess.CompletedProcess[str]") -> None:
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0, done.stdout + done.stderr
    assert last.startswith(f"smoke: {smoke.DOCUMENTS + smoke.POISON} documents in 4 containers, ")
    assert last.endswith(f" rows, {smoke.POISON} parked, 0 differences")
